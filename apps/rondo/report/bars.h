// Stacked horizontal bars as a figure. Pure.
#ifndef RONDO_APPS_RONDO_REPORT_BARS_H_
#define RONDO_APPS_RONDO_REPORT_BARS_H_

#include <optional>
#include <string>
#include <vector>

namespace apps::report {

struct BarRow {
  std::string label;
  std::vector<double> parts;   // As BarChart::parts; what is not finite or negative counts as 0.
  std::optional<double> mark;  // Of another count of the same, to compare with.
  std::string note;            // At the right end, above the bar: the sum, with its unit.
};

struct BarPart {
  std::string name;
  int color = 0;  // kN of the page's palette: the same for the same thing in all bars.
};

struct BarChart {
  std::string title;
  std::string caption;
  std::string axis;  // What the axis shows, with its unit.
  std::vector<BarPart> parts;
  std::string mark;  // Name of the rows' marks.
  std::vector<BarRow> rows;
  // Each bar is as long as the others, and its parts are shares of it in percent.
  bool is_relative = false;
};

// Whether the sums differ by so much that the shortest bar could not be read beside the longest.
bool SumsDifferTooMuch(const std::vector<BarRow>& rows);

// Parts that are 0 in all rows are not in the legend.
std::string RenderBars(const BarChart& chart);

}  // namespace apps::report

#endif  // RONDO_APPS_RONDO_REPORT_BARS_H_
