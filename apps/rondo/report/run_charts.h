// Charts of what happened inside single runs, from their events. Each is "" if there is nothing to
// show. Pure.
#ifndef RONDO_APPS_RONDO_REPORT_RUN_CHARTS_H_
#define RONDO_APPS_RONDO_REPORT_RUN_CHARTS_H_

#include <string>
#include <vector>

#include "apps/rondo/report/compare_charts.h"
#include "apps/rondo/report/groups.h"

namespace apps::report {

// What is beyond the bound of a page is counted in a line.

// The variance estimate against theta, with the synchronizations; a figure for the first
// run of each point.
std::string RenderVariances(const std::vector<Group>& groups, ChartIds& ids);
// Steps from one synchronization to the next, over the run; one figure.
std::string RenderIntervals(const std::vector<Group>& groups, ChartIds& ids);
// Who was there when, what was given up; a figure for each run in which anything of it changed.
std::string RenderMemberships(const std::vector<Group>& groups, ChartIds& ids);

}  // namespace apps::report

#endif  // RONDO_APPS_RONDO_REPORT_RUN_CHARTS_H_
