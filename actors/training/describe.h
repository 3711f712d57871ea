// What a run would train on, before it starts: for `rondo run --dry-run` and
// `rondo-worker --describe`. Without torch. C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_DESCRIBE_H_
#define RONDO_ACTORS_TRAINING_DESCRIBE_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <vector>

#include "actors/training/training_options.h"

namespace actors {

struct TrainingDescription {
  // Both 0 of a TorchScript file, which only torch can read (training/make_trainer.h).
  std::uint64_t parameters = 0;     // d, the trainable floats.
  std::uint64_t total = 0;          // With floating-point buffers: what rides in the ring.
  std::uint64_t train_samples = 0;  // In the whole set.
  std::uint64_t test_samples = 0;
  std::uint64_t data_fingerprint = 0;
  // [worker][class], for ranks 0..workers-1. Empty, as are the counts: each node has its own data,
  // and nobody else knows them.
  std::vector<std::vector<std::uint64_t>> samples;
};

// Reads or draws the data set, unless each node has its own. Errors: those of
// ValidateTrainingOptions and LoadDataset, and CONFIG_INVALID_VALUE if a shard is smaller than a
// batch. workers >= 1.
absl::StatusOr<TrainingDescription> Describe(const TrainingOptions& options, std::uint32_t workers);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_DESCRIBE_H_
