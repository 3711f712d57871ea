#include "actors/training/describe.h"

#include <absl/strings/str_cat.h>

#include <memory>
#include <utility>

#include "actors/training/concept_drift.h"
#include "actors/training/model_layout.h"
#include "actors/training/model_plan.h"
#include "actors/training/partition.h"
#include "actors/training/quadratic_trainer.h"
#include "actors/training/samples.h"
#include "runtime/base/error.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

TrainingDescription DescribeQuadratic(const TrainingOptions& options, std::uint32_t workers) {
  const DataSummary data = QuadraticTrainer(options).Data();
  return {.train_samples = data.train_samples,
          .test_samples = data.test_samples,
          .data_fingerprint = data.fingerprint,
          .samples = std::vector<std::vector<std::uint64_t>>(workers, data.samples_by_class)};
}

absl::StatusOr<TrainingDescription> DescribeSamples(const TrainingOptions& options,
                                                    std::uint32_t workers) {
  ASSIGN_OR_RETURN(const PartitionRule rule,
                   ParsePartition(options.data.partition, options.optimizer.batch));
  ASSIGN_OR_RETURN(const DriftRule drift, ParseDrift(options.data.drift));
  ASSIGN_OR_RETURN(const LabelledData data, LoadData(options.data));
  RETURN_IF_ERROR(CheckDrift(drift, data.shape));
  ASSIGN_OR_RETURN(const ModelPlan plan,
                   PlanModel(options.model, data.shape.input, data.shape.classes));
  const std::vector<std::uint32_t> labels = LabelsOf(*data.train);
  TrainingDescription description = {.parameters = plan.layout.trainable,
                                     .total = plan.layout.total,
                                     .train_samples = data.train->size(),
                                     .test_samples = data.test->size(),
                                     .data_fingerprint = data.train->Fingerprint()};
  ASSIGN_OR_RETURN(const std::vector<std::vector<std::uint32_t>> shards,
                   Partition(rule, labels, workers, options.data.seed));
  for (const std::vector<std::uint32_t>& shard : shards) {
    RETURN_IF_ERROR(CheckShard(shard.size(), options.optimizer.batch));
    description.samples.push_back(CountByClass(labels, shard, data.shape.classes));
  }
  return description;
}

}  // namespace

absl::StatusOr<TrainingDescription> Describe(const TrainingOptions& options,
                                             std::uint32_t workers) {
  REQUIRE(workers >= 1);
  RETURN_IF_ERROR(ValidateTrainingOptions(options));
  TrainingDescription description;
  if (options.model.name == "quadratic") {
    description = DescribeQuadratic(options, workers);
  } else if (!options.data.own) {
    return DescribeSamples(options, workers);
  }
  const Layout layout = LayoutOf(options);
  description.parameters = layout.trainable;
  description.total = layout.total;
  return description;
}

}  // namespace actors
