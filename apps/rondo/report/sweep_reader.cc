#include "apps/rondo/report/sweep_reader.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "actors/sweep/sweep_results.h"
#include "apps/rondo/report/metrics_reader.h"
#include "runtime/base/status.h"

namespace apps::report {
namespace {

// The settings, and what makes two lines one point. A run whose tau was taken from another point's
// interval has one for each seed, and they are still one point.
void TakePoint(const actors::SweepLine& line, Trial& trial) {
  for (const auto& [key, value] : line.point) {
    if (key != "run.seed") trial.settings[key] = SettingText(value);
  }
  std::map<std::string, std::string> identity = trial.settings;
  if (line.matched.has_value()) {
    for (const auto& [key, value] : *line.matched) trial.matched[key] = SettingText(value);
    identity.erase("strategy.tau");
    identity["matched"] = actors::DescribePoint(*line.matched);
  }
  trial.point = PointOf(identity);
}

// What the point does not say and the result does.
void AddFromResult(Trial& trial) {
  if (!trial.result.has_value()) return;
  const actors::RunResult& result = *trial.result;
  if (!result.run_id.empty()) trial.name = result.run_id;
  if (result.workers > 0)
    trial.settings.try_emplace("run.workers", SettingText(std::int64_t{result.workers}));
  if (!result.strategy.empty()) trial.settings.try_emplace("strategy.name", result.strategy);
  if (!result.model.empty()) trial.settings.try_emplace("model.name", result.model);
  if (!result.data.empty()) trial.settings.try_emplace("data.source", result.data);
}

}  // namespace

bool IsSweepLine(const std::string& line) {
  const nlohmann::json json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  return json.is_object() && json.contains("point");
}

absl::StatusOr<Trial> ReadSweepLine(const std::string& text) {
  ASSIGN_OR_RETURN(actors::SweepLine line, actors::SweepLineFromJson(text));
  Trial trial;
  trial.name = line.folder;
  trial.seed = line.seed;
  trial.state = line.result.has_value() ? TrialState::kDone : TrialState::kFailed;
  trial.error = line.error;
  trial.target = line.target;
  trial.result = std::move(line.result);
  TakePoint(line, trial);
  for (const actors::SweepEvaluation& tested : line.curve) {
    trial.curve.push_back({static_cast<double>(tested.step), tested.accuracy,
                           static_cast<double>(tested.bytes), tested.t});
  }
  const actors::SweepIntervals& intervals = line.intervals;
  if (intervals.count > 0) {
    trial.intervals = {intervals.count, intervals.median, intervals.p10, intervals.p90};
  }
  AddFromResult(trial);
  return trial;
}

}  // namespace apps::report
