#include "actors/training/training_options.h"

#include <absl/strings/str_cat.h>

#include <cmath>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "actors/training/concept_drift.h"
#include "actors/training/dataset.h"
#include "actors/training/model_plan.h"
#include "actors/training/partition.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

absl::Status Refuse(std::string_view key, const std::string& value, const std::string& allowed) {
  return runtime::MakeError(
      "CONFIG_INVALID_VALUE", runtime::Exit::kUsage,
      std::string(key) + " = " + value + " is not a value that this build can train with",
      std::string(key) + " takes " + allowed);
}

absl::Status CheckName(std::string_view key, const std::string& value,
                       std::initializer_list<std::string_view> allowed) {
  std::string list;
  for (const std::string_view name : allowed) {
    if (value == name) return absl::OkStatus();
    list += (list.empty() ? "\"" : " | \"") + std::string(name) + "\"";
  }
  return Refuse(key, "\"" + value + "\"", list);
}

// [low, high); NaN is outside every range.
absl::Status CheckRange(std::string_view key, double value, double low, double high) {
  if (value >= low && value < high) return absl::OkStatus();
  return Refuse(key, absl::StrCat(value), absl::StrCat("numbers in [", low, ", ", high, ")"));
}

absl::Status ValidateOptimizer(const OptimizerOptions& optimizer) {
  RETURN_IF_ERROR(CheckName("optimizer.name", optimizer.name, {"adam", "adamw", "sgd"}));
  RETURN_IF_ERROR(CheckRange("optimizer.beta1", optimizer.beta1, 0, 1));
  RETURN_IF_ERROR(CheckRange("optimizer.beta2", optimizer.beta2, 0, 1));
  RETURN_IF_ERROR(CheckRange("optimizer.epsilon", optimizer.epsilon, 0, 1e6));
  RETURN_IF_ERROR(CheckRange("optimizer.momentum", optimizer.momentum, 0, 1));
  RETURN_IF_ERROR(CheckRange("optimizer.weight_decay", optimizer.weight_decay, 0, 1e6));
  RETURN_IF_ERROR(CheckRange("optimizer.batch", optimizer.batch, 1, 1 << 20));
  if (optimizer.nesterov && optimizer.momentum == 0) {
    return Refuse("optimizer.nesterov", "true", "true only with optimizer.momentum > 0");
  }
  return absl::OkStatus();
}

absl::Status ValidateQuadratic(const QuadraticOptions& quadratic) {
  RETURN_IF_ERROR(
      CheckRange("quadratic.dimension", static_cast<double>(quadratic.dimension), 1, 4294967296.0));
  RETURN_IF_ERROR(CheckRange("quadratic.curvature", quadratic.curvature, 0, 1e6));
  RETURN_IF_ERROR(CheckRange("quadratic.noise", quadratic.noise, 0, 1e6));
  return CheckRange("quadratic.step_time_seconds", quadratic.step_time_seconds, 0, 3600);
}

// Parts are rondo-worker's flags, the rest stands in the config.
absl::Status ValidateOwnData(const DataOptions& data) {
  RETURN_IF_ERROR(CheckName("data.source", data.source, {"mnist", "fashion-mnist", "cifar10"}));
  RETURN_IF_ERROR(CheckName("data.partition", data.partition, {"iid"}));
  RETURN_IF_ERROR(CheckRange("--parts", data.parts, 1, 1 << 10));
  return CheckRange("--part", data.part, 0, data.parts);
}

absl::Status CheckModel(const TrainingOptions& options) {
  const std::optional<ImageShape> shape = ShapeOf(options.data.source);
  // What the files alone say is checked when they are read.
  if (!shape.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const ModelPlan plan, PlanModel(options.model, *shape));
  // The variance of one value, as torch's running one is computed, is 0 / 0.
  if (plan.layout.total == plan.layout.trainable || options.optimizer.batch > 1) {
    return absl::OkStatus();
  }
  return Refuse("optimizer.batch", "1", "2 or more with a model that has BatchNorm");
}

// Characters for the model of characters, and nothing else for it.
absl::Status CheckText(const TrainingOptions& options) {
  RETURN_IF_ERROR(CheckRange("data.context", options.data.context, 1, 4097));
  const bool of_text = options.model.name == "transformer";
  if (of_text == (options.data.source == "text")) return absl::OkStatus();
  return Refuse("model.name",
                "\"" + options.model.name + "\" with data.source = \"" + options.data.source + "\"",
                "\"transformer\" with data.source = \"text\", and with no other");
}

}  // namespace

absl::Status ValidateTrainingOptions(const TrainingOptions& options) {
  RETURN_IF_ERROR(CheckName("model.name", options.model.name,
                            {"lenet5", "logistic", "cnn-gn", "vgg16s", "densenet121", "densenet201",
                             "transformer", "quadratic"}));
  RETURN_IF_ERROR(CheckName("model.init", options.model.init, {"glorot_uniform", "he_normal"}));
  RETURN_IF_ERROR(CheckRange("model.dropout", options.model.dropout, 0, 1));
  RETURN_IF_ERROR(ValidateOptimizer(options.optimizer));
  if (options.model.name == "quadratic") return ValidateQuadratic(options.quadratic);
  RETURN_IF_ERROR(
      CheckName("data.source", options.data.source,
                {"digits", "mnist", "fashion-mnist", "cifar10", "text", "libsvm", "tensors"}));
  RETURN_IF_ERROR(CheckText(options));
  RETURN_IF_ERROR(CheckName("data.batches", options.data.batches, {"uniform", "permutation"}));
  if (options.data.own) RETURN_IF_ERROR(ValidateOwnData(options.data));
  RETURN_IF_ERROR(ParseDrift(options.data.drift).status());
  RETURN_IF_ERROR(CheckModel(options));
  return ParsePartition(options.data.partition, options.optimizer.batch).status();
}

}  // namespace actors
