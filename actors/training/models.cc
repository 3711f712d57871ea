#include "actors/training/models.h"

#include <absl/strings/str_cat.h>
#include <torch/script.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "actors/training/dropout.h"
#include "actors/training/kernels.h"
#include "runtime/base/require.h"

namespace actors {
namespace {

class TanhPoolFunction : public torch::autograd::Function<TanhPoolFunction> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context,
                               const torch::Tensor& input) {
    const torch::Tensor x = input.contiguous();
    const torch::Tensor tanh = torch::empty_like(x);
    torch::Tensor pooled =
        torch::empty({x.size(0), x.size(1), x.size(2) / 2, x.size(3) / 2}, x.options());
    BestTrainingKernels().tanh_pool_forward(Size(x, 0) * Size(x, 1), Size(x, 2), Size(x, 3),
                                            x.data_ptr<float>(), tanh.data_ptr<float>(),
                                            pooled.data_ptr<float>());
    context->save_for_backward({tanh});
    return pooled;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const torch::Tensor tanh = context->get_saved_variables()[0];
    const torch::Tensor of_pooled = gradients[0].contiguous();
    torch::Tensor of_input = torch::empty_like(tanh);
    BestTrainingKernels().tanh_pool_backward(
        Size(tanh, 0) * Size(tanh, 1), Size(tanh, 2), Size(tanh, 3), tanh.data_ptr<float>(),
        of_pooled.data_ptr<float>(), of_input.data_ptr<float>());
    return {of_input};
  }

 private:
  static std::size_t Size(const torch::Tensor& tensor, std::int64_t dimension) {
    return static_cast<std::size_t>(tensor.size(dimension));
  }
};

// Added to a variance: by torch's GroupNorm and LayerNorm, and by the BatchNorm of Keras's
// DenseNet.
constexpr double kGroupNormEpsilon = 1e-5;
constexpr double kLayerNormEpsilon = 1e-5;
constexpr double kBatchNormEpsilon = 1.001e-5;
// How much of a batch's statistics goes into the running ones: Keras's 1 - 0.99.
constexpr double kBatchNormMomentum = 0.01;

torch::Tensor Dropped(const torch::Tensor& x, double rate, RandomStream& random) {
  const torch::Tensor mask = torch::empty(x.sizes(), x.options());
  DrawDropoutMask(random, rate, {mask.data_ptr<float>(), static_cast<std::size_t>(mask.numel())});
  return x * mask;
}

// x: n x characters x (queries, keys, values).
torch::Tensor CausalAttention(const torch::Tensor& x, std::int64_t heads) {
  const std::int64_t samples = x.size(0), characters = x.size(1), width = x.size(2) / 3;
  const std::int64_t of_head = width / heads;
  // Each n x heads x characters x channels of a head.
  const torch::Tensor parts =
      x.reshape({samples, characters, 3, heads, of_head}).permute({2, 0, 3, 1, 4});
  const torch::Tensor scores =
      torch::matmul(parts[0], parts[1].transpose(2, 3)) / std::sqrt(static_cast<double>(of_head));
  const torch::Tensor later =
      torch::ones({characters, characters}, torch::TensorOptions(torch::kBool)).triu(1);
  const torch::Tensor weights =
      torch::softmax(scores.masked_fill(later, -std::numeric_limits<double>::infinity()), 3);
  return torch::matmul(weights, parts[2]).transpose(1, 2).reshape({samples, characters, width});
}

