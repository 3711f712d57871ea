#include "actors/training/describe.h"

#include <absl/strings/str_cat.h>

#include <memory>
#include <utility>

#include "actors/training/dataset.h"
#include "actors/training/model_layout.h"
#include "actors/training/partition.h"
#include "actors/training/quadratic_trainer.h"
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

absl::StatusOr<TrainingDescription> DescribeImages(const TrainingOptions& options,
                                                   std::uint32_t workers) {
  ASSIGN_OR_RETURN(const PartitionRule rule,
                   ParsePartition(options.data.partition, options.optimizer.batch));
  ASSIGN_OR_RETURN(const std::shared_ptr<const Dataset> dataset, LoadDataset(options.data));
  TrainingDescription description = {.train_samples = dataset->train.size(),
                                     .test_samples = dataset->test.size(),
                                     .data_fingerprint = Fingerprint(dataset->train)};
  ASSIGN_OR_RETURN(const std::vector<std::vector<std::uint32_t>> shards,
                   Partition(rule, dataset->train.labels, workers, options.data.seed));
  for (const std::vector<std::uint32_t>& shard : shards) {
    RETURN_IF_ERROR(CheckShard(shard.size(), options.optimizer.batch));
    description.samples.push_back(CountByClass(dataset->train.labels, shard, kImageClasses));
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
    ASSIGN_OR_RETURN(description, DescribeImages(options, workers));
  }
  const Layout layout = LayoutOf(options);
  description.parameters = layout.trainable;
  description.total = layout.total;
  return description;
}

}  // namespace actors
