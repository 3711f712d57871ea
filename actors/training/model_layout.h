// The layouts and initial values of the built-in models, without torch: what `--dry-run` prints and
// what every member of a run must agree on. C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_MODEL_LAYOUT_H_
#define RONDO_ACTORS_TRAINING_MODEL_LAYOUT_H_

#include <absl/types/span.h>

#include <cstdint>

#include "actors/training/trainer.h"
#include "actors/training/training_options.h"

namespace actors {

// LeNet-5 of the FDA paper, d = 61,706: convolution 6 of 5x5 same, tanh, average pool 2;
// convolution 16 of 5x5, tanh, average pool 2; 120 tanh, 84 tanh, 10.
Layout Lenet5Layout();
// One linear map from pixels to classes, d = 7,850.
Layout LogisticLayout();
// One vector, w.
Layout QuadraticLayout(std::uint64_t dimension);

// Of the model that `options` name; REQUIREs valid options.
Layout LayoutOf(const TrainingOptions& options);

// Glorot-uniform weights (entries of two or more dimensions: output, input, kernel) and zero biases
// (all others), drawn from `seed`: equal bits on every machine. `parameters` has layout.total
// floats.
void DrawInitialModel(const Layout& layout, std::uint64_t seed, absl::Span<float> parameters);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_MODEL_LAYOUT_H_
