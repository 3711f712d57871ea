#include "apps/rondo/format.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

namespace apps {

std::string FormatCount(std::uint64_t count) {
  const std::string digits = absl::StrCat(count);
  std::string text;
  for (std::size_t place = 0; place < digits.size(); ++place) {
    if (place > 0 && (digits.size() - place) % 3 == 0) text += ',';
    text += digits[place];
  }
  return text;
}

std::string FormatBytes(std::uint64_t bytes) {
  if (bytes < 1000) return absl::StrCat(bytes, " B");
  const char* const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
  double value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  // 999.95 would be printed as 1000.0.
  while (value >= 999.95) {
    value /= 1000;
    ++unit;
  }
  return absl::StrFormat("%.1f %s", value, units[unit]);
}

std::string FormatSeconds(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 1e9) return "?";
  if (seconds < 59.95) return absl::StrFormat("%.1f s", seconds);
  const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
  if (whole < 3600) return absl::StrFormat("%dm%02ds", whole / 60, whole % 60);
  return absl::StrFormat("%dh%02dm", whole / 3600, whole / 60 % 60);
}

namespace {

bool StartsWithDigit(const std::string& text) {
  return !text.empty() && std::isdigit(static_cast<unsigned char>(text.front())) != 0;
}

}  // namespace

std::string RenderTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  std::vector<bool> numeric;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    widths.resize(std::max(widths.size(), rows[row].size()), 0);
    numeric.resize(widths.size(), true);
    for (std::size_t column = 0; column < rows[row].size(); ++column) {
      widths[column] = std::max(widths[column], rows[row][column].size());
      if (row > 0 && !StartsWithDigit(rows[row][column])) numeric[column] = false;
    }
  }
  std::string text;
  for (const std::vector<std::string>& row : rows) {
    std::string line;
    for (std::size_t column = 0; column < row.size(); ++column) {
      const std::string pad(widths[column] - row[column].size(), ' ');
      absl::StrAppend(&line, column == 0 ? "" : "  ", numeric[column] ? pad + row[column] : "",
                      numeric[column] ? "" : row[column] + pad);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

std::string FormatPercent(double share) { return absl::StrFormat("%.1f %%", 100 * share); }

std::string FormatNumber(double value) { return absl::StrFormat("%.3g", value); }

std::string FormatRatio(std::uint64_t whole, std::uint64_t part) {
  if (whole == 0 || part == 0) return "";
  const double ratio = static_cast<double>(whole) / static_cast<double>(part);
  return ratio < 100 ? absl::StrFormat("%.1fx", ratio) : absl::StrFormat("%.0fx", ratio);
}

}  // namespace apps
