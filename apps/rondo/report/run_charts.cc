#include "apps/rondo/report/run_charts.h"

#include <absl/functional/function_ref.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "apps/rondo/report/html.h"

namespace apps::report {
namespace {

constexpr int kNeutral = 8;
constexpr int kAlarm = 3;
// A page holds about 1 MB: a figure of a long run has some 40 kB.
constexpr std::size_t kMostFigures = 12;
constexpr double kRoundsLane = -1;  // Of aborts and rollbacks, below slot 0.

struct RunOfGroup {
  const Group* group = nullptr;
  const Trial* trial = nullptr;

  std::string Title() const {
    return group->trials.size() == 1 ? group->Label()
                                     : absl::StrCat(group->Label(), ", seed ", trial->seed);
  }
};

// The first run of each group for which that is so; seeds look alike. All, if `of_all_seeds`.
std::vector<RunOfGroup> RunsThat(const std::vector<Group>& groups, bool of_all_seeds,
                                 absl::FunctionRef<bool(const Trial&)> wanted) {
  std::vector<RunOfGroup> runs;
  for (const Group& group : groups) {
    for (const Trial* trial : group.trials) {
      if (!wanted(*trial)) continue;
      runs.push_back({&group, trial});
      if (!of_all_seeds) break;
    }
  }
  return runs;
}

std::string NotDrawn(std::size_t count) {
  if (count <= kMostFigures) return "";
  return absl::StrCat("<p>", count - kMostFigures,
                      " more of these are not drawn: name fewer runs to see them.</p>\n");
}

bool HasVariance(const Trial& trial) {
  return std::any_of(trial.trace.begin(), trial.trace.end(),
                     [](const TracePoint& point) { return std::isfinite(point.variance); });
}

// A theta that nothing will ever come near would flatten what is to be seen.
bool IsOutOfSight(const ChartLine& theta, const ChartLine& variance) {
  constexpr double kFar = 100;
  const auto highest = [](const ChartLine& line) {
    double high = 0;
    for (const ChartPoint& point : line.points) high = std::max(high, point.y);
    return high;
  };
  return highest(theta) > kFar * highest(variance);
}

std::string RenderVariance(const RunOfGroup& run, ChartIds& ids) {
  ChartLine variance;
  variance.color = run.group->color;
  variance.width = 1.3;
  ChartLine theta;
  theta.color = kNeutral;
  theta.width = 1.5;
  theta.is_stepped = true;
  theta.is_dashed = true;
  for (const TracePoint& point : run.trial->trace) {
    if (!std::isfinite(point.variance)) continue;
    variance.points.push_back({point.step, point.variance});
    if (std::isfinite(point.theta)) theta.points.push_back({point.step, point.theta});
  }
  if (IsOutOfSight(theta, variance)) theta.points.clear();
  Chart chart;
  chart.title = "Variance estimate: " + run.Title();
  chart.caption =
      absl::StrCat("It grows while the workers train apart, and above theta they are averaged: ",
                   run.trial->syncs.size(), " synchronizations.",
                   theta.points.empty() ? " Theta is far above what is drawn here." : "");
  chart.x = {"step"};
  chart.y = {"variance estimate"};
  chart.y.low = 0;
  chart.legend = {{"variance estimate", LegendEntry::Look::kLine, variance.color}};
  if (!theta.points.empty()) {
    chart.legend.push_back({"theta", LegendEntry::Look::kDashed, kNeutral});
  }
  chart.legend.push_back({"synchronization", LegendEntry::Look::kStroke});
  chart.lines = {theta, variance};
  for (const Synchronization& sync : run.trial->syncs) chart.strokes.push_back(sync.step);
  return RenderChart(chart, ids.Next());
}

// ---- membership ----

// The first members have joined when the first step is taken.
bool IsLate(const Incident& incident) {
  return incident.kind != Incident::Kind::kJoin || incident.step > 0;
}

bool HasChanges(const Trial& trial) {
  return std::any_of(trial.incidents.begin(), trial.incidents.end(), IsLate);
}

ChartLine Stay(std::uint32_t slot, double from, double to, int color) {
  ChartLine stay;
  stay.points = {{from, static_cast<double>(slot)}, {to, static_cast<double>(slot)}};
  stay.color = color;
  stay.width = 7;
  stay.opacity = 0.55;
  return stay;
}

ChartMark MarkOf(const Incident& incident) {
  static const auto* const names =
      new std::map<Incident::Kind, const char*>{{Incident::Kind::kJoin, "joined"},
                                                {Incident::Kind::kLeave, "left"},
                                                {Incident::Kind::kDeath, "lost"},
                                                {Incident::Kind::kAbort, "attempt given up"},
                                                {Incident::Kind::kRollback, "rolled back"}};
  const bool is_of_round =
      incident.kind == Incident::Kind::kAbort || incident.kind == Incident::Kind::kRollback;
  ChartMark mark;
  mark.at = {incident.seconds, is_of_round ? kRoundsLane : static_cast<double>(incident.slot)};
  mark.color = kNeutral;
  switch (incident.kind) {
    case Incident::Kind::kJoin: mark.shape = Shape::kTriangle; break;
    case Incident::Kind::kLeave: mark.shape = Shape::kSquare; break;
    case Incident::Kind::kRollback: mark.shape = Shape::kDiamond; break;
    case Incident::Kind::kDeath:
    case Incident::Kind::kAbort:
      mark.shape = Shape::kCross;
      mark.color = kAlarm;
      break;
  }
  mark.tip = Shorten(
      absl::StrCat(FormatTick(std::round(incident.seconds * 10) / 10), " s, step ",
                   FormatTick(incident.step), ": ", names->at(incident.kind), ", ", incident.text),
      300);
  return mark;
}

// The lanes and what is on them.
void AddMembers(const RunOfGroup& run, Chart& chart) {
  std::map<std::uint32_t, double> since;  // By slot, of those who are there.
  std::set<std::uint32_t> slots;
  const auto end = [&](std::uint32_t slot, double seconds) {
    const auto found = since.find(slot);
    if (found == since.end()) return;
    chart.lines.push_back(Stay(slot, found->second, seconds, run.group->color));
    since.erase(found);
  };
  for (const Incident& incident : run.trial->incidents) {
    if (IsLate(incident)) chart.marks.push_back(MarkOf(incident));
    if (incident.kind == Incident::Kind::kAbort || incident.kind == Incident::Kind::kRollback) {
      chart.y.names = {{kRoundsLane, "rounds"}};
      continue;
    }
    slots.insert(incident.slot);
    end(incident.slot, incident.seconds);
    if (incident.kind == Incident::Kind::kJoin) since[incident.slot] = incident.seconds;
  }
  for (const std::uint32_t slot : slots) {
    end(slot, run.trial->last_second);
    chart.y.names.emplace_back(slot, absl::StrCat("slot ", slot));
  }
}

std::string RenderMembership(const RunOfGroup& run, ChartIds& ids) {
  Chart chart;
  chart.title = "Who was there: " + run.Title();
  chart.caption =
      "Each bar is a worker in its slot, from its joining to its end; what is on it tells more "
      "when "
      "it is pointed at. Crosses on the lowest line are attempts at a round that were given up and "
      "done again.";
  AddMembers(run, chart);
  chart.x = {"seconds"};
  chart.x.low = 0;
  chart.y.low = chart.y.names.front().first - 0.8;
  chart.y.high = chart.y.names.back().first + 0.8;
  constexpr double kTallest = 2000;
  chart.height = 80 + static_cast<int>(std::min(kTallest, 24 * (*chart.y.high - *chart.y.low)));
  std::set<Incident::Kind> kinds;
  for (const Incident& incident : run.trial->incidents) {
    if (IsLate(incident)) kinds.insert(incident.kind);
    chart.x.high = std::max(chart.x.high.value_or(0), incident.seconds);
  }
  chart.x.high = 1.02 * std::max(*chart.x.high, run.trial->last_second);
  const std::pair<Incident::Kind, LegendEntry> entries[] = {
      {Incident::Kind::kJoin, {"joined", LegendEntry::Look::kMark, kNeutral, Shape::kTriangle}},
      {Incident::Kind::kLeave, {"left", LegendEntry::Look::kMark, kNeutral, Shape::kSquare}},
      {Incident::Kind::kDeath, {"lost", LegendEntry::Look::kMark, kAlarm, Shape::kCross}},
      {Incident::Kind::kAbort,
       {"attempt given up", LegendEntry::Look::kMark, kAlarm, Shape::kCross}},
      {Incident::Kind::kRollback,
       {"rolled back", LegendEntry::Look::kMark, kNeutral, Shape::kDiamond}}};
  for (const auto& [kind, entry] : entries) {
    if (kinds.count(kind) > 0) chart.legend.push_back(entry);
  }
  for (const Synchronization& sync : run.trial->syncs) chart.strokes.push_back(sync.seconds);
  chart.legend.push_back({"synchronization", LegendEntry::Look::kStroke});
  return RenderChart(chart, ids.Next());
}

std::string RenderEach(const std::vector<RunOfGroup>& runs, ChartIds& ids,
                       std::string (*render)(const RunOfGroup&, ChartIds&)) {
  std::string figures;
  for (std::size_t i = 0; i < std::min(runs.size(), kMostFigures); ++i) {
    figures += render(runs[i], ids);
  }
  return figures + NotDrawn(runs.size());
}

}  // namespace

std::string RenderVariances(const std::vector<Group>& groups, ChartIds& ids) {
  return RenderEach(RunsThat(groups, /*of_all_seeds=*/false, HasVariance), ids, RenderVariance);
}

std::string RenderIntervals(const std::vector<Group>& groups, ChartIds& ids) {
  const std::vector<RunOfGroup> runs = RunsThat(
      groups, /*of_all_seeds=*/false, [](const Trial& trial) { return trial.syncs.size() > 2; });
  if (runs.empty()) return "";
  Chart chart;
  Comparison drawn;
  Range range;
  for (const RunOfGroup& run : runs) {
    if (drawn.size() == kMostFigures) break;
    drawn.push_back(run.group);
    ChartLine line;
    line.color = run.group->color;
    line.width = 1.3;
    line.label = run.group->ShortLabel();
    for (const Synchronization& sync : run.trial->syncs) {
      // The last one is brought about by the end of the run.
      if (run.trial->state == TrialState::kDone && &sync == &run.trial->syncs.back()) break;
      line.points.push_back({sync.step, sync.interval});
      range.Include(sync.interval);
    }
    chart.lines.push_back(line);
  }
  const bool is_log = range.low > 0 && range.high > 30 * range.low;
  chart.title = "Steps between synchronizations, over the run";
  chart.caption = absl::StrCat(
      "A flat line is what a fixed interval would do as well; where one rises, the workers drift "
      "apart more slowly. The first seed of each point, without the synchronization that ends the "
      "run.",
      runs.size() > drawn.size() ? " The first twelve points." : "");
  chart.x = {"step"};
  chart.y = {is_log ? "steps since the one before (log)" : "steps since the one before",
             is_log ? ScaleKind::kLog : ScaleKind::kLinear};
  chart.legend = LegendOfFamilies(drawn, LegendEntry::Look::kLine);
  return RenderChart(chart, ids.Next());
}

std::string RenderMemberships(const std::vector<Group>& groups, ChartIds& ids) {
  return RenderEach(RunsThat(groups, /*of_all_seeds=*/true, HasChanges), ids, RenderMembership);
}

}  // namespace apps::report
