#include "actors/training/model.h"

#include <utility>

#include "actors/training/model_file.h"
#include "actors/training/model_layout.h"
#include "actors/training/script_model.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

class PlannedModel final : public Model {
 public:
  PlannedModel(const ModelOptions& options, ModelPlan plan)
      : options_(options), plan_(std::move(plan)) {}

  const Layout& layout() const override { return plan_.layout; }
  void SetInitial(absl::Span<float> floats) override {
    DrawInitialModel(plan_.layout, options_, floats);
  }
  torch::Tensor Train(const torch::Tensor& samples, const Tensors& parameters,
                      RandomStream& random) override {
    return Forward(plan_, samples, parameters, &random);
  }
  torch::Tensor Predict(const torch::Tensor& samples, const Tensors& parameters) override {
    return Forward(plan_, samples, parameters);
  }
  std::string ToTorchScript(absl::Span<const float> parameters) override {
    return actors::ToTorchScript(plan_, parameters);
  }

 private:
  const ModelOptions options_;
  const ModelPlan plan_;
};

// Tried out on a copy: a pass in training mode changes buffers and counters.
absl::StatusOr<std::unique_ptr<Model>> LoadModel(const std::string& name, const ModelUse& use) {
  ASSIGN_OR_RETURN(const ModelFile file, ReadModelFile(name));
  ASSIGN_OR_RETURN(std::unique_ptr<ScriptModel> model, ScriptModel::Load(file));
  RETURN_IF_ERROR(model->CheckFits(use));
  ASSIGN_OR_RETURN(model, ScriptModel::Load(file));
  return std::unique_ptr<Model>(std::move(model));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> MakeModel(const ModelOptions& options, const ModelUse& use) {
  if (IsModelFile(options.name)) return LoadModel(options.name, use);
  ASSIGN_OR_RETURN(ModelPlan plan, PlanModel(options, use.input));
  return std::unique_ptr<Model>(std::make_unique<PlannedModel>(options, std::move(plan)));
}

}  // namespace actors
