// The layouts and initial values of the built-in models, without torch: what `--dry-run` prints and
// what every member of a run must agree on. C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_MODEL_LAYOUT_H_
#define RONDO_ACTORS_TRAINING_MODEL_LAYOUT_H_

#include <absl/types/span.h>

#include <cstdint>

#include "actors/training/trainer.h"
#include "actors/training/training_options.h"

namespace actors {

// Of "lenet5" for images of 28 x 28.
Layout Lenet5Layout();
// One vector, w.
Layout QuadraticLayout(std::uint64_t dimension);

// Of the model that `options` name; REQUIREs valid options, and a source whose shape is known.
Layout LayoutOf(const TrainingOptions& options);

// Draws the weights (entries of two or more dimensions: output, input, kernel) from options.seed as
// options.init says, equal bits on every machine, and sets all others to their fill.
// `parameters` has layout.total floats. With fan_in = inputs * kernel positions and fan_out
// likewise:
//   glorot_uniform  uniform in [-l, l), l = sqrt(6 / (fan_in + fan_out))  (Glorot, Bengio 2010)
//   he_normal       normal, variance 2 / fan_in, for layers before a ReLU  (He et al. 2015)
// he_normal has torch's variance and no cut; Keras cuts it at two standard deviations.
void DrawInitialModel(const Layout& layout, const ModelOptions& options,
                      absl::Span<float> parameters);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_MODEL_LAYOUT_H_
