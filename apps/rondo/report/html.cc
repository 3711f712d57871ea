#include "apps/rondo/report/html.h"

#include <absl/strings/str_format.h>

#include <cmath>
#include <cstdint>

namespace apps::report {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";

// Bytes of the code point at `place`; 0 if none begins there (RFC 3629: no overlong forms, no
// surrogates, nothing above U+10FFFF).
std::size_t LengthAt(std::string_view text, std::size_t place) {
  const auto byte = [&](std::size_t offset) {
    return place + offset < text.size() ? static_cast<std::uint8_t>(text[place + offset]) : 0;
  };
  const auto continues = [&](std::size_t offset) { return (byte(offset) & 0xC0) == 0x80; };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!continues(1) || !continues(2)) return 0;
    const bool is_overlong = first == 0xE0 && byte(1) < 0xA0;
    const bool is_surrogate = first == 0xED && byte(1) > 0x9F;
    return is_overlong || is_surrogate ? 0 : 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    const bool is_overlong = first == 0xF0 && byte(1) < 0x90;
    const bool is_beyond = first == 0xF4 && byte(1) > 0x8F;
    return is_overlong || is_beyond ? 0 : 4;
  }
  return 0;
}

}  // namespace

std::string Escape(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (std::size_t place = 0; place < text.size();) {
    const std::size_t length = LengthAt(text, place);
    if (length == 0) {
      escaped += kReplacement;
      ++place;
      continue;
    }
    const char first = text[place];
    switch (first) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      case '\'': escaped += "&#39;"; break;
      default: {
        const bool is_control = length == 1 && (static_cast<std::uint8_t>(first) < 0x20 ||
                                                static_cast<std::uint8_t>(first) == 0x7F);
        is_control ? escaped += ' ' : escaped += text.substr(place, length);
      }
    }
    place += length;
  }
  return escaped;
}

std::size_t CharacterCount(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t place = 0; place < text.size(); ++count) {
    const std::size_t length = LengthAt(text, place);
    place += length == 0 ? 1 : length;
  }
  return count;
}

std::string Shorten(std::string_view text, std::size_t most) {
  if (CharacterCount(text) <= most) return std::string(text);
  std::size_t place = 0;
  for (std::size_t kept = 1; kept < most; ++kept) {
    const std::size_t length = LengthAt(text, place);
    place += length == 0 ? 1 : length;
  }
  return std::string(text.substr(0, place)) + "…";
}

std::string Coordinate(double value) {
  if (!std::isfinite(value)) return "0";
  std::string text = absl::StrFormat("%.1f", value);
  if (text.size() > 2 && text.compare(text.size() - 2, 2, ".0") == 0) text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}

}  // namespace apps::report
