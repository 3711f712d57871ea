#include "apps/rondo/report/compare_charts.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "apps/rondo/format.h"

namespace apps::report {
namespace {

constexpr int kNeutral = 8;  // No strategy's colour.
// With more lines than this their labels would hide them where they run together.
constexpr std::size_t kMostLabels = 8;

// One run of a group in a plane, or what several come to.
struct PlanePoint {
  const Group* group = nullptr;
  Summary x;
  Summary y;
};

std::optional<PlanePoint> Summarized(const Group& group, const std::vector<ChartPoint>& points) {
  std::vector<double> xs, ys;
  for (const ChartPoint& point : points) {
    if (!std::isfinite(point.x) || !std::isfinite(point.y)) continue;
    xs.push_back(point.x);
    ys.push_back(point.y);
  }
  const auto x = Summarize(xs);
  const auto y = Summarize(ys);
  if (!x.has_value() || !y.has_value()) return std::nullopt;
  return PlanePoint{&group, *x, *y};
}

std::string RangeText(const Summary& summary, const char* unit) {
  if (summary.count == 1) return absl::StrCat(FormatTick(summary.median), unit);
  return absl::StrCat(FormatTick(summary.median), unit, " (", FormatTick(summary.low), " to ",
                      FormatTick(summary.high), ")");
}

ChartMark MarkOf(const PlanePoint& point, const char* x_unit, const char* y_unit) {
  ChartMark mark;
  mark.at = {point.x.median, point.y.median};
  if (point.x.count > 1) {
    mark.x_spread = {point.x.low, point.x.high};
    mark.y_spread = {point.y.low, point.y.high};
  }
  mark.color = point.group->color;
  mark.shape = point.group->shape;
  mark.label = point.group->ShortLabel();
  mark.tip = absl::StrCat(point.group->Label(), ": ", RangeText(point.x, x_unit), ", ",
                          RangeText(point.y, y_unit));
  return mark;
}

// Those that no other point beats, by fewer bytes and a y that is `sign` times as high.
ChartLine FrontOf(std::vector<PlanePoint> points, double sign) {
  std::sort(points.begin(), points.end(), [sign](const PlanePoint& a, const PlanePoint& b) {
    if (a.x.median != b.x.median) return a.x.median < b.x.median;
    return sign * a.y.median > sign * b.y.median;
  });
  ChartLine front;
  front.color = kNeutral;
  front.width = 1.5;
  front.opacity = 0.6;
  front.is_stepped = true;
  for (const PlanePoint& point : points) {
    const bool is_better =
        front.points.empty() || sign * point.y.median > sign * front.points.back().y;
    if (is_better) front.points.push_back({point.x.median, point.y.median});
  }
  return front;
}

// ---- a fixed number of steps ----

// A run without a barrier ends a few steps late: these count as the same number.
constexpr double kStepSlack = 1.02;

// The number of steps that all runs have come to that ended in order.
std::optional<double> StepBudget(const Comparison& groups) {
  std::optional<double> budget;
  for (const Group* group : groups) {
    for (const Trial* trial : group->trials) {
      if (trial->state != TrialState::kDone || trial->curve.empty()) continue;
      const double last = trial->curve.back().step;
      budget = std::min(budget.value_or(last), last);
    }
  }
  return budget;
}

// The last evaluation within the budget of a run that has come to it.
ChartPoint AtBudget(const Trial& trial, double budget) {
  ChartPoint found = {kUnknown, kUnknown};
  if (trial.curve.empty() || trial.curve.back().step * kStepSlack < budget) return found;
  for (const Evaluation& evaluation : trial.curve) {
    if (evaluation.step > budget * kStepSlack) break;
    found = {evaluation.bytes / kBytesPerMegabyte, 100 * evaluation.accuracy};
  }
  return found;
}

// "Runs that failed or have not come that far are not here: 2."
std::string LeftOut(std::size_t count, const char* why) {
  return count == 0 ? "" : absl::StrCat(" ", why, ": ", count, ".");
}

// ---- curves ----

struct XAxis {
  Axis axis;
  const char* title;
  const char* caption;
  double (*value)(const Evaluation&);
};

const std::vector<XAxis>& XAxes() {
  static const auto* const axes = new std::vector<XAxis>{
      {{"sent by all workers, MB (log)", ScaleKind::kLog},
       "Accuracy against bytes",
       "The further left a line rises, the less it sends for the same accuracy.",
       [](const Evaluation& evaluation) { return evaluation.bytes / kBytesPerMegabyte; }},
      {{"steps of each worker"},
       "Accuracy against steps",
       "What synchronizing more rarely costs in steps.",
       [](const Evaluation& evaluation) { return evaluation.step; }},
      {{"seconds"},
       "Accuracy against time",
       "As measured on the machines of these runs, tests included.",
       [](const Evaluation& evaluation) { return evaluation.seconds; }}};
  return *axes;
}

std::vector<const Trial*> Drawn(const Group& group) {
  std::vector<const Trial*> drawn;
  for (const Trial* trial : group.trials) {
    if (trial->state != TrialState::kFailed && !trial->curve.empty()) drawn.push_back(trial);
  }
  return drawn;
}

// The i-th evaluations of a group's seeds belong together: without a barrier, or where the base of
// the last synchronization is tested, they are not at equal steps.
void AddCurve(const Group& group, const XAxis& x, double opacity, bool has_label, Chart& chart) {
  const std::vector<const Trial*> trials = Drawn(group);
  if (trials.empty()) return;
  std::size_t common = trials.front()->curve.size();
  for (const Trial* trial : trials) common = std::min(common, trial->curve.size());
  ChartLine median;
  median.color = group.color;
  median.tip = group.Label();
  median.opacity = opacity;
  ChartBand band;
  band.color = group.color;
  for (std::size_t i = 0; i < common; ++i) {
    std::vector<ChartPoint> points;
    for (const Trial* trial : trials) {
      points.push_back({x.value(trial->curve[i]), 100 * trial->curve[i].accuracy});
    }
    const std::optional<PlanePoint> point = Summarized(group, points);
    if (!point.has_value()) continue;
    median.points.push_back({point->x.median, point->y.median});
    band.points.push_back({point->x.median, point->y.low, point->y.high});
  }
  // Seeds that took longer than the first one to end.
  for (const Trial* trial : trials) {
    if (trial->curve.size() == common) continue;
    ChartLine tail;
    tail.color = group.color;
    tail.width = 1;
    tail.opacity = opacity;
    for (std::size_t i = common - 1; i < trial->curve.size(); ++i) {
      tail.points.push_back({x.value(trial->curve[i]), 100 * trial->curve[i].accuracy});
    }
    chart.lines.push_back(tail);
  }
  if (trials.size() > 1) chart.bands.push_back(band);
  if (has_label) median.label = group.ShortLabel();
  chart.lines.push_back(median);
}

// Where the lines end is what is compared; where they begin, at a tenth or so, would take most of
// the picture.
void ChooseAccuracies(const Comparison& groups, Axis& axis) {
  Range all, best;
  for (const Group* group : groups) {
    for (const Trial* trial : Drawn(*group)) {
      Range of_trial;
      for (const Evaluation& evaluation : trial->curve) of_trial.Include(100 * evaluation.accuracy);
      all.Include(of_trial.low);
      all.Include(of_trial.high);
      best.Include(of_trial.high);
    }
  }
  if (all.empty() || all.low == all.high) return;
  const double span = std::max(8.0, 2.5 * (best.high - best.low));
  const double low = std::max(all.low, best.high - span);
  axis.low = std::max(0.0, low - 0.04 * (best.high - low));
  axis.high = std::min(100.0, best.high + 0.08 * (best.high - low));
}

// Fainter from point to point of one family, so that neighbours are told apart.
double OpacityOf(const Comparison& groups, const Group& group) {
  int count = 0, place = 0;
  for (const Group* other : groups) {
    if (other->family != group.family) continue;
    if (other == &group) place = count;
    ++count;
  }
  return count < 2 ? 1 : 1 - 0.5 * place / (count - 1);
}

}  // namespace

std::string InBrackets(const Comparison& groups) {
  const std::string& setting = groups.front()->setting;
  return setting.empty() ? "" : absl::StrCat(" (", setting, ")");
}

std::vector<LegendEntry> LegendOfFamilies(const Comparison& groups, LegendEntry::Look look) {
  std::vector<LegendEntry> legend;
  std::set<std::string> seen;
  for (const Group* group : groups) {
    if (!seen.insert(group->family).second) continue;
    legend.push_back({group->family, look, group->color, group->shape});
  }
  return legend;
}

std::string RenderPareto(const Comparison& groups, ChartIds& ids) {
  const std::optional<double> budget = StepBudget(groups);
  if (!budget.has_value()) return "";
  std::vector<PlanePoint> points;
  std::size_t left_out = 0;
  for (const Group* group : groups) {
    std::vector<ChartPoint> of_group;
    for (const Trial* trial : group->trials) {
      of_group.push_back(trial->state == TrialState::kFailed ? ChartPoint{kUnknown, kUnknown}
                                                             : AtBudget(*trial, *budget));
      left_out += std::isfinite(of_group.back().y) ? 0 : 1;
    }
    const std::optional<PlanePoint> point = Summarized(*group, of_group);
    if (point.has_value()) points.push_back(*point);
  }
  if (points.size() < 2) return "";
  Chart chart;
  chart.title = absl::StrCat("Accuracy after ", FormatTick(*budget), " steps, and the bytes for it",
                             InBrackets(groups));
  chart.caption = absl::StrCat(
      "Up and to the left is better: more accuracy for fewer bytes. Each point is the median over "
      "its seeds, thin bars are the range; the line is the Pareto front, which no point beats in "
      "both.",
      LeftOut(left_out, "Runs that failed or have not come that far are left out"));
  chart.x = {"sent by all workers, MB (log)", ScaleKind::kLog};
  chart.y = {"accuracy, %"};
  chart.width = 640;
  chart.height = 400;
  chart.legend = LegendOfFamilies(groups, LegendEntry::Look::kMark);
  chart.lines.push_back(FrontOf(points, +1));
  chart.legend.push_back({"Pareto front", LegendEntry::Look::kLine, kNeutral});
  for (const PlanePoint& point : points) chart.marks.push_back(MarkOf(point, " MB", " %"));
  return RenderChart(chart, ids.Next());
}

std::string RenderCostOfTarget(const Comparison& groups, ChartIds& ids) {
  std::set<double> targets;
  std::vector<PlanePoint> points;
  std::size_t missed = 0;
  for (const Group* group : groups) {
    std::vector<ChartPoint> of_group;
    for (const Trial* trial : group->trials) {
      if (!trial->target.has_value()) continue;
      targets.insert(*trial->target);
      const std::optional<double> step = trial->ReachedStep();
      missed += step.has_value() ? 0 : 1;
      if (!step.has_value()) continue;
      const auto reached =
          std::find_if(trial->curve.begin(), trial->curve.end(),
                       [trial](const Evaluation& at) { return at.accuracy >= *trial->target; });
      const double bytes = reached != trial->curve.end()
                               ? reached->bytes
                               : static_cast<double>(trial->result->TrainingBytes());
      of_group.push_back({bytes / kBytesPerMegabyte, *step});
    }
    const std::optional<PlanePoint> point = Summarized(*group, of_group);
    if (point.has_value()) points.push_back(*point);
  }
  // What it takes to reach one accuracy says nothing of another.
  if (points.size() < 2 || targets.size() != 1) return "";
  Chart chart;
  chart.title = absl::StrCat("What it took to reach ", FormatTick(100 * *targets.begin()), " %",
                             InBrackets(groups));
  chart.caption = absl::StrCat(
      "Down and to the left is better: fewer steps and fewer bytes until the first test at the "
      "target. Medians over the seeds that reached it, thin bars are the range.",
      LeftOut(missed, "Runs that did not reach it are left out"));
  chart.x = {"sent by all workers, MB (log)", ScaleKind::kLog};
  chart.y = {"steps of each worker"};
  chart.width = 640;
  chart.height = 360;
  chart.legend = LegendOfFamilies(groups, LegendEntry::Look::kMark);
  chart.lines.push_back(FrontOf(points, -1));
  chart.legend.push_back({"Pareto front", LegendEntry::Look::kLine, kNeutral});
  for (const PlanePoint& point : points) chart.marks.push_back(MarkOf(point, " MB", " steps"));
  return RenderChart(chart, ids.Next());
}

std::string RenderCurves(const Comparison& groups, ChartIds& ids) {
  std::string figures;
  for (const XAxis& x : XAxes()) {
    Chart chart;
    chart.title = x.title + InBrackets(groups);
    chart.x = x.axis;
    chart.y.title = "accuracy, %";
    ChooseAccuracies(groups, chart.y);
    const bool has_labels = groups.size() <= kMostLabels;
    for (const Group* group : groups) {
      AddCurve(*group, x, OpacityOf(groups, *group), has_labels, chart);
    }
    // A single test is no curve.
    const bool has_curve =
        std::any_of(chart.lines.begin(), chart.lines.end(),
                    [](const ChartLine& line) { return line.points.size() > 1; });
    if (!has_curve) continue;
    chart.legend = LegendOfFamilies(groups, LegendEntry::Look::kLine);
    if (!chart.bands.empty()) {
      chart.legend.push_back(
          {"least to greatest of the seeds", LegendEntry::Look::kBand, kNeutral});
    }
    chart.caption =
        absl::StrCat(x.caption, chart.bands.empty() ? "" : " Lines are medians over the seeds.",
                     has_labels ? ""
                                : " Of one colour, the fainter a line, the further down its row in "
                                  "the table; pointed at, a line tells its name.");
    figures += RenderChart(chart, ids.Next());
  }
  return figures;
}

std::string RenderIntervalsOverTheta(const std::vector<Group>& groups, ChartIds& ids) {
  std::map<std::string, ChartLine> lines;  // By family and setting.
  Chart chart;
  Comparison drawn;
  for (const Group& group : groups) {
    const std::optional<double> theta = group.Theta();
    if (!theta.has_value()) continue;
    std::vector<double> medians, lows, highs;
    for (const Trial* trial : group.trials) {
      if (!trial->intervals.has_value()) continue;
      medians.push_back(trial->intervals->median);
      lows.push_back(trial->intervals->p10);
      highs.push_back(trial->intervals->p90);
    }
    const auto median = Summarize(medians);
    if (!median.has_value() || *theta <= 0 || median->median <= 0) continue;
    ChartMark mark;
    mark.at = {*theta, median->median};
    mark.y_spread = {Summarize(lows).value_or(*median).median,
                     Summarize(highs).value_or(*median).median};
    mark.color = group.color;
    mark.shape = group.shape;
    mark.tip = absl::StrCat(group.Label(), ": every ", FormatTick(median->median), " steps");
    chart.marks.push_back(mark);
    ChartLine& line = lines[absl::StrCat(group.family, "\n", group.setting)];
    line.color = group.color;
    line.label = group.setting;
    line.points.push_back(mark.at);
    drawn.push_back(&group);
  }
  bool has_line = false;
  for (auto& [name, line] : lines) {
    std::sort(line.points.begin(), line.points.end(),
              [](const ChartPoint& a, const ChartPoint& b) { return a.x < b.x; });
    has_line = has_line || line.points.front().x < line.points.back().x;
    chart.lines.push_back(line);
  }
  if (!has_line) return "";
  chart.title = "Steps between synchronizations against theta";
  chart.caption =
      "Medians over the synchronizations and then over the seeds; thin bars reach from the tenth "
      "to the ninetieth percentile.";
  chart.x = {"theta (log)", ScaleKind::kLog};
  chart.y = {"steps (log)", ScaleKind::kLog};
  chart.legend = LegendOfFamilies(drawn, LegendEntry::Look::kMark);
  return RenderChart(chart, ids.Next());
}

}  // namespace apps::report
