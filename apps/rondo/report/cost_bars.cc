// What bytes and time went to: the bars of compare_charts.h.
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <cmath>

#include "apps/rondo/report/bars.h"
#include "apps/rondo/report/compare_charts.h"

namespace apps::report {
namespace {

using actors::RunResult;
using runtime::Traffic;

// The mean over those that have a result: of means, unlike of medians, the parts add up.
double Mean(const Group& group, double (*value)(const RunResult&)) {
  double sum = 0;
  int count = 0;
  for (const Trial* trial : group.trials) {
    if (!trial->result.has_value()) continue;
    sum += value(*trial->result);
    ++count;
  }
  return count == 0 ? 0 : sum / count;
}

struct Part {
  const char* name;
  int color;
  double (*value)(const RunResult&);
};

template <Traffic kKind>
double MegabytesOf(const RunResult& result) {
  return static_cast<double>(result.bytes.Of(kKind)) / kBytesPerMegabyte;
}

constexpr Part kTraffic[] = {{"ring", 0, MegabytesOf<Traffic::kRing>},
                             {"state", 1, MegabytesOf<Traffic::kState>},
                             {"decision", 2, MegabytesOf<Traffic::kDecision>},
                             {"evaluation", 3, MegabytesOf<Traffic::kEvaluation>},
                             {"join", 4, MegabytesOf<Traffic::kJoin>},
                             {"checkpoint", 5, MegabytesOf<Traffic::kCheckpoint>},
                             {"control", 6, MegabytesOf<Traffic::kControl>}};

constexpr Part kTimes[] = {
    {"compute", 4, [](const RunResult& result) { return result.seconds_by.compute; }},
    {"wait for a decision", 2,
     [](const RunResult& result) { return result.seconds_by.wait_decision; }},
    {"ring", 0, [](const RunResult& result) { return result.seconds_by.ring; }},
    {"evaluate", 3, [](const RunResult& result) { return result.seconds_by.evaluate; }},
    {"other", 6, [](const RunResult& result) {
       const actors::RunSeconds& by = result.seconds_by;
       return std::max(0.0, result.seconds - by.compute - by.wait_decision - by.ring - by.evaluate);
     }}};

Comparison WithResults(const Comparison& groups) {
  Comparison with;
  for (const Group* group : groups) {
    const bool has_result =
        std::any_of(group->trials.begin(), group->trials.end(),
                    [](const Trial* trial) { return trial->result.has_value(); });
    if (has_result) with.push_back(group);
  }
  return with;
}

template <std::size_t kCount>
std::vector<BarRow> RowsOf(const Comparison& groups, const Part (&parts)[kCount],
                           const char* unit) {
  std::vector<BarRow> rows;
  for (const Group* group : groups) {
    BarRow row;
    row.label = group->Strategy();
    double sum = 0;
    for (const Part& part : parts) {
      row.parts.push_back(Mean(*group, part.value));
      if (std::isfinite(row.parts.back())) sum += row.parts.back();
    }
    row.note = ThreeDigits(sum) + unit;
    rows.push_back(row);
  }
  return rows;
}

template <std::size_t kCount>
std::vector<BarPart> NamesOf(const Part (&parts)[kCount]) {
  std::vector<BarPart> names;
  for (const Part& part : parts) names.push_back({part.name, part.color});
  return names;
}

}  // namespace

std::string RenderBytesByKind(const Comparison& all) {
  const Comparison groups = WithResults(all);
  if (groups.empty()) return "";
  BarChart chart;
  chart.rows = RowsOf(groups, kTraffic, " MB");
  for (std::size_t row = 0; row < groups.size(); ++row) {
    const double paper = Mean(*groups[row], [](const RunResult& result) {
      return static_cast<double>(result.bytes_paper) / kBytesPerMegabyte;
    });
    if (paper > 0) chart.rows[row].mark = paper;
  }
  chart.is_relative = SumsDifferTooMuch(chart.rows);
  chart.title = "What the bytes were" + InBrackets(groups);
  chart.parts = NamesOf(kTraffic);
  chart.mark = "by the paper's formula";
  chart.axis = chart.is_relative ? "share of what was sent, %" : "sent by all workers, MB";
  chart.caption = absl::StrCat(
      "Means over the seeds, the number at the right is the sum",
      chart.is_relative ? "; every bar is 100 %, as the sums differ too much for one scale" : "",
      ". The paper counts the model up to a server and down again, and the states.");
  return RenderBars(chart);
}

std::string RenderSecondsByKind(const Comparison& all) {
  const Comparison groups = WithResults(all);
  if (groups.empty()) return "";
  BarChart chart;
  chart.rows = RowsOf(groups, kTimes, " s");
  chart.is_relative = SumsDifferTooMuch(chart.rows);
  chart.title = "What the time went to" + InBrackets(groups);
  chart.parts = NamesOf(kTimes);
  chart.axis = chart.is_relative ? "share of the run's time, %" : "seconds of a worker";
  chart.caption =
      "Means over the workers and the seeds, on the machines of these runs, from the first step to "
      "the last synchronization.";
  return RenderBars(chart);
}

}  // namespace apps::report
