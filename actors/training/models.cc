#include "actors/training/models.h"

#include <absl/strings/str_cat.h>
#include <torch/script.h>

#include <algorithm>
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

// What group_norm and batch_norm of torch add to a variance.
constexpr double kNormEpsilon = 1e-5;

torch::Tensor Dropped(const torch::Tensor& x, double rate, RandomStream& random) {
  const torch::Tensor mask = torch::empty(x.sizes(), x.options());
  DrawDropoutMask(random, rate, {mask.data_ptr<float>(), static_cast<std::size_t>(mask.numel())});
  return x * mask;
}

torch::Tensor Apply(const Layer& layer, const torch::Tensor& x, const Tensors& parameters,
                    RandomStream* dropout) {
  // Those of a layer that has parameters.
  const torch::Tensor& weight = parameters[layer.first_entry];
  const torch::Tensor& bias = parameters[layer.first_entry + 1];
  switch (layer.kind) {
    case LayerKind::kConvolution:
      return torch::conv2d(x, weight, bias, /*stride=*/1, layer.padding);
    case LayerKind::kLinear: return torch::linear(x, weight, bias);
    case LayerKind::kGroupNorm:
      return torch::group_norm(x, layer.groups, weight, bias, kNormEpsilon);
    case LayerKind::kRelu: return torch::relu(x);
    case LayerKind::kTanh: return torch::tanh(x);
    case LayerKind::kTanhPool: return TanhPool(x);
    case LayerKind::kMaxPool: return torch::max_pool2d(x, layer.size);
    case LayerKind::kFlatten: return x.flatten(1);
    case LayerKind::kDropout: return dropout == nullptr ? x : Dropped(x, layer.rate, *dropout);
  }
  REQUIRE(false);
}

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
      return absl::StrCat("torch.conv2d(x, ", entry(0), ", ", entry(1), ", [1, 1], ",
                          square(layer.padding), ")");
    case LayerKind::kLinear: return absl::StrCat("torch.linear(x, ", entry(0), ", ", entry(1), ")");
    case LayerKind::kGroupNorm:
      return absl::StrCat("torch.group_norm(x, ", layer.groups, ", ", entry(0), ", ", entry(1),
                          ", ", kNormEpsilon, ")");
    case LayerKind::kRelu: return "torch.relu(x)";
    case LayerKind::kTanh: return "torch.tanh(x)";
    case LayerKind::kTanhPool: return "torch.avg_pool2d(torch.tanh(x), [2, 2])";
    case LayerKind::kMaxPool: return absl::StrCat("torch.max_pool2d(x, ", square(layer.size), ")");
    case LayerKind::kFlatten: return "torch.flatten(x, 1)";
    case LayerKind::kDropout: return "x";  // For predicting.
  }
  REQUIRE(false);
}

}  // namespace

torch::Tensor Forward(const ModelPlan& plan, const torch::Tensor& images, const Tensors& parameters,
                      RandomStream* dropout) {
  torch::Tensor x = images;
  for (const Layer& layer : plan.layers) x = Apply(layer, x, parameters, dropout);
  return x;
}

Tensors TensorsOver(const Layout& layout, float* floats) {
  Tensors tensors;
  tensors.reserve(layout.entries.size());
  for (const LayoutEntry& entry : layout.entries) {
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
    module.register_parameter(ScriptName(layout.entries[i]), tensors[i].clone(),
                              /*is_buffer=*/false);
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
