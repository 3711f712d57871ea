#include "apps/rondo/report/chart.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>

#include "apps/rondo/report/html.h"
#include "apps/rondo/report/labels.h"

namespace apps::report {
namespace {

constexpr double kTop = 26;     // Room for the y axis' title.
constexpr double kBottom = 44;  // For ticks and the x axis' title.
constexpr double kLeft = 50;
constexpr double kRight = 16;
constexpr int kMostNames = 40;  // Characters of a name on an axis and of a label.

std::string ColorClass(int color) { return absl::StrCat("c", color); }

// What the drawing of one chart shares.
struct Frame {
  Scale x;
  Scale y;
  double left;
  double right;
  double top;
  double bottom;
  std::string clip;  // Id of the clip path.

  std::optional<double> X(double value) const {
    const std::optional<double> place = x.Place(value);
    if (!place.has_value()) return std::nullopt;
    return left + *place * (right - left);
  }
  std::optional<double> Y(double value) const {
    const std::optional<double> place = y.Place(value);
    if (!place.has_value()) return std::nullopt;
    return bottom - *place * (bottom - top);
  }
  std::optional<ChartPoint> At(const ChartPoint& point) const {
    const std::optional<double> at_x = X(point.x);
    const std::optional<double> at_y = Y(point.y);
    if (!at_x.has_value() || !at_y.has_value()) return std::nullopt;
    return ChartPoint{*at_x, *at_y};
  }
  bool Holds(const ChartPoint& place) const {
    return place.x >= left - 0.5 && place.x <= right + 0.5 && place.y >= top - 0.5 &&
           place.y <= bottom + 0.5;
  }
};

std::string Place(const ChartPoint& place) {
  return absl::StrCat(Coordinate(place.x), ",", Coordinate(place.y));
}

// ---- scales ----

class RangeOf {
 public:
  explicit RangeOf(const Axis& axis) : axis_(axis) {}

  void Include(double value) {
    if (axis_.kind == ScaleKind::kLog && value <= 0) return;
    range_.Include(value);
  }
  Scale Made() const {
    const Scale all = Scale::Over(axis_.kind, range_);
    const double low = axis_.low.value_or(all.low());
    const double high = axis_.high.value_or(all.high());
    return low < high ? Scale::Between(axis_.kind, low, high) : all;
  }

