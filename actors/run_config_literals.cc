// Values of a config as TOML writes them.
#include <absl/strings/str_cat.h>

#include <charconv>
#include <cmath>
#include <cstdio>
#include <string>
#include <system_error>
#include <variant>

#include "actors/run_config_keys.h"
#include "runtime/base/require.h"

namespace actors {
namespace {

// The shortest decimal that reads back to the same bits, marked as a float.
std::string FloatLiteral(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char digits[32];
  const auto [end, error] = std::to_chars(digits, digits + sizeof(digits), value);
  REQUIRE(error == std::errc());
  std::string text(digits, end);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

// A basic string of TOML.
std::string TextLiteral(const std::string& text) {
  std::string literal = "\"";
  for (const char letter : text) {
    const auto code = static_cast<unsigned char>(letter);
    if (letter == '"' || letter == '\\') {
      literal += '\\';
      literal += letter;
    } else if (code < 0x20 || code == 0x7F) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04X", code);
      literal += escape;
    } else {
      literal += letter;
    }
  }
  return literal + "\"";
}

}  // namespace

std::string ToTomlLiteral(const ConfigValue& value) {
  if (const bool* is_on = std::get_if<bool>(&value)) return *is_on ? "true" : "false";
  if (const std::int64_t* number = std::get_if<std::int64_t>(&value)) return absl::StrCat(*number);
  if (const double* number = std::get_if<double>(&value)) return FloatLiteral(*number);
  return TextLiteral(std::get<std::string>(value));
}

}  // namespace actors
