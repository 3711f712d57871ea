// A sweep as people and scripts read it. Pure.
#ifndef RONDO_APPS_RONDO_SWEEP_TEXT_H_
#define RONDO_APPS_RONDO_SWEEP_TEXT_H_

#include <string>
#include <vector>

#include "actors/sweep/sweep_plan.h"
#include "actors/sweep/sweep_results.h"

namespace apps {

// "fda, theta 2, seed 1: accuracy 98.1 % at step 3,000, 41 syncs, 106.0 MB, 21.2 s".
std::string RenderSweepLine(const actors::SweepLine& line, const std::string& name);

// A row per point: medians, and in brackets the least and the most where runs differ. What failed
// or missed the target is counted, not left out.
std::string RenderSummaries(const std::vector<actors::SweepSummary>& summaries);
std::string SummariesToJson(const std::vector<actors::SweepSummary>& summaries);

// The points and their seeds, for --dry-run.
std::string RenderSweepPlan(const std::vector<actors::SweepPoint>& points,
                            const std::vector<actors::SweepRun>& runs);
std::string SweepPlanToJson(const std::vector<actors::SweepPoint>& points,
                            const std::vector<actors::SweepRun>& runs);

}  // namespace apps

#endif  // RONDO_APPS_RONDO_SWEEP_TEXT_H_
