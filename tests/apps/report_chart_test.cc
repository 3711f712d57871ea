// Charts as text: scales, escaping, thinning, and values that have no place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "apps/rondo/report/bars.h"
#include "apps/rondo/report/chart.h"
#include "apps/rondo/report/html.h"
#include "apps/rondo/report/labels.h"

namespace apps::report {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pointwise;

using Numbers = std::vector<double>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::size_t CountOf(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

Chart ChartOf(const std::vector<ChartPoint>& points, ScaleKind x = ScaleKind::kLinear) {
  Chart chart;
  chart.title = "title";
  chart.x = {"x", x};
  chart.y = {"y"};
  ChartLine line;
  line.points = points;
  line.label = "label";
  chart.lines = {line};
  return chart;
}

TEST(ReportHtml, LeavesNoMarkupAndNoByteThatIsNoUtf8) {
  EXPECT_EQ(Escape("<script>alert(\"1\")</script> & 'x'"),
            "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;");
  EXPECT_EQ(Escape("θ 2 – 80 %"), "θ 2 – 80 %");
  EXPECT_EQ(Escape(std::string("a\0b\x1b\n", 5)), "a b  ");
  // A lonely continuation, an overlong slash, a surrogate, a cut-off sequence.
  for (const std::string broken : {"\x80", "\xC0\xAF", "\xED\xA0\x80", "\xE2\x82", "\xF5"}) {
    EXPECT_THAT(Escape("a" + broken + "<"), HasSubstr("\xEF\xBF\xBD")) << broken.size();
    EXPECT_THAT(Escape("a" + broken + "<"), testing::EndsWith("&lt;")) << broken.size();
  }
}

TEST(ReportHtml, ShortensByCharactersAndNotByBytes) {
  EXPECT_EQ(Shorten("θθθ", 3), "θθθ");
  EXPECT_EQ(Shorten("θθθθ", 3), "θθ…");
  EXPECT_EQ(Coordinate(12.04), "12");
  EXPECT_EQ(Coordinate(-0.01), "0");
  EXPECT_EQ(Coordinate(kNan), "0");
}

TEST(ReportScale, TicksAreRoundAndOnTheAxis) {
  EXPECT_THAT(Scale::Between(ScaleKind::kLinear, 0, 1).Ticks(5),
              Pointwise(DoubleEq(), Numbers{0, 0.2, 0.2 * 2, 0.2 * 3, 0.8, 1}));
  EXPECT_THAT(Scale::Between(ScaleKind::kLinear, -3, 4).Ticks(4), ElementsAre(-2, 0, 2, 4));
  EXPECT_THAT(Scale::Between(ScaleKind::kLog, 1, 1e4).Ticks(5),
              Pointwise(testing::DoubleNear(1e-6), Numbers{1, 10, 100, 1000, 10000}));
  EXPECT_THAT(Scale::Between(ScaleKind::kLog, 1, 20).Ticks(5), ElementsAre(1, 2, 5, 10, 20));
  // Not one power of ten on it.
  EXPECT_THAT(Scale::Between(ScaleKind::kLog, 110, 190).Ticks(4), ElementsAre(120, 140, 160, 180));
}

TEST(ReportScale, HoldsWhatItWasMadeForWhateverThatIs) {
  for (const ScaleKind kind : {ScaleKind::kLinear, ScaleKind::kLog}) {
    for (const std::vector<double>& values : std::vector<std::vector<double>>{
             {}, {5}, {1, 1 + 1e-15}, {1e-300, 1e300}, {1e308, 1.7e308}, {3, 4, kNan}}) {
      Range range;
      for (const double value : values) range.Include(value);
      const Scale scale = Scale::Over(kind, range);
      EXPECT_LT(scale.low(), scale.high());
      EXPECT_LE(scale.Ticks(5).size(), 51u);
      EXPECT_TRUE(scale.Place((scale.low() + scale.high()) / 2).has_value());
    }
  }
  EXPECT_EQ(Scale::Over(ScaleKind::kLinear, {1, 100}).low(), 0);
  EXPECT_GT(Scale::Over(ScaleKind::kLinear, {90, 100}).low(), 80);
}

TEST(ReportScale, HasNoPlaceForZeroOnALogarithmicAxisNorForNoNumber) {
  const Scale log = Scale::Between(ScaleKind::kLog, 1, 100);
  EXPECT_THAT(log.Place(10), testing::Optional(testing::DoubleNear(0.5, 1e-12)));
  EXPECT_EQ(log.Place(0), std::nullopt);
  EXPECT_EQ(log.Place(-1), std::nullopt);
  EXPECT_EQ(Scale::Between(ScaleKind::kLinear, 0, 1).Place(kNan), std::nullopt);
  EXPECT_EQ(FormatTick(1000), "1,000");
  EXPECT_EQ(FormatTick(-25000), "-25,000");
  EXPECT_EQ(FormatTick(0.05), "0.05");
  EXPECT_EQ(FormatTick(2e-7), "2e-07");
}

TEST(ReportThin, KeepsThePeaksOfEachColumn) {
  std::vector<ChartPoint> points;
  for (int i = 0; i < 100000; ++i) points.push_back({i / 1000.0, i == 54321 ? 9.0 : i % 7 / 7.0});
  const std::vector<ChartPoint> thin = ThinLine(points, 0, 100, 50);
  EXPECT_LE(thin.size(), 200u);
  EXPECT_TRUE(std::any_of(thin.begin(), thin.end(), [](const auto& at) { return at.y == 9; }));
  EXPECT_EQ(thin.front().x, points.front().x);
  EXPECT_EQ(thin.back().x, points.back().x);
  EXPECT_TRUE(std::is_sorted(thin.begin(), thin.end(),
                             [](const auto& a, const auto& b) { return a.x < b.x; }));
  EXPECT_THAT(ThinStrokes({-1, 0, 0.1, 0.2, 5, 10, 11}, 0, 10, 10), ElementsAre(0, 5, 10));
}

TEST(ReportLabels, NeverOverlapAndGiveUpWhereThereIsNoRoom) {
  LabelPlacer placer({0, 0, 200, 100});
  int placed = 0;
  for (int i = 0; i < 100; ++i) placed += placer.Place(100, 50, "label").has_value() ? 1 : 0;
  EXPECT_GT(placed, 3);
  EXPECT_LT(placed, 20);
  EXPECT_FALSE(LabelPlacer({0, 0, 20, 20}).Place(10, 10, "wider than that").has_value());
}

TEST(ReportChart, DrawsAxesTitlesAndALineWithItsLabel) {
  const std::string chart = RenderChart(ChartOf({{0, 1}, {10, 2}}), "7");
  EXPECT_THAT(chart, HasSubstr("<h3>title</h3>"));
  EXPECT_THAT(chart, HasSubstr(">label</text>"));
  EXPECT_THAT(chart, HasSubstr("id=\"clip-7\""));
  EXPECT_EQ(CountOf(chart, "class=\"line "), 1u);
  EXPECT_EQ(CountOf(chart, "<svg"), CountOf(chart, "</svg>"));
}

TEST(ReportChart, EscapesEveryText) {
  const std::string bad = "<script>\"'&";
  Chart chart = ChartOf({{1, 1}, {2, 2}});
  chart.title = chart.caption = chart.x.title = bad;
  chart.lines[0].label = chart.lines[0].tip = bad;
  chart.y.names = {{1, bad}};
  chart.marks = {{.at = {1, 1}, .label = bad, .tip = bad}};
  chart.legend = {{bad}};
  const std::string text = RenderChart(chart, "1");
  EXPECT_THAT(text, Not(HasSubstr("<script")));
  EXPECT_GE(CountOf(text, "&lt;script&gt;"), 8u);
}

TEST(ReportChart, IsWholeWithoutAPointWithOneAndWithNoNumber) {
  for (const ScaleKind kind : {ScaleKind::kLinear, ScaleKind::kLog}) {
    for (const std::vector<ChartPoint>& points : std::vector<std::vector<ChartPoint>>{
             {}, {{3, 4}}, {{kNan, 1}}, {{1, kInfinity}, {2, -kInfinity}}, {{0, 0}}}) {
      const std::string text = RenderChart(ChartOf(points, kind), "1");
      EXPECT_THAT(text, HasSubstr("</figure>"));
      EXPECT_THAT(text, Not(HasSubstr("nan")));
      EXPECT_THAT(text, Not(HasSubstr("inf")));
    }
  }
  // A gap divides the line.
  const std::string gap = RenderChart(ChartOf({{1, 1}, {2, 2}, {3, kNan}, {4, 1}, {5, 2}}), "1");
  const std::string line = gap.substr(gap.find("class=\"line "));
  EXPECT_EQ(CountOf(line.substr(0, line.find("/>")), "M"), 2u);
}

TEST(ReportChart, SaysHowManyMarksALogarithmicAxisHasNoPlaceFor) {
  Chart chart = ChartOf({}, ScaleKind::kLog);
  chart.marks = {{.at = {0, 1}}, {.at = {10, 1}}, {.at = {100, kNan}}};
  const std::string text = RenderChart(chart, "1");
  EXPECT_EQ(CountOf(text, "class=\"mark "), 1u);
  EXPECT_THAT(text, HasSubstr("2 points have no place on the axes."));
}

TEST(ReportChart, ALongSeriesTakesNoMoreRoomThanItsPixels) {
  std::vector<ChartPoint> points;
  for (int i = 0; i < 500000; ++i) points.push_back({i * 1.0, std::sin(i) * i});
  EXPECT_LT(RenderChart(ChartOf(points), "1").size(), 40000u);
}

TEST(ReportBars, StackPartsOnOneScaleOrAsShares) {
  BarChart chart;
  chart.title = "bytes";
  chart.parts = {{"ring", 0}, {"state", 1}, {"join", 2}};
  chart.mark = "formula";
  chart.rows = {{"a<", {60, 40, 0}, 120, "100 MB"}, {"b", {10, kNan, -3}, std::nullopt, "10 MB"}};
  const std::string text = RenderBars(chart);
  EXPECT_EQ(CountOf(text, "<rect"), 3u);
  EXPECT_THAT(text, HasSubstr("a&lt;"));
  EXPECT_THAT(text, HasSubstr(">formula</span>"));
  EXPECT_THAT(text, Not(HasSubstr(">join</span>")));
  EXPECT_FALSE(SumsDifferTooMuch(chart.rows));
  chart.rows[0].parts[0] = 6000;
  EXPECT_TRUE(SumsDifferTooMuch(chart.rows));
  chart.is_relative = true;
  EXPECT_THAT(RenderBars(chart), HasSubstr("ring 100</title>"));
  chart.rows.clear();
  EXPECT_THAT(RenderBars(chart), HasSubstr("</figure>"));
}

}  // namespace
}  // namespace apps::report
