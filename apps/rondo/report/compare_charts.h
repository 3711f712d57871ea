// Charts in which points stand beside each other, all of equal settings but for the strategy.
// Each is "" if there is nothing to show. Pure.
#ifndef RONDO_APPS_RONDO_REPORT_COMPARE_CHARTS_H_
#define RONDO_APPS_RONDO_REPORT_COMPARE_CHARTS_H_

#include <string>
#include <vector>

#include "apps/rondo/report/groups.h"

namespace apps::report {

using Comparison = std::vector<const Group*>;

// Numbers the charts of a page.
struct ChartIds {
  int next = 1;
  std::string Next() { return std::to_string(next++); }
};

// Accuracy after equally many steps against the bytes until then, and the Pareto front. Wants two
// points.
std::string RenderPareto(const Comparison& groups, ChartIds& ids);

// Steps against bytes until the target accuracy was reached. Wants two points that did.
std::string RenderCostOfTarget(const Comparison& groups, ChartIds& ids);

// Accuracy against bytes, steps and seconds.
std::string RenderCurves(const Comparison& groups, ChartIds& ids);

// Steps between synchronizations against theta, over all settings. Wants two thetas.
std::string RenderIntervalsOverTheta(const std::vector<Group>& groups, ChartIds& ids);

// Which bytes were sent, and what the time went to.
std::string RenderBytesByKind(const Comparison& groups);
std::string RenderSecondsByKind(const Comparison& groups);

// " (K 5, iid)": behind a title, if the report has more than one comparison.
std::string InBrackets(const Comparison& groups);
// One entry for each family.
std::vector<LegendEntry> LegendOfFamilies(const Comparison& groups, LegendEntry::Look look);

}  // namespace apps::report

#endif  // RONDO_APPS_RONDO_REPORT_COMPARE_CHARTS_H_
