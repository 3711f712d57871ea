// The seam between a worker and what it trains: one flat float vector, stepped and evaluated.
//
// A trainer belongs to the worker's training thread, except that `local()` may be read by the ring
// while no step runs. No torch type stands here; the header is C++17-clean, since clang compiles
// the files that include torch as C++17. Implementations: QuadraticTrainer (no torch, exact known
// answer, part of the product) and TorchTrainer.
#ifndef RONDO_ACTORS_TRAINING_TRAINER_H_
#define RONDO_ACTORS_TRAINING_TRAINER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/types/span.h>

#include <cstdint>
#include <string>
#include <vector>

#include "actors/training/flat_optimizer.h"
#include "actors/training/prediction_counts.h"

namespace actors {

// One named tensor within the flat vector.
struct LayoutEntry {
  std::string name;
  std::vector<std::int64_t> shape;
  std::uint64_t offset = 0;  // In floats.
  std::uint64_t count = 0;   // In floats; product of `shape`.
  std::uint32_t depth = 0;   // Layers between it and the output; 0 = the last layer.
  float fill = 0;            // What it begins with, if it is no weight that is drawn.
};

// [trainable | floating-point buffers]: states, xi, theta and d use the trainable part; the ring,
// base and root use all of it.
struct Layout {
  std::vector<LayoutEntry> entries;  // In order of offset, without gaps.
  std::uint64_t trainable = 0;       // d, in floats.
  std::uint64_t total = 0;           // In floats, >= d.

  // Over names, shapes and offsets: members of a run must agree on it.
  std::uint64_t Hash() const;
};

// The place of a worker in the present view.
struct Placement {
  std::uint32_t slot = 0;        // Stable for the life of the worker; seeds its random streams.
  std::uint32_t rank = 0;        // Which shard of the data, 0-based.
  std::uint32_t world_size = 1;  // How many shards.
};

struct StepOutcome {
  float loss = 0;             // Mean over the batch, before the step.
  std::uint32_t samples = 0;  // In the batch.
  // Of the batch, by the model before the step: tested first, then trained on. By the pass that
  // trains: its dropout layers drop values, and each BatchNorm takes the statistics of the batch.
  PredictionCounts predictions;
};

// Counts add up over members, so that the test set can be split between them.
struct EvaluationCounts {
  std::uint64_t correct = 0;
  std::uint64_t samples = 0;
  double loss_sum = 0;
};

// What a worker trains on. "shared": one set, of which each worker has a shard; "own": all that is
// said is of this worker's own data, which are its shard for good.
struct DataSummary {
  std::uint64_t fingerprint = 0;    // Over the training set; members must agree. 0: own data.
  std::uint64_t train_samples = 0;  // In the whole set.
  std::uint64_t test_samples = 0;
  std::vector<std::uint32_t> sample_shape;  // Of one sample: 28, 28 or 3, 32, 32. Empty: no data.
  // Of the whole set, whatever the shard, or of this worker's own; as many as there are classes.
  std::vector<std::uint64_t> samples_by_class;
};

class Trainer {
 public:
  virtual ~Trainer() = default;

  virtual const Layout& layout() const = 0;
  // The live parameters: `layout().total` floats, 64-byte aligned, at the same address for the
  // trainer's life. Freshly built from the run's seed (never from the slot), so that all members
  // start with equal bits.
  virtual absl::Span<float> local() = 0;

  // Chooses the shard and the random streams. Called before the first step and when membership
  // changes. Own data stay what they are. kInvalidArgument: fewer samples than the shard's batch
  // (kDataLoss of own data).
  virtual absl::Status Place(const Placement& placement) = 0;
  // Which step of the run comes next, counted from 1, or was the last before a test (0: none): the
  // concept of a stream that drifts follows from it (concept_drift.h), for the steps and tests that
  // come. Without a barrier it differs from a worker's own count.
  virtual void AtRunStep(std::uint64_t) {}
  // One optimizer step on one batch, at `learning_rate`. `step` counts this worker's steps, from 1:
  // with seed and slot it alone determines the batch. kDataLoss: the loss is not finite; kInternal:
  // torch threw.
  virtual absl::StatusOr<StepOutcome> Step(std::uint64_t step, double learning_rate) = 0;
  // Tests `model` (total floats) on part `part` of `parts` of the test set, or on all of the
  // worker's own, if it has own data. `local` is untouched.
  virtual absl::StatusOr<EvaluationCounts> Evaluate(absl::Span<const float> model,
                                                    std::uint32_t part, std::uint32_t parts) = 0;
  // What it remembers is no part of the model: reset with the worker, and lent to newcomers.
  virtual FlatOptimizer& optimizer() = 0;
  // Writes `model` to `path` (a file that torch.jit.load opens, where there is torch), by a
  // temporary file and rename. kUnavailable or kDataLoss with the path.
  virtual absl::Status Save(absl::Span<const float> model, const std::string& path) = 0;
  virtual DataSummary Data() const = 0;
};

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_TRAINER_H_
