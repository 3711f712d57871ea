#include "apps/rondo/verb_parser.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include <algorithm>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "runtime/base/error.h"
#include "runtime/base/nearest.h"
#include "runtime/base/status.h"

namespace apps {
namespace {

using runtime::Exit;
using runtime::MakeError;

std::string FlagOf(const std::string& argument) { return argument.substr(0, argument.find('=')); }

// Breaks lines between words, at kHelpWidth columns.
std::string Wrapped(const std::string& text) {
  constexpr std::size_t kHelpWidth = 90;
  std::string wrapped;
  std::size_t column = 0;
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    const bool fits = column + 1 + word.size() <= kHelpWidth;
    if (column > 0) wrapped += fits ? " " : "\n";
    column = (column > 0 && fits ? column + 1 : 0) + word.size();
    wrapped.append(word.data(), word.size());
  }
  return wrapped;
}

// Prints our usage line instead of one made of placeholders.
class HelpFormatter : public CLI::Formatter {
 public:
  explicit HelpFormatter(const std::string& usage) : usage_(usage) {
    column_width(32);
    label("Positionals", "Arguments");
  }
  std::string make_usage(const CLI::App*, std::string) const override {
    return absl::StrCat("Usage: ", usage_, "\n");
  }
  std::string make_description(const CLI::App* app) const override {
    return Wrapped(app->get_description()) + "\n\n";
  }

 private:
  const std::string usage_;
};

bool IsFlag(const std::string& argument) { return argument.size() > 1 && argument[0] == '-'; }

}  // namespace

VerbParser::VerbParser(const std::string& verb, const std::string& usage,
                       const std::string& summary)
    : verb_(verb), app_(std::make_unique<CLI::App>(summary, "rondo " + verb)) {
  app_->formatter(std::make_shared<HelpFormatter>(absl::StrCat("rondo ", verb, " ", usage)));
  app_->allow_extras();
  app_->set_help_flag("-h,--help", "print this and exit");
  flags_ = {"--help", "-h"};
  Switch("--json", &json_, "print one JSON object on stdout");
  Switch("--quiet", &quiet_, "print no progress and no notes");
  Switch("--no-color", &no_color_, "print no control codes; also NO_COLOR=1");
}

VerbParser::~VerbParser() = default;

void VerbParser::Positional(const std::string& name, std::string* value, const std::string& help) {
  app_->add_option(name, *value, help)->type_name("");
}

void VerbParser::Positionals(const std::string& name, std::vector<std::string>* values,
                             const std::string& help) {
  app_->add_option(name, *values, help)->type_name("");
}

void VerbParser::Text(const std::string& flag, const std::string& type, std::string* value,
                      const std::string& help) {
  for (const absl::string_view name : absl::StrSplit(flag, ',')) {
    flags_.emplace_back(name);
    texts_[std::string(name)] = value;
  }
  app_->add_option(flag, *value, help)->type_name(type);
}

void VerbParser::Texts(const std::string& flag, const std::string& type,
                       std::vector<std::string>* values, const std::string& help) {
  flags_.push_back(flag);
  // One value per mention: what follows it is a positional again.
  app_->add_option(flag, *values, help)->type_name(type)->allow_extra_args(false);
}

void VerbParser::Switch(const std::string& flag, bool* value, const std::string& help) {
  for (const absl::string_view name : absl::StrSplit(flag, ',')) flags_.emplace_back(name);
  app_->add_flag(flag, *value, help);
}

void VerbParser::AllowJsonl() {
  Switch("--jsonl", &jsonl_, "print one JSON event a line on stdout");
}

void VerbParser::Redirect(const std::string& flag, const std::string& hint) {
  redirects_.try_emplace(flag, hint);
}

void VerbParser::Footer(const std::string& text) { app_->footer(text); }

std::string VerbParser::Help() const {
  std::string text = app_->help();
  absl::StripTrailingAsciiWhitespace(&text);
  return text + "\n";
}

Command VerbParser::MadeHelp() const { return Command{verb_, output(), HelpOptions{Help()}}; }

OutputOptions VerbParser::output() const {
  OutputOptions options;
  if (json_) options.format = OutputFormat::kJson;
  if (jsonl_) options.format = OutputFormat::kJsonl;
  options.quiet = quiet_;
  options.no_color = no_color_;
  return options;
}

absl::Status VerbParser::Missing(const std::string& name, const std::string& hint) const {
  return MakeError("USAGE_MISSING_ARGUMENT", Exit::kUsage,
                   absl::StrCat("rondo ", verb_, " needs ", name), hint);
}

