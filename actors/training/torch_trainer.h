// Training by LibTorch: batches of samples, the built-in models, and the file that Python opens. No
// torch type stands here. C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_TORCH_TRAINER_H_
#define RONDO_ACTORS_TRAINING_TORCH_TRAINER_H_

#include <absl/status/statusor.h>

#include <memory>

#include "actors/training/dataset.h"
#include "actors/training/samples.h"
#include "actors/training/trainer.h"
#include "actors/training/training_options.h"

namespace actors {

// The torch trainer on samples that may be shared by several trainers of a process.
absl::StatusOr<std::unique_ptr<Trainer>> MakeTorchTrainer(const TrainingOptions& options,
                                                          LabelledData data);
absl::StatusOr<std::unique_ptr<Trainer>> MakeTorchTrainer(const TrainingOptions& options,
                                                          std::shared_ptr<const Dataset> images);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_TORCH_TRAINER_H_
