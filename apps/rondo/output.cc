#include "apps/rondo/output.h"

#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <nlohmann/json.hpp>

#include "runtime/base/error.h"

namespace apps {
namespace {

constexpr int kSchema = 1;

// A line of ours ends once.
std::string WithEnd(const std::string& text) {
  return !text.empty() && text.back() == '\n' ? text : text + "\n";
}

bool IsControlled(std::FILE* file) {
  const char* const term = std::getenv("TERM");
  const bool is_dumb = term == nullptr || std::strcmp(term, "dumb") == 0;
  return isatty(fileno(file)) == 1 && !is_dumb;
}

bool WantsNoColor() {
  const char* const no_color = std::getenv("NO_COLOR");
  return no_color != nullptr && no_color[0] != '\0';
}

}  // namespace

std::string SuccessEnvelope(const std::string& verb, const std::string& data_json) {
  return absl::StrCat("{\"schema\":", kSchema,
                      ",\"ok\":true,\"verb\":", nlohmann::json(verb).dump(),
                      ",\"data\":", data_json, "}");
}

std::string ErrorEnvelope(const std::string& verb, const absl::Status& status,
                          const std::string& data_json) {
  const runtime::UserError error = runtime::ToUserError(status);
  nlohmann::ordered_json json;
  json["schema"] = kSchema;
  json["ok"] = false;
  if (!verb.empty()) json["verb"] = verb;
  json["code"] = error.code;
  json["exit"] = static_cast<int>(error.exit);
  json["message"] = error.message;
  json["hint"] = error.hint;
  std::string text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (!data_json.empty()) text.insert(text.size() - 1, absl::StrCat(",\"data\":", data_json));
  return text;
}

std::string HumanError(const absl::Status& status, bool color) {
  const runtime::UserError error = runtime::ToUserError(status);
  std::string text = absl::StrCat(color ? "\x1b[1;31m" : "", "error[", error.code, "]",
                                  color ? "\x1b[0m" : "", ": ", error.message, "\n");
  if (!error.hint.empty()) absl::StrAppend(&text, "  hint: ", error.hint, "\n");
  return text;
}

Output::Output(const OutputOptions& options, std::FILE* out, std::FILE* err)
    : options_(options),
      out_(out),
      err_(err),
      is_terminal_(IsControlled(err)),
      color_(is_terminal_ && !options.no_color && !WantsNoColor()) {}

void Output::Text(const std::string& text) {
  if (options_.format == OutputFormat::kHuman) Write(out_, WithEnd(text));
}

void Output::Screen(const std::string& text) {
  // Home, and what is below it gone: less flicker than clearing first.
  Text(IsControlled(out_) ? "\x1b[H\x1b[J" + text : text);
}

void Output::Note(const std::string& text) {
  if (!options_.quiet) Write(err_, WithEnd(text));
}

void Output::Raw(const std::string& bytes) { Write(err_, bytes); }

void Output::Event(const std::string& json) {
  if (options_.format == OutputFormat::kJsonl) Write(out_, WithEnd(json));
}

void Output::Data(const std::string& verb, const std::string& data_json) {
  if (options_.format == OutputFormat::kJson) Write(out_, SuccessEnvelope(verb, data_json) + "\n");
}

int Output::Fail(const std::string& verb, const absl::Status& status,
                 const std::string& data_json) {
  switch (options_.format) {
    case OutputFormat::kHuman: Write(err_, HumanError(status, color_)); break;
    case OutputFormat::kJson: Write(out_, ErrorEnvelope(verb, status, data_json) + "\n"); break;
    case OutputFormat::kJsonl: {
      std::string line = ErrorEnvelope(verb, status, data_json);
      line.insert(line.size() - 1, ",\"terminal\":true");
      Write(out_, line + "\n");
      break;
    }
  }
  return static_cast<int>(runtime::ToUserError(status).exit);
}

void Output::Write(std::FILE* file, const std::string& text) {
  if (file == out_ && out_error_ != 0) return;
  const bool written =
      std::fwrite(text.data(), 1, text.size(), file) == text.size() && std::fflush(file) == 0;
  if (!written && file == out_) out_error_ = errno;
}

absl::Status Output::Flush() {
  if (out_error_ == 0 || out_error_ == EPIPE) return absl::OkStatus();
  return runtime::MakeError("OUTPUT_FAILED", runtime::Exit::kRunFailed,
                            absl::StrCat("cannot write to stdout: ", std::strerror(out_error_)),
                            "is the disk full?");
}

}  // namespace apps
