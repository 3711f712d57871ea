#include "actors/training/models.h"

#include <torch/script.h>

#include <algorithm>
#include <sstream>

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

torch::Tensor Lenet5Forward(const torch::Tensor& images, const Tensors& p) {
  torch::Tensor x = TanhPool(torch::conv2d(images, p[0], p[1], /*stride=*/1, /*padding=*/2));
  x = TanhPool(torch::conv2d(x, p[2], p[3]));
  x = x.flatten(1);
  x = torch::linear(x, p[4], p[5]).tanh_();
  x = torch::linear(x, p[6], p[7]).tanh_();
  return torch::linear(x, p[8], p[9]);
}

constexpr char kLenet5Script[] = R"(
def forward(self, images):
    x = torch.conv2d(images, self.conv1_weight, self.conv1_bias, [1, 1], [2, 2])
    x = torch.avg_pool2d(torch.tanh(x), [2, 2])
    x = torch.conv2d(x, self.conv2_weight, self.conv2_bias)
    x = torch.avg_pool2d(torch.tanh(x), [2, 2])
    x = torch.flatten(x, 1)
    x = torch.tanh(torch.linear(x, self.fc1_weight, self.fc1_bias))
    x = torch.tanh(torch.linear(x, self.fc2_weight, self.fc2_bias))
    return torch.linear(x, self.fc3_weight, self.fc3_bias)
)";

torch::Tensor LogisticForward(const torch::Tensor& images, const Tensors& p) {
  return torch::linear(images.flatten(1), p[0], p[1]);
}

constexpr char kLogisticScript[] = R"(
def forward(self, images):
    return torch.linear(torch.flatten(images, 1), self.fc_weight, self.fc_bias)
)";

}  // namespace

const ModelDefinition& FindModel(const std::string& name) {
  static constexpr ModelDefinition kLenet5{Lenet5Forward, kLenet5Script};
  static constexpr ModelDefinition kLogistic{LogisticForward, kLogisticScript};
  if (name == "logistic") return kLogistic;
  REQUIRE(name == "lenet5");
  return kLenet5;
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

std::string ToTorchScript(const ModelDefinition& model, const Layout& layout,
                          absl::Span<const float> parameters) {
  REQUIRE(parameters.size() == layout.total);
  torch::jit::Module module("Model");
  // from_blob wants a pointer to non-const; nothing writes through it.
  const Tensors tensors = TensorsOver(layout, const_cast<float*>(parameters.data()));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::string name = layout.entries[i].name;
    std::replace(name.begin(), name.end(), '.', '_');
    module.register_parameter(name, tensors[i].clone(), /*is_buffer=*/false);
  }
  module.define(model.script);
  std::ostringstream bytes;
  module.save(bytes);
  return bytes.str();
}

}  // namespace actors
