// A chart as values, and its figure: heading, legend, SVG and caption as HTML text.
//
// Colours are numbers of the page's palette (style.h), never colours: the page has a light and a
// dark one. All texts are plain; they are escaped here. Pure.
#ifndef RONDO_APPS_RONDO_REPORT_CHART_H_
#define RONDO_APPS_RONDO_REPORT_CHART_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/rondo/report/scale.h"
#include "apps/rondo/report/thin.h"

namespace apps::report {

enum class Shape { kCircle, kSquare, kTriangle, kDiamond, kCross };

struct Axis {
  std::string title;  // With its unit: "sent, MB".
  ScaleKind kind = ScaleKind::kLinear;
  // None: so that everything has a place. What lies outside is cut off.
  std::optional<double> low;
  std::optional<double> high;
  // Instead of numbers: names, at their values.
  std::vector<std::pair<double, std::string>> names;
};

struct ChartLine {
  std::vector<ChartPoint> points;  // A point without a place on the axes is a gap.
  int color = 0;
  std::string label;  // At its end; "" for none.
  std::string tip;    // When it is pointed at.
  bool is_stepped = false;
  bool is_dashed = false;
  double width = 2;
  double opacity = 1;
};

struct BandPoint {
  double x = 0;
  double low = 0;
  double high = 0;
};

struct ChartBand {
  std::vector<BandPoint> points;
  int color = 0;
};

struct ChartMark {
  ChartPoint at;
  Range x_spread;  // Thin bars through it; empty for none.
  Range y_spread;
  int color = 0;
  Shape shape = Shape::kCircle;
  std::string label;  // Beside it, if there is room.
  std::string tip;    // When it is pointed at.
};

struct LegendEntry {
  enum class Look { kLine, kDashed, kBand, kMark, kStroke, kFill, kRule };
  std::string text;
  Look look = Look::kLine;
  int color = 0;
  Shape shape = Shape::kCircle;
};

struct Chart {
  std::string title;
  std::string caption;
  Axis x;
  Axis y;
  std::vector<ChartBand> bands;
  std::vector<ChartLine> lines;
  std::vector<ChartMark> marks;
  std::vector<double> strokes;  // Short ones on the x axis, at these values.
  std::vector<LegendEntry> legend;
  int width = 480;  // Of the drawing, in its own units; the page scales it.
  int height = 300;
};

// `id` tells the charts of a page apart: letters and digits. A chart without a point that has a
// place is an empty pair of axes. If marks have no place, the caption says how many.
std::string RenderChart(const Chart& chart, const std::string& id);

// <figure> around a drawing; `legend` and `drawing` are markup, the others plain text.
std::string RenderFigure(const std::string& title, const std::string& legend,
                         const std::string& drawing, const std::string& caption, bool is_wide);
std::string RenderLegend(const std::vector<LegendEntry>& entries);

}  // namespace apps::report

#endif  // RONDO_APPS_RONDO_REPORT_CHART_H_
