// The built-in models as lists of layers, without torch. From a list follow the layout of the
// parameters, the forward pass and the TorchScript of model.pt (both models.h). C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_MODEL_PLAN_H_
#define RONDO_ACTORS_TRAINING_MODEL_PLAN_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "actors/training/dataset.h"
#include "actors/training/image_shape.h"
#include "actors/training/trainer.h"
#include "actors/training/training_options.h"

namespace actors {

enum class LayerKind {
  kConvolution,  // weight (outputs x inputs x size x size), bias if has_bias.
  kLinear,       // weight (outputs x inputs), bias.
  kGroupNorm,    // weight, bias: one each a channel.
  kBatchNorm,    // The same; buffers running_mean, running_var.
  kRelu,
  kTanh,
  kTanhPool,  // tanh, then the mean over 2 x 2 squares.
  kMaxPool,   // Over size x size squares; what is left over at the edge is left out.
  kAveragePool,
  kGlobalAveragePool,  // Over whole images: n x channels x 1 x 1.
  kFlatten,
  kDropout,      // In training only.
  kKeep,         // Keeps the value, and passes it on.
  kConcatenate,  // The value that was kept, then this one: more channels.
  kAdd,          // The value that was kept and this one, which has its shape.
  // Of text: n x 1 x 1 x characters -> n x characters x channels. Token (classes x channels) and
  // position (characters x channels): the sum of a row of each.
  kEmbedding,
  kLayerNorm,  // weight, bias: over the channels of each character.
  // From queries, keys and values, side by side in 3 x channels, to channels: each of the heads,
  // which share the channels out, softmax(q k^T / sqrt(channels of a head)) v over this character
  // and those before it.
  kCausalAttention,
  kGelu,
};

struct Layer {
  LayerKind kind = LayerKind::kFlatten;
  std::size_t first_entry = 0;   // Of its parameters in the layout.
  std::size_t first_buffer = 0;  // The same of kBatchNorm's buffers.
  bool has_bias = true;
  std::int64_t size = 0;     // Of a kernel, or of the squares of a pool.
  std::int64_t stride = 1;   // From one to the next.
  std::int64_t padding = 0;  // On each side of an image: zeros, or for a pool nothing.
  std::int64_t groups = 0;   // Of kGroupNorm; of kCausalAttention the heads.
  double rate = 0;           // Of kDropout: the part of the values that is dropped.
};

struct ModelPlan {
  ImageShape input;
  std::vector<Layer> layers;
  Layout layout;
};

// The model `name`, for images of `input` in `classes`, 10 in the figures here:
//   lenet5    the FDA paper's, d = 61,706 on 1 x 28 x 28: convolution 6 of 5x5 same, tanh, average
//             pool 2; convolution 16 of 5x5, tanh, average pool 2; 120 tanh, 84 tanh, 10
//   logistic  one linear map from pixels to classes, d = 7,850
//   cnn-gn    three convolutions of 3x3 same, 16, 32 and 64, each with GroupNorm of 8 groups (Wu
//             and He 2018) and ReLU, a max pool 2 after the first two; 10. d = 54,890. A norm whose
//             statistics are a sample's own is the same on every worker, whatever its data
//   vgg16s    the paper's VGG16*, d = 2,592,202 on 1 x 28 x 28: twice 64, twice 128 and twice 256
//             convolutions of 3x3 same with ReLU, a max pool 2 after each two; 512 ReLU, dropout,
//             512 ReLU, dropout, 10
//   densenet121, densenet201
//             DenseNet-BC (Huang et al. 2017) in the layout of Keras, d = 6,964,106 and 18,112,138
//             on 3 x 32 x 32, with 83,648 and 229,056 floats of buffers: the stem for large images
//             (7x7 by 2, max pool 3 by 2), blocks of 6, 12, 24, 16 and 6, 12, 48, 32 layers, growth
//             32, compression 0.5; dropout after each convolution of a block
//   transformer
//             of characters, decoder only (Vaswani et al. 2017; Radford et al. 2019), on 1 x 1 x
//             context: token and position of width 64; two blocks of LayerNorm, causal attention of
//             4 heads, and LayerNorm, 256 GELU, 64, each added to what came in (pre-norm), with
//             dropout behind both; LayerNorm, one linear map to the classes. d = 112,577 for 65
//             characters and a context of 64
// The running statistics of a BatchNorm are buffers, behind all that is trained: the ring averages
// them with the model, a step's batch changes them by a hundredth (Keras's momentum).
// options.dropout is the rate of all dropout layers; the paper's are 0.5 of vgg16s and 0.2. The
// transformer's is 0 unless given.
// CONFIG_INVALID_VALUE, exit 2: a rate for a model without such a layer; `input` is too small or
// has odd sides where the model halves them. REQUIREs a name of these.
absl::StatusOr<ModelPlan> PlanModel(const ModelOptions& options, const ImageShape& input,
                                    std::uint32_t classes = kImageClasses);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_MODEL_PLAN_H_