absl::Status VerbParser::RefuseExtras(const std::vector<std::string>& extras) const {
  const std::string see_help = absl::StrCat("see rondo ", verb_, " --help");
  for (const std::string& extra : extras) {
    if (!IsFlag(extra)) continue;
    const std::string flag = FlagOf(extra);
    const auto redirect = redirects_.find(flag);
    const std::string hint = redirect != redirects_.end()
                                 ? redirect->second
                                 : runtime::DidYouMean(flag, flags_, see_help);
    return MakeError("USAGE_UNKNOWN_FLAG", Exit::kUsage,
                     absl::StrCat("rondo ", verb_, " has no flag ", flag), hint);
  }
  return MakeError("USAGE_UNEXPECTED_ARGUMENT", Exit::kUsage,
                   absl::StrCat("rondo ", verb_, " does not take the argument ", extras.front()),
                   see_help);
}

// `flag` has too few or too many values.
absl::Status VerbParser::RefuseValue(const std::string& flag,
                                     const std::vector<std::string>& arguments) const {
  // Two spellings of one flag, "-o" and "--out", have one value.
  const auto value_of = [this](const std::string& name) -> const void* {
    const auto found = texts_.find(name);
    return found == texts_.end() ? nullptr : found->second;
  };
  const auto mentions =
      std::count_if(arguments.begin(), arguments.end(), [&](const std::string& text) {
        const std::string name = FlagOf(text);
        return name == flag || (value_of(name) != nullptr && value_of(name) == value_of(flag));
      });
  if (mentions > 1) {
    return MakeError("USAGE_REPEATED_FLAG", Exit::kUsage,
                     absl::StrCat("rondo ", verb_, " takes ", flag, " once"),
                     "give it one time only");
  }
  return MakeError("USAGE_MISSING_VALUE", Exit::kUsage,
                   absl::StrCat("rondo ", verb_, ": ", flag, " needs a value"),
                   absl::StrCat("see rondo ", verb_, " --help"));
}

// What CLI11 would let pass: a flag as the value of the one before it, and a value for a switch.
absl::Status VerbParser::CheckShape(const std::vector<std::string>& arguments) const {
  for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    const std::string flag = FlagOf(arguments[i]);
    if (std::count(flags_.begin(), flags_.end(), flag) == 0) continue;
    const bool takes_value = app_->get_option(flag)->get_items_expected_min() > 0;
    const bool has_value = flag != arguments[i];
    if (has_value && flag.size() == 2) {
      return MakeError(
          "USAGE_INVALID_VALUE", Exit::kUsage,
          absl::StrCat("rondo ", verb_, ": the value of ", flag, " is a word of its own"),
          absl::StrCat("write ", flag, " ", arguments[i].substr(3)));
    }
    if (has_value && !takes_value) {
      return MakeError("USAGE_INVALID_VALUE", Exit::kUsage,
                       absl::StrCat("rondo ", verb_, ": ", flag, " takes no value"), "");
    }
    if (!takes_value || has_value) continue;
    ++i;
    if (i == arguments.size() || absl::StartsWith(arguments[i], "--")) return RefuseValue(flag, {});
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> VerbParser::Parse(std::vector<std::string> arguments) {
  RETURN_IF_ERROR(CheckShape(arguments));
  const std::vector<std::string> given = arguments;
  std::reverse(arguments.begin(), arguments.end());
  try {
    app_->parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    return true;
  } catch (const CLI::ParseError& error) {
    const std::string what = error.what();
    const std::string flag = what.substr(0, what.find_first_of(": "));
    if (std::count(flags_.begin(), flags_.end(), flag) > 0) return RefuseValue(flag, given);
    return MakeError("USAGE_INVALID_VALUE", Exit::kUsage, absl::StrCat("rondo ", verb_, ": ", what),
                     absl::StrCat("see rondo ", verb_, " --help"));
  }
  std::vector<std::string> extras = app_->remaining();
  extras.erase(std::remove(extras.begin(), extras.end(), "--"), extras.end());
  if (!extras.empty()) return RefuseExtras(extras);
  for (const auto& [flag, value] : texts_) {
    if (app_->count(flag) > 0 && value->empty()) return RefuseValue(flag, {});
  }
  if (json_ && jsonl_) {
    return MakeError("USAGE_INVALID_VALUE", Exit::kUsage,
                     absl::StrCat("rondo ", verb_, ": --json and --jsonl exclude each other"),
                     "--json for one object at the end, --jsonl for one event a line");
  }
  return false;
}

}  // namespace apps
