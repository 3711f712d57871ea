#include <absl/strings/str_cat.h>

#include "actors/training/make_trainer.h"
#include "actors/training/quadratic_trainer.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace actors {

namespace {

absl::Status NeedsTorch(const TrainingOptions& options) {
  return runtime::MakeError(
      "MODEL_NEEDS_TORCH", runtime::Exit::kUsage,
      absl::StrCat("model.name = \"", options.model.name,
                   "\" needs torch, and this rondo-worker was built without it"),
      "use a rondo-worker that was built with RONDO_TORCH=ON, or model.name = \"quadratic\"");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Trainer>> MakeTrainer(const TrainingOptions& options) {
  RETURN_IF_ERROR(ValidateTrainingOptions(options));
  if (options.model.name == "quadratic") return std::make_unique<QuadraticTrainer>(options);
  return NeedsTorch(options);
}

absl::StatusOr<Layout> LayoutOfModelFile(const TrainingOptions& options) {
  return NeedsTorch(options);
}

absl::StatusOr<EvaluationCounts> EvaluateModelFile(const TrainingOptions& options) {
  return NeedsTorch(options);
}

}  // namespace actors
