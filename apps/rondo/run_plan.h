// What a run would do, before it starts: `rondo run --dry-run` and `rondo check`.
#ifndef RONDO_APPS_RONDO_RUN_PLAN_H_
#define RONDO_APPS_RONDO_RUN_PLAN_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "actors/averaging/cost.h"
#include "actors/run_config.h"
#include "actors/training/describe.h"

namespace apps {

// What one strategy would send with constant membership, by all members together.
struct Prediction {
  actors::Strategy strategy = actors::Strategy::kFda;
  std::uint64_t tau = 0;  // Of kLocal and kClock.
  // None: fda without Adam, or too many steps (actors/averaging/cost.h).
  std::optional<std::uint64_t> syncs;
  actors::PredictedBytes bytes;  // Zeros without `syncs`.
};

struct RunPlan {
  actors::TrainingDescription training;
  std::optional<double> theta;  // In force; meaningful for fda. None: chosen in the first rounds.
  bool theta_is_given = false;  // Else it is the guideline's.
  // fda, local and synchronous, whichever of them the run is, and clock if it is that. local
  // synchronizes as often as the config's tau says, without one as often as fda is expected to; it
  // is left out if that is unknown.
  std::vector<Prediction> predictions;
};

// The config at `path` with what the environment and `overrides` say (actors/run_config.h).
absl::StatusOr<actors::ResolvedConfig> ResolveConfig(
    const std::string& path, const std::vector<actors::ConfigOverride>& overrides);

// Reads or draws the data. Errors: those of actors::Describe and, with a TorchScript file, which a
// worker process reads, of AskWorker. On the main thread.
absl::StatusOr<RunPlan> PlanRun(const actors::RunConfig& config);

std::string RenderPlan(const RunPlan& plan, const actors::RunConfig& config);
// The members that a plan adds to the data of `rondo run --dry-run --json`.
std::string PlanToJson(const RunPlan& plan);

}  // namespace apps

#endif  // RONDO_APPS_RONDO_RUN_PLAN_H_
