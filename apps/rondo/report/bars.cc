#include "apps/rondo/report/bars.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>

#include "apps/rondo/report/chart.h"
#include "apps/rondo/report/html.h"
#include "apps/rondo/report/scale.h"

namespace apps::report {
namespace {

constexpr double kLeft = 6;
constexpr double kRight = 474;
constexpr double kRowHeight = 42;
constexpr double kBarHeight = 15;
constexpr double kBarTop = 19;  // Within its row, below the label.
constexpr double kTop = 4;
// Longer bars than this many times the shortest leave nothing of it to see.
constexpr double kMostRatio = 15;

double Sane(double value) { return std::isfinite(value) && value > 0 ? value : 0; }

double SumOf(const BarRow& row) {
  double sum = 0;
  for (const double part : row.parts) sum += Sane(part);
  return sum;
}

// What a row's numbers are multiplied by to be on the axis.
double UnitOf(const BarChart& chart, const BarRow& row) {
  const double sum = SumOf(row);
  if (!chart.is_relative) return 1;
  return sum > 0 ? 100 / sum : 0;
}

std::string RenderRow(const BarChart& chart, const BarRow& row, double top, const Scale& scale) {
  const auto x = [&scale](double value) {
    return kLeft + scale.Place(value).value_or(0) * (kRight - kLeft);
  };
  std::string text = absl::StrCat(
      "<text class=\"name\" x=\"", Coordinate(kLeft), "\" y=\"", Coordinate(top + 13), "\">",
      Escape(Shorten(row.label, 44)), "</text><text class=\"tick\" text-anchor=\"end\" x=\"",
      Coordinate(kRight), "\" y=\"", Coordinate(top + 13), "\">", Escape(row.note), "</text>");
  const double unit = UnitOf(chart, row);
  double from = 0;
  for (std::size_t part = 0; part < row.parts.size(); ++part) {
    const double size = Sane(row.parts[part]) * unit;
    const double width = x(from + size) - x(from);
    if (width > 0.05) {
      absl::StrAppend(
          &text, "<rect class=\"fill k", chart.parts[part].color, "\" x=\"", Coordinate(x(from)),
          "\" y=\"", Coordinate(top + kBarTop), "\" width=\"", Coordinate(std::max(width, 0.1)),
          "\" height=\"", Coordinate(kBarHeight), "\"><title>",
          Escape(absl::StrCat(chart.parts[part].name, " ", FormatTick(size))), "</title></rect>");
    }
    from += size;
  }
  if (row.mark.has_value()) {
    const double place = x(Sane(*row.mark) * unit);
    absl::StrAppend(&text, "<path class=\"rule\" d=\"M", Coordinate(place), " ",
                    Coordinate(top + kBarTop - 3), "v", Coordinate(kBarHeight + 6), "\"><title>",
                    Escape(absl::StrCat(chart.mark, " ", FormatTick(Sane(*row.mark) * unit))),
                    "</title></path>");
  }
  return text;
}

std::string RenderAxis(const BarChart& chart, const Scale& scale, double bottom) {
  std::string grid;
  std::string text;
  for (const double tick : scale.Ticks(5)) {
    const double x = kLeft + scale.Place(tick).value_or(0) * (kRight - kLeft);
    absl::StrAppend(&grid, "M", Coordinate(x), " ", Coordinate(kTop + kBarTop - 4), "V",
                    Coordinate(bottom));
    const char* const anchor = x < kLeft + 12 ? "start" : x > kRight - 12 ? "end" : "middle";
    absl::StrAppend(&text, "<text class=\"tick\" text-anchor=\"", anchor, "\" x=\"", Coordinate(x),
                    "\" y=\"", Coordinate(bottom + 15), "\">", FormatTick(tick), "</text>");
  }
  return absl::StrCat("<path class=\"grid\" d=\"", grid, "\"/>", text,
                      "<text class=\"title\" text-anchor=\"end\" x=\"", Coordinate(kRight),
                      "\" y=\"", Coordinate(bottom + 33), "\">", Escape(chart.axis), "</text>");
}

std::vector<LegendEntry> LegendOf(const BarChart& chart) {
  std::vector<LegendEntry> legend;
  for (std::size_t part = 0; part < chart.parts.size(); ++part) {
    const bool is_there = std::any_of(
        chart.rows.begin(), chart.rows.end(),
        [part](const BarRow& row) { return part < row.parts.size() && Sane(row.parts[part]) > 0; });
    if (!is_there) continue;
    legend.push_back({chart.parts[part].name, LegendEntry::Look::kFill, chart.parts[part].color});
  }
  const bool has_marks = std::any_of(chart.rows.begin(), chart.rows.end(),
                                     [](const BarRow& row) { return row.mark.has_value(); });
  if (has_marks) legend.push_back({chart.mark, LegendEntry::Look::kRule});
  return legend;
}

}  // namespace

bool SumsDifferTooMuch(const std::vector<BarRow>& rows) {
  Range sums;
  for (const BarRow& row : rows) {
    if (SumOf(row) > 0) sums.Include(SumOf(row));
  }
  return !sums.empty() && sums.high > kMostRatio * sums.low;
}

std::string RenderBars(const BarChart& chart) {
  Range reach;
  for (const BarRow& row : chart.rows) {
    reach.Include(SumOf(row) * UnitOf(chart, row));
    if (row.mark.has_value()) reach.Include(Sane(*row.mark) * UnitOf(chart, row));
  }
  const double high = reach.empty() || reach.high <= 0 ? 1 : reach.high;
  const Scale scale = Scale::Between(ScaleKind::kLinear, 0, high * 1.01);
  const double bottom = kTop + kRowHeight * static_cast<double>(chart.rows.size());
  std::string drawing = absl::StrCat("<svg class=\"chart\" viewBox=\"0 0 480 ",
                                     Coordinate(bottom + 40), "\" role=\"img\" aria-label=\"",
                                     Escape(chart.title), "\">", RenderAxis(chart, scale, bottom));
  double top = kTop;
  for (const BarRow& row : chart.rows) {
    drawing += RenderRow(chart, row, top, scale);
    top += kRowHeight;
  }
  return RenderFigure(chart.title, RenderLegend(LegendOf(chart)), drawing + "</svg>", chart.caption,
                      /*is_wide=*/false);
}

}  // namespace apps::report
