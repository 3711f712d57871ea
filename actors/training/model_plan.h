// The built-in models as lists of layers, without torch. From a list follow the layout of the
// parameters, the forward pass and the TorchScript of model.pt (both models.h). C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_MODEL_PLAN_H_
#define RONDO_ACTORS_TRAINING_MODEL_PLAN_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "actors/training/image_shape.h"
#include "actors/training/trainer.h"
#include "actors/training/training_options.h"

namespace actors {

enum class LayerKind {
  kConvolution,  // weight (outputs x inputs x size x size), bias.
  kLinear,       // weight (outputs x inputs), bias.
  kGroupNorm,    // weight, bias: one each a channel.
  kRelu,
  kTanh,
  kTanhPool,  // tanh, then the mean over 2 x 2 squares.
  kMaxPool,   // Over size x size squares; what is left over at the edge is left out.
  kFlatten,
  kDropout,  // In training only.
};

struct Layer {
  LayerKind kind = LayerKind::kFlatten;
  std::size_t first_entry = 0;  // Of its parameters in the layout.
  std::int64_t size = 0;        // Of a kernel, or of the squares of a pool.
  std::int64_t padding = 0;     // Zeros on each side of an image, before a convolution.
  std::int64_t groups = 0;      // Of kGroupNorm.
  double rate = 0;              // Of kDropout: the part of the values that is dropped.
};

struct ModelPlan {
  ImageShape input;
  std::vector<Layer> layers;
  Layout layout;
};

// The model `name`, for images of `input` in 10 classes:
//   lenet5    the FDA paper's, d = 61,706 on 1 x 28 x 28: convolution 6 of 5x5 same, tanh, average
//             pool 2; convolution 16 of 5x5, tanh, average pool 2; 120 tanh, 84 tanh, 10
//   logistic  one linear map from pixels to classes, d = 7,850
//   cnn-gn    three convolutions of 3x3 same, 16, 32 and 64, each with GroupNorm of 8 groups (Wu,
//   He
//             2018) and ReLU, a max pool 2 after the first two; 10. d = 54,890. A norm whose
//             statistics are a sample's own is the same on every worker, whatever its data
//   vgg16s    the paper's VGG16*, d = 2,592,202 on 1 x 28 x 28: twice 64, twice 128 and twice 256
//             convolutions of 3x3 same with ReLU, a max pool 2 after each two; 512 ReLU, dropout,
//             512 ReLU, dropout, 10
// options.dropout is the rate of all dropout layers; the paper's is 0.5.
// CONFIG_INVALID_VALUE, exit 2: a rate for a model without such a layer; `input` is too small or
// has odd sides where the model halves them. REQUIREs a name of these.
absl::StatusOr<ModelPlan> PlanModel(const ModelOptions& options, const ImageShape& input);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_MODEL_PLAN_H_