 private:
  const Axis& axis_;
  Range range_;
};

Frame FrameOf(const Chart& chart, const std::string& id) {
  RangeOf x(chart.x);
  RangeOf y(chart.y);
  for (const ChartLine& line : chart.lines) {
    for (const ChartPoint& point : line.points) {
      x.Include(point.x);
      y.Include(point.y);
    }
  }
  for (const ChartBand& band : chart.bands) {
    for (const BandPoint& point : band.points) {
      x.Include(point.x);
      y.Include(point.low);
      y.Include(point.high);
    }
  }
  for (const ChartMark& mark : chart.marks) {
    for (const double value : {mark.at.x, mark.x_spread.low, mark.x_spread.high}) x.Include(value);
    for (const double value : {mark.at.y, mark.y_spread.low, mark.y_spread.high}) y.Include(value);
  }
  double left = kLeft;
  for (const auto& [value, name] : chart.y.names) {
    left = std::max(left, 12 + TextWidth(Shorten(name, kMostNames)));
  }
  return Frame{x.Made(),
               y.Made(),
               std::min(left, chart.width * 0.4),
               chart.width - kRight,
               kTop,
               chart.height - kBottom,
               "clip-" + id};
}

// ---- axes ----

std::vector<std::pair<double, std::string>> TicksOf(const Axis& axis, const Scale& scale,
                                                    int count) {
  if (!axis.names.empty()) return axis.names;
  std::vector<std::pair<double, std::string>> ticks;
  for (const double tick : scale.Ticks(count)) ticks.emplace_back(tick, FormatTick(tick));
  return ticks;
}

std::string RenderAxes(const Chart& chart, const Frame& frame) {
  std::string grid;
  std::string text;
  for (const auto& [value, name] : TicksOf(chart.y, frame.y, 6)) {
    const double y = frame.Y(value).value_or(frame.bottom);
    absl::StrAppend(&grid, "M", Coordinate(frame.left), " ", Coordinate(y), "H",
                    Coordinate(frame.right));
    absl::StrAppend(&text, "<text class=\"tick\" text-anchor=\"end\" x=\"",
                    Coordinate(frame.left - 6), "\" y=\"", Coordinate(y + 4), "\">",
                    Escape(Shorten(name, kMostNames)), "</text>");
  }
  double free_from = 0;  // Names on the x axis must not run into one another.
  for (const auto& [value, name] : TicksOf(chart.x, frame.x, chart.width / 80)) {
    const double x = frame.X(value).value_or(frame.left);
    absl::StrAppend(&grid, "M", Coordinate(x), " ", Coordinate(frame.top), "V",
                    Coordinate(frame.bottom));
    const double half = TextWidth(name) / 2;
    if (x - half < free_from) continue;
    free_from = x + half + 4;
    absl::StrAppend(&text, "<text class=\"tick\" text-anchor=\"middle\" x=\"", Coordinate(x),
                    "\" y=\"", Coordinate(frame.bottom + 16), "\">",
                    Escape(Shorten(name, kMostNames)), "</text>");
  }
  return absl::StrCat(
      "<path class=\"grid\" d=\"", grid, "\"/><path class=\"axis\" d=\"M", Coordinate(frame.left),
      " ", Coordinate(frame.bottom), "H", Coordinate(frame.right), "\"/>", text,
      "<text class=\"title\" x=\"4\" y=\"14\">", Escape(chart.y.title),
      "</text><text class=\"title\" text-anchor=\"end\" x=\"", Coordinate(frame.right), "\" y=\"",
      chart.height - 8, "\">", Escape(chart.x.title), "</text>");
}

// ---- what is drawn ----

// Where its drawn points are, thinned to the pixels; gaps keep what is on both sides apart.
std::vector<std::vector<ChartPoint>> PiecesOf(const ChartLine& line, const Frame& frame) {
  std::vector<std::vector<ChartPoint>> pieces(1);
  for (const ChartPoint& point : line.points) {
    const std::optional<ChartPoint> place = frame.At(point);
    if (place.has_value()) {
      pieces.back().push_back(*place);
    } else if (!pieces.back().empty()) {
      pieces.emplace_back();
    }
  }
  for (std::vector<ChartPoint>& piece : pieces) {
    piece = ThinLine(piece, frame.left, frame.right,
                     static_cast<std::size_t>(frame.right - frame.left));
  }
  return pieces;
}

// Its upper edge forth and its lower one back.
std::string RenderBand(const ChartBand& band, const Frame& frame) {
  ChartLine upper, lower;
  for (const BandPoint& point : band.points) {
    if (!frame.At({point.x, point.high}).has_value()) continue;
    if (!frame.At({point.x, point.low}).has_value()) continue;
    upper.points.push_back({point.x, point.high});
    lower.points.push_back({point.x, point.low});
  }
  std::vector<ChartPoint> outline = PiecesOf(upper, frame).front();
  const std::vector<ChartPoint> back = PiecesOf(lower, frame).front();
  outline.insert(outline.end(), back.rbegin(), back.rend());
  if (outline.empty()) return "";
  std::string path;
  for (const ChartPoint& place : outline) {
    absl::StrAppend(&path, path.empty() ? "M" : "L", Place(place));
  }
  return absl::StrCat("<path class=\"band ", ColorClass(band.color), "\" d=\"", path, "Z\"/>");
}

std::string RenderLine(const ChartLine& line, const Frame& frame) {
  std::string path;
  for (const std::vector<ChartPoint>& piece : PiecesOf(line, frame)) {
    for (std::size_t i = 0; i < piece.size(); ++i) {
      if (i > 0 && line.is_stepped) absl::StrAppend(&path, "H", Coordinate(piece[i].x));
      if (i > 0 && line.is_stepped) absl::StrAppend(&path, "V", Coordinate(piece[i].y));
      if (i == 0 || !line.is_stepped) absl::StrAppend(&path, i == 0 ? "M" : "L", Place(piece[i]));
    }
    // A single point is seen as a dot: the ends of lines are round.
    if (piece.size() == 1) path += "h0";
  }
  if (path.empty()) return "";
  return absl::StrCat(
      "<path class=\"line ", ColorClass(line.color), line.is_dashed ? " dash" : "",
      "\" stroke-width=\"", Coordinate(line.width), "\"",
      line.opacity < 1 ? absl::StrCat(" opacity=\"", line.opacity, "\"") : "", " d=\"", path, "\"",
      line.tip.empty() ? "/>" : absl::StrCat("><title>", Escape(line.tip), "</title></path>"));
}

std::string ShapePath(Shape shape, double x, double y) {
  const auto move = [&](double dx, double dy) { return Place({x + dx, y + dy}); };
  switch (shape) {
    case Shape::kCircle:
      return absl::StrCat("M", move(-4.5, 0), "a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0Z");
    case Shape::kSquare: return absl::StrCat("M", move(-4, -4), "h8v8h-8Z");
    case Shape::kTriangle:
      return absl::StrCat("M", move(0, -5), "L", move(5, 4), "L", move(-5, 4), "Z");
    case Shape::kDiamond:
      return absl::StrCat("M", move(0, -5.5), "L", move(5.5, 0), "L", move(0, 5.5), "L",
                          move(-5.5, 0), "Z");
    case Shape::kCross:
      return absl::StrCat("M", move(-4, -4), "L", move(4, 4), "M", move(4, -4), "L", move(-4, 4));
  }
  return "";
}

std::string RenderShape(Shape shape, int color, double x, double y, const std::string& tip) {
  return absl::StrCat("<path class=\"", shape == Shape::kCross ? "cross " : "mark ",
                      ColorClass(color), "\" d=\"", ShapePath(shape, x, y), "\">",
                      tip.empty() ? "" : absl::StrCat("<title>", Escape(tip), "</title>"),
                      "</path>");
}

std::string RenderMark(const ChartMark& mark, const ChartPoint& place, const Frame& frame) {
  std::string spread;
  const auto x_low = frame.X(mark.x_spread.low), x_high = frame.X(mark.x_spread.high);
  const auto y_low = frame.Y(mark.y_spread.low), y_high = frame.Y(mark.y_spread.high);
  if (x_low.has_value() && x_high.has_value()) {
    absl::StrAppend(&spread, "M", Coordinate(*x_low), " ", Coordinate(place.y), "H",
                    Coordinate(*x_high));
  }
  if (y_low.has_value() && y_high.has_value()) {
    absl::StrAppend(&spread, "M", Coordinate(place.x), " ", Coordinate(*y_low), "V",
                    Coordinate(*y_high));
  }
  if (!spread.empty()) {
    spread =
        absl::StrCat("<path class=\"spread ", ColorClass(mark.color), "\" d=\"", spread, "\"/>");
  }
  return spread + RenderShape(mark.shape, mark.color, place.x, place.y, mark.tip);
}

std::string RenderLabel(const PlacedLabel& label, const std::string& text, int color) {
  return absl::StrCat("<text class=\"label ", ColorClass(color), "\" x=\"", Coordinate(label.x),
                      "\" y=\"", Coordinate(label.y), "\"",
                      label.is_right_aligned ? " text-anchor=\"end\"" : "", ">",
                      Escape(Shorten(text, kMostNames)), "</text>");
}

// Marks and line ends first, so that no label stands on one.
std::string RenderLabels(const Chart& chart, const Frame& frame) {
  LabelPlacer placer({frame.left, frame.top - 8, frame.right + kRight, frame.bottom});
  for (const ChartMark& mark : chart.marks) {
    const std::optional<ChartPoint> place = frame.At(mark.at);
    if (place.has_value()) {
      placer.Block({place->x - 5, place->y - 5, place->x + 5, place->y + 5});
    }
  }
  std::string text;
  const auto write = [&](const ChartPoint& place, const std::string& label, int color) {
    if (label.empty() || !frame.Holds(place)) return;
    const auto placed = placer.Place(place.x, place.y, Shorten(label, kMostNames));
    if (placed.has_value()) text += RenderLabel(*placed, label, color);
  };
  for (const ChartMark& mark : chart.marks) {
    const std::optional<ChartPoint> place = frame.At(mark.at);
    // A little above: lines and bars run through the point itself.
    if (place.has_value()) write({place->x, place->y - 9}, mark.label, mark.color);
  }
  for (const ChartLine& line : chart.lines) {
    for (auto point = line.points.rbegin(); point != line.points.rend(); ++point) {
      const std::optional<ChartPoint> place = frame.At(*point);
      if (!place.has_value()) continue;
      write(*place, line.label, line.color);
      break;
    }
  }
  return text;
}

std::string RenderStrokes(const std::vector<double>& strokes, const Frame& frame) {
  std::vector<double> places;
  for (const double value : strokes) {
    const std::optional<double> x = frame.X(value);
    if (x.has_value()) places.push_back(*x);
  }
  std::string path;
  for (const double x : ThinStrokes(places, frame.left, frame.right,
                                    static_cast<std::size_t>(frame.right - frame.left))) {
    absl::StrAppend(&path, "M", Coordinate(x), " ", Coordinate(frame.bottom), "v-8");
  }
  return path.empty() ? "" : absl::StrCat("<path class=\"stroke\" d=\"", path, "\"/>");
}

std::string Swatch(const LegendEntry& entry) {
  using Look = LegendEntry::Look;
  const std::string color = ColorClass(entry.color);
  switch (entry.look) {
    case Look::kLine: return absl::StrCat("<path class=\"line ", color, "\" d=\"M2 7h18\"/>");
    case Look::kDashed:
      return absl::StrCat("<path class=\"line dash ", color, "\" d=\"M2 7h18\"/>");
    case Look::kBand: return absl::StrCat("<path class=\"band ", color, "\" d=\"M2 2h18v10H2Z\"/>");
    case Look::kMark: return RenderShape(entry.shape, entry.color, 11, 7, "");
    case Look::kStroke: return "<path class=\"stroke\" d=\"M6 11v-8M11 11v-8M16 11v-8\"/>";
    case Look::kFill:
      return absl::StrCat("<path class=\"fill k", entry.color, "\" d=\"M4 1h14v12H4Z\"/>");
    case Look::kRule: return "<path class=\"rule\" d=\"M11 0v14\"/>";
  }
  return "";
}

}  // namespace

std::string RenderLegend(const std::vector<LegendEntry>& entries) {
  std::string legend;
  for (const LegendEntry& entry : entries) {
    absl::StrAppend(&legend, "<span><svg viewBox=\"0 0 22 14\" aria-hidden=\"true\">",
                    Swatch(entry), "</svg>", Escape(Shorten(entry.text, 80)), "</span>");
  }
  return legend.empty() ? "" : absl::StrCat("<div class=\"legend\">", legend, "</div>");
}

std::string RenderFigure(const std::string& title, const std::string& legend,
                         const std::string& drawing, const std::string& caption, bool is_wide) {
  return absl::StrCat("<figure", is_wide ? " class=\"wide\"" : "", "><h3>", Escape(title), "</h3>",
                      legend, drawing, "<figcaption>", Escape(caption), "</figcaption></figure>\n");
}

std::string RenderChart(const Chart& chart, const std::string& id) {
  const Frame frame = FrameOf(chart, id);
  std::string inside;  // Cut off at the axes.
  for (const ChartBand& band : chart.bands) inside += RenderBand(band, frame);
  inside += RenderStrokes(chart.strokes, frame);
  for (const ChartLine& line : chart.lines) inside += RenderLine(line, frame);
  std::string marks;
  int without_place = 0;
  for (const ChartMark& mark : chart.marks) {
    const std::optional<ChartPoint> place = frame.At(mark.at);
    if (place.has_value() && frame.Holds(*place)) {
      marks += RenderMark(mark, *place, frame);
    } else {
      ++without_place;
    }
  }
  const std::string drawing = absl::StrCat(
      "<svg class=\"chart\" viewBox=\"0 0 ", chart.width, " ", chart.height,
      "\" role=\"img\" aria-label=\"", Escape(chart.title), "\"><clipPath id=\"", frame.clip,
      "\"><path d=\"M", Coordinate(frame.left), " ", Coordinate(frame.top - 4), "H",
      Coordinate(frame.right + 4), "V", Coordinate(frame.bottom + 1), "H", Coordinate(frame.left),
      "Z\"/></clipPath>", RenderAxes(chart, frame), "<g clip-path=\"url(#", frame.clip, ")\">",
      inside, "</g>", marks, RenderLabels(chart, frame), "</svg>");
  std::string caption = chart.caption;
  if (without_place > 0) {
    absl::StrAppend(&caption, " ", without_place,
                    without_place == 1 ? " point has" : " points have", " no place on the axes.");
  }
  return RenderFigure(chart.title, RenderLegend(chart.legend), drawing, caption, chart.width > 600);
}

}  // namespace apps::report
