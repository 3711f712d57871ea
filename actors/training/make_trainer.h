// Which trainer a run's options ask for. C++17-clean.
//
// Defined twice, and a program links one: torch_trainer.cc knows every model, without_torch.cc (a
// build with RONDO_TORCH=OFF) the quadratic one.
#ifndef RONDO_ACTORS_TRAINING_MAKE_TRAINER_H_
#define RONDO_ACTORS_TRAINING_MAKE_TRAINER_H_

#include <absl/status/statusor.h>

#include <memory>

#include "actors/training/trainer.h"
#include "actors/training/training_options.h"

namespace actors {

// The trainer that `options` ask for, placed at slot 0, rank 0 of 1. Limits the process to one
// compute thread (torch's and OpenBLAS's). Takes seconds: reads or draws the data. Errors: those of
// ValidateTrainingOptions and LoadDataset; MODEL_NEEDS_TORCH; kInternal if torch threw.
absl::StatusOr<std::unique_ptr<Trainer>> MakeTrainer(const TrainingOptions& options);

// Of the TorchScript file options.model.name, which must be one that can be trained on samples of
// data.source. Reads no data. Errors: MODEL_NOT_FOUND, MODEL_UNREADABLE and MODEL_DOES_NOT_FIT,
// exit 8; those of ValidateTrainingOptions; MODEL_NEEDS_TORCH.
absl::StatusOr<Layout> LayoutOfModelFile(const TrainingOptions& options);

// Tests that file as it is on the whole test set. Errors: the same, and those of LoadDataset.
absl::StatusOr<EvaluationCounts> EvaluateModelFile(const TrainingOptions& options);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_MAKE_TRAINER_H_
