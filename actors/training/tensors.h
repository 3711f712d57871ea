// Samples as tensors that Python saved: torch.save({"inputs": x, "targets": y}, "train.pt"), and
// test.pt likewise. x has n x features, n x rows x columns or n x channels x rows x columns
// elements: float32, taken as they are, or uint8, scaled to [0, 1] as pixels are. y has n classes,
// integers from 0. C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_TENSORS_H_
#define RONDO_ACTORS_TRAINING_TENSORS_H_

#include <absl/status/statusor.h>

#include <string>

#include "actors/training/samples.h"

namespace actors {

// Reads both files of `folder`. There are as many classes as the largest target of train.pt says.
// Exit 8: DATA_NOT_FOUND; DATA_CORRUPT with file and byte.
absl::StatusOr<LabelledData> ReadTensors(const std::string& folder);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_TENSORS_H_