// The same as a method of TorchScript. 11 is bool among torch's types, 4 is int64.
constexpr char kCausalAttentionScript[] = R"(
def causal_attention(self, x, heads: int):
    n, t, width = x.size(0), x.size(1), x.size(2) // 3
    parts = x.reshape([n, t, 3, heads, width // heads]).permute([2, 0, 3, 1, 4])
    scores = torch.matmul(parts[0], parts[1].transpose(2, 3)) / (width / heads) ** 0.5
    later = torch.triu(torch.ones([t, t], dtype=11, device=x.device), 1)
    weights = torch.softmax(scores.masked_fill(later, float("-inf")), 3)
    return torch.matmul(weights, parts[2]).transpose(1, 2).reshape([n, t, width])
)";

// A pass over the layers of a plan.
class Pass {
 public:
  Pass(const Tensors& parameters, RandomStream* dropout)
      : parameters_(parameters), dropout_(dropout) {}

  torch::Tensor Apply(const Layer& layer, const torch::Tensor& x) {
    switch (layer.kind) {
      case LayerKind::kConvolution:
        return torch::conv2d(x, Weight(layer), layer.has_bias ? Bias(layer) : torch::Tensor(),
                             layer.stride, layer.padding);
      case LayerKind::kLinear: return torch::linear(x, Weight(layer), Bias(layer));
      case LayerKind::kGroupNorm:
        return torch::group_norm(x, layer.groups, Weight(layer), Bias(layer), kGroupNormEpsilon);
      case LayerKind::kBatchNorm:
        return torch::batch_norm(x, Weight(layer), Bias(layer), parameters_[layer.first_buffer],
                                 parameters_[layer.first_buffer + 1], dropout_ != nullptr,
                                 kBatchNormMomentum, kBatchNormEpsilon, /*cudnn_enabled=*/false);
      case LayerKind::kRelu: return torch::relu(x);
      case LayerKind::kTanh: return torch::tanh(x);
      case LayerKind::kTanhPool: return TanhPool(x);
      case LayerKind::kMaxPool:
        return torch::max_pool2d(x, layer.size, layer.stride, layer.padding);
      case LayerKind::kAveragePool: return torch::avg_pool2d(x, layer.size, layer.stride);
      case LayerKind::kGlobalAveragePool: return torch::adaptive_avg_pool2d(x, {1, 1});
      case LayerKind::kFlatten: return x.flatten(1);
      case LayerKind::kDropout: return dropout_ == nullptr ? x : Dropped(x, layer.rate, *dropout_);
      case LayerKind::kKeep: return kept_ = x;
      case LayerKind::kConcatenate: return torch::cat({kept_, x}, 1);
      case LayerKind::kAdd: return kept_ + x;
      case LayerKind::kEmbedding:
        return torch::embedding(Weight(layer), x.flatten(1).to(torch::kLong)) + Bias(layer);
      case LayerKind::kLayerNorm:
        return torch::layer_norm(x, {layer.size}, Weight(layer), Bias(layer), kLayerNormEpsilon);
      case LayerKind::kCausalAttention: return CausalAttention(x, layer.groups);
      case LayerKind::kGelu: return torch::gelu(x);
    }
    REQUIRE(false);
  }

 private:
  const torch::Tensor& Weight(const Layer& layer) const { return parameters_[layer.first_entry]; }
  const torch::Tensor& Bias(const Layer& layer) const { return parameters_[layer.first_entry + 1]; }

  const Tensors& parameters_;
  RandomStream* const dropout_;
  torch::Tensor kept_;
};

// "conv1.weight" -> "conv1_weight", as names have no dots there.
std::string ScriptName(const LayoutEntry& entry) {
  std::string name = entry.name;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

// What `layer` makes of x, as an expression.
std::string Script(const Layer& layer, const Layout& layout) {
  const auto entry = [&](std::size_t index) {
    return "self." + ScriptName(layout.entries[layer.first_entry + index]);
  };
  const auto square = [](std::int64_t side) { return absl::StrCat("[", side, ", ", side, "]"); };
  switch (layer.kind) {
    case LayerKind::kConvolution:
      return absl::StrCat("torch.conv2d(x, ", entry(0), ", ", layer.has_bias ? entry(1) : "None",
                          ", ", square(layer.stride), ", ", square(layer.padding), ")");
    case LayerKind::kLinear: return absl::StrCat("torch.linear(x, ", entry(0), ", ", entry(1), ")");
    case LayerKind::kGroupNorm:
      return absl::StrCat("torch.group_norm(x, ", layer.groups, ", ", entry(0), ", ", entry(1),
                          ", ", kGroupNormEpsilon, ")");
    case LayerKind::kBatchNorm:
      return absl::StrCat("torch.batch_norm(x, ", entry(0), ", ", entry(1), ", self.",
                          ScriptName(layout.entries[layer.first_buffer]), ", self.",
                          ScriptName(layout.entries[layer.first_buffer + 1]), ", False, 0.0, ",
                          kBatchNormEpsilon, ", False)");
    case LayerKind::kRelu: return "torch.relu(x)";
    case LayerKind::kTanh: return "torch.tanh(x)";
    case LayerKind::kTanhPool: return "torch.avg_pool2d(torch.tanh(x), [2, 2])";
    case LayerKind::kMaxPool:
      return absl::StrCat("torch.max_pool2d(x, ", square(layer.size), ", ", square(layer.stride),
                          ", ", square(layer.padding), ")");
    case LayerKind::kAveragePool:
      return absl::StrCat("torch.avg_pool2d(x, ", square(layer.size), ", ", square(layer.stride),
                          ")");
    case LayerKind::kGlobalAveragePool: return "torch.adaptive_avg_pool2d(x, [1, 1])";
    case LayerKind::kFlatten: return "torch.flatten(x, 1)";
    case LayerKind::kDropout: return "x";  // For predicting.
    case LayerKind::kKeep: return "kept = x";
    case LayerKind::kConcatenate: return "torch.cat([kept, x], 1)";
    case LayerKind::kAdd: return "kept + x";
    case LayerKind::kEmbedding:
      return absl::StrCat("torch.embedding(", entry(0), ", torch.to(torch.flatten(x, 1), 4)) + ",
                          entry(1), "[0:x.size(-1)]");
    case LayerKind::kLayerNorm:
      return absl::StrCat("torch.layer_norm(x, [", layer.size, "], ", entry(0), ", ", entry(1),
                          ", ", kLayerNormEpsilon, ")");
    case LayerKind::kCausalAttention:
      return absl::StrCat("self.causal_attention(x, ", layer.groups, ")");
    case LayerKind::kGelu: return "torch.gelu(x)";
  }
  REQUIRE(false);
}

}  // namespace

torch::Tensor Forward(const ModelPlan& plan, const torch::Tensor& images, const Tensors& parameters,
                      RandomStream* dropout) {
  Pass pass(parameters, dropout);
  torch::Tensor x = images;
  for (const Layer& layer : plan.layers) x = pass.Apply(layer, x);
  return x;
}

Tensors TensorsOver(const Layout& layout, float* floats, std::uint64_t count) {
  Tensors tensors;
  tensors.reserve(layout.entries.size());
  for (const LayoutEntry& entry : layout.entries) {
    if (entry.offset >= count) break;
    tensors.push_back(torch::from_blob(floats + entry.offset, entry.shape, torch::kFloat));
  }
  return tensors;
}

torch::Tensor TanhPool(const torch::Tensor& input) {
  TORCH_CHECK(input.dim() == 4 && input.size(2) % 2 == 0 && input.size(3) % 2 == 0,
              "TanhPool takes n x c x rows x columns with even rows and columns, not ",
              input.sizes());
  return TanhPoolFunction::apply(input);
}

std::string ToTorchScript(const ModelPlan& plan, absl::Span<const float> parameters) {
  const Layout& layout = plan.layout;
  REQUIRE(parameters.size() == layout.total);
  torch::jit::Module module("Model");
  // from_blob wants a pointer to non-const; nothing writes through it.
  const Tensors tensors = TensorsOver(layout, const_cast<float*>(parameters.data()));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const bool is_buffer = layout.entries[i].offset >= layout.trainable;
    module.register_parameter(ScriptName(layout.entries[i]), tensors[i].clone(), is_buffer);
  }
  const auto attends = [](const Layer& layer) { return layer.kind == LayerKind::kCausalAttention; };
  if (std::any_of(plan.layers.begin(), plan.layers.end(), attends)) {
    module.define(kCausalAttentionScript);
  }
  std::string script = "def forward(self, x):\n";
  for (const Layer& layer : plan.layers) {
    absl::StrAppend(&script, "    x = ", Script(layer, layout), "\n");
  }
  module.define(script + "    return x\n");
  std::ostringstream bytes;
  module.save(bytes);
  return bytes.str();
}

}  // namespace actors
