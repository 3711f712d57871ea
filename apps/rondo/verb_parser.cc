#include "apps/rondo/verb_parser.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include <algorithm>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "runtime/base/error.h"
#include "runtime/base/nearest.h"

namespace apps {
namespace {

using runtime::Exit;
using runtime::MakeError;

std::string FlagOf(const std::string& argument) { return argument.substr(0, argument.find('=')); }

// Prints our usage line instead of one made of placeholders.
class HelpFormatter : public CLI::Formatter {
 public:
  explicit HelpFormatter(const std::string& usage) : usage_(usage) { column_width(32); }
  std::string make_usage(const CLI::App*, std::string) const override {
    return absl::StrCat("Usage: ", usage_, "\n");
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

void VerbParser::Text(const std::string& flag, const std::string& type, std::string* value,
                      const std::string& help) {
  flags_.push_back(flag);
  app_->add_option(flag, *value, help)->type_name(type);
}

void VerbParser::Texts(const std::string& flag, const std::string& type,
                       std::vector<std::string>* values, const std::string& help) {
  flags_.push_back(flag);
  // One value per mention: what follows it is a positional again.
  app_->add_option(flag, *values, help)
      ->type_name(type)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void VerbParser::Switch(const std::string& flag, bool* value, const std::string& help) {
  for (const absl::string_view name : absl::StrSplit(flag, ',')) flags_.emplace_back(name);
  app_->add_flag(flag, *value, help);
}

void VerbParser::AllowJsonl() {
  Switch("--jsonl", &jsonl_, "print one JSON event a line on stdout");
}

void VerbParser::Footer(const std::string& text) { app_->footer(text); }

std::string VerbParser::Help() const { return app_->help(); }

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
    return MakeError("USAGE_UNKNOWN_FLAG", Exit::kUsage,
                     absl::StrCat("rondo ", verb_, " has no flag ", flag),
                     runtime::DidYouMean(flag, flags_, see_help));
  }
  return MakeError("USAGE_UNEXPECTED_ARGUMENT", Exit::kUsage,
                   absl::StrCat("rondo ", verb_, " does not take the argument ", extras.front()),
                   see_help);
}

// `flag` has too few or too many values.
absl::Status VerbParser::RefuseValue(const std::string& flag,
                                     const std::vector<std::string>& arguments) const {
  const auto mentions = std::count_if(arguments.begin(), arguments.end(),
                                      [&](const auto& text) { return FlagOf(text) == flag; });
  if (mentions > 1) {
    return MakeError("USAGE_REPEATED_FLAG", Exit::kUsage,
                     absl::StrCat("rondo ", verb_, " takes ", flag, " once"),
                     "give it one time only");
  }
  return MakeError("USAGE_MISSING_VALUE", Exit::kUsage,
                   absl::StrCat("rondo ", verb_, ": ", flag, " needs a value"),
                   absl::StrCat("see rondo ", verb_, " --help"));
}

absl::StatusOr<bool> VerbParser::Parse(std::vector<std::string> arguments) {
  for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    const bool is_known = std::count(flags_.begin(), flags_.end(), arguments[i]) > 0;
    const bool is_last = i + 1 == arguments.size();
    // CLI11 would take the next flag for the value of this one.
    if (is_known && (is_last || arguments[i + 1].rfind("--", 0) == 0) &&
        app_->get_option(arguments[i])->get_items_expected_min() > 0) {
      return RefuseValue(arguments[i], {});
    }
  }
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
  const std::vector<std::string> extras = app_->remaining();
  if (!extras.empty()) return RefuseExtras(extras);
  if (json_ && jsonl_) {
    return MakeError("USAGE_INVALID_VALUE", Exit::kUsage,
                     absl::StrCat("rondo ", verb_, ": --json and --jsonl exclude each other"),
                     "--json for one object at the end, --jsonl for one event a line");
  }
  return false;
}

}  // namespace apps
