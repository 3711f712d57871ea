// Numbers as people read them. Pure, and the same in every locale.
#ifndef RONDO_APPS_RONDO_FORMAT_H_
#define RONDO_APPS_RONDO_FORMAT_H_

#include <cstdint>
#include <string>
#include <vector>

namespace apps {

// 1234567 -> "1,234,567".
std::string FormatCount(std::uint64_t count);
// Decimal units: 61234567 -> "61.2 MB".
std::string FormatBytes(std::uint64_t bytes);
// 130.2 -> "2m10s"; below a minute "12.3 s". Not finite or negative: "?".
std::string FormatSeconds(double seconds);
// 0.9791 -> "97.9 %".
std::string FormatPercent(double share);
// At most three significant digits: 2 -> "2", 0.0312345 -> "0.0312".
std::string FormatNumber(double value);
// How many times `part` goes into `whole`: "65.2x"; "" if either is 0.
std::string FormatRatio(std::uint64_t whole, std::uint64_t part);

// A table without rules: columns two spaces apart, no spaces at the end of a line. The first row is
// the heading; columns of which every other cell starts with a digit stand to the right.
std::string RenderTable(const std::vector<std::vector<std::string>>& rows);

}  // namespace apps

#endif  // RONDO_APPS_RONDO_FORMAT_H_
