// The built-in models as torch computes them. The only header with torch types; it costs 20 seconds
// to compile, so only models.cc, torch_trainer.cc and their tests include it. All functions may
// throw c10::Error, which torch_trainer.cc catches.
//
// A model is a pure function of (images, parameters, random numbers). The parameters are tensors
// over one flat vector that torch neither owns nor moves: training uses those over `local`,
// evaluation makes others over any model's floats.
#ifndef RONDO_ACTORS_TRAINING_MODELS_H_
#define RONDO_ACTORS_TRAINING_MODELS_H_

#include <absl/types/span.h>
#include <torch/torch.h>

#include <string>
#include <vector>

#include "actors/training/model_plan.h"
#include "actors/training/random.h"
#include "actors/training/trainer.h"

namespace actors {

using Tensors = std::vector<torch::Tensor>;

// Images (n x channels x rows x columns) and parameters in the layout's order -> logits, n x
// classes; of text n x characters x classes. With `dropout` to train on: it gives the masks of the
// dropout layers, one after the other, and each BatchNorm takes the statistics of the batch and
// notes them in its buffers. Without, as for a test: a BatchNorm takes those of its buffers.
torch::Tensor Forward(const ModelPlan& plan, const torch::Tensor& images, const Tensors& parameters,
                      RandomStream* dropout = nullptr);

// One tensor per entry over `floats`, which must outlive them: layout.total of them, or the first
// `count`, which end where an entry does.
Tensors TensorsOver(const Layout& layout, float* floats, std::uint64_t count = UINT64_MAX);

// tanh, then the mean over 2 x 2 squares, of n x c x rows x columns, both even: one pass instead of
// two torch operators that took more than half of a LeNet-5 forward pass. Differentiable once.
torch::Tensor TanhPool(const torch::Tensor& input);

// The bytes of a TorchScript file with these parameters and a method forward(images) -> logits.
// "conv1.weight" is conv1_weight there.
std::string ToTorchScript(const ModelPlan& plan, absl::Span<const float> parameters);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_MODELS_H_
