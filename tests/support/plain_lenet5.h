// LeNet-5 and Adam as a plain LibTorch program has them: modules with tensors of their own, torch's
// operators for every update; only the pooling is ours, because torch's differs in the last bit.
// What ours is compared with, bit for bit. C++17-clean.
#ifndef RONDO_TESTS_SUPPORT_PLAIN_LENET5_H_
#define RONDO_TESTS_SUPPORT_PLAIN_LENET5_H_

#include <absl/types/span.h>
#include <torch/torch.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "actors/training/dataset.h"
#include "actors/training/model_layout.h"
#include "actors/training/models.h"

namespace tests {

class PlainLenet5 {
 public:
  explicit PlainLenet5(const std::vector<float>& initial)
      : conv1_(torch::nn::Conv2dOptions(1, 6, 5).padding(2)),
        conv2_(torch::nn::Conv2dOptions(6, 16, 5)),
        fc1_(400, 120),
        fc2_(120, 84),
        fc3_(84, 10),
        parameters_{conv1_->weight, conv1_->bias, conv2_->weight, conv2_->bias, fc1_->weight,
                    fc1_->bias,     fc2_->weight, fc2_->bias,     fc3_->weight, fc3_->bias} {
    for (const torch::Tensor& parameter : parameters_) {
      first_.push_back(torch::zeros_like(parameter));
      second_.push_back(torch::zeros_like(parameter));
    }
    Assign(initial);
  }

  // One step on a batch; returns its loss.
  float Step(const actors::ImageSet& set, absl::Span<const std::uint32_t> samples) {
    const auto count = static_cast<std::int64_t>(samples.size());
    torch::Tensor x = torch::empty({count, 1, 28, 28});
    torch::Tensor y = torch::empty({count}, torch::kLong);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint32_t sample = samples[static_cast<std::size_t>(i)];
      x[i] =
          torch::from_blob(const_cast<std::uint8_t*>(set.image(sample)), {1, 28, 28}, torch::kByte)
              .to(torch::kFloat) /
          255;
      y[i] = set.labels[sample];
    }
    for (torch::Tensor& parameter : parameters_) parameter.mutable_grad() = torch::Tensor();
    const torch::Tensor loss = Loss(x, y);
    loss.backward();
    Update();
    return loss.item<float>();
  }

  // All parameters one after the other, in the layout's order.
  std::vector<float> Values() const {
    std::vector<float> values;
    for (const torch::Tensor& parameter : parameters_) {
      const float* const data = parameter.data_ptr<float>();
      values.insert(values.end(), data, data + parameter.numel());
    }
    return values;
  }

  // What a synchronization does: new parameters, the optimizer's moments as they were.
  void Assign(const std::vector<float>& values) {
    const torch::NoGradGuard no_gradient;
    const actors::Tensors tensors =
        actors::TensorsOver(actors::Lenet5Layout(), const_cast<float*>(values.data()));
    for (std::size_t i = 0; i < parameters_.size(); ++i) parameters_[i].copy_(tensors[i]);
  }

 private:
  torch::Tensor Loss(const torch::Tensor& images, const torch::Tensor& labels) {
    using actors::TanhPool;
    torch::Tensor x = TanhPool(conv2_(TanhPool(conv1_(images)))).flatten(1);
    x = fc3_(torch::tanh(fc2_(torch::tanh(fc1_(x)))));
    return torch::nn::functional::cross_entropy(x, labels);
  }

  // One step of Adam(1e-3, 0.9, 0.999, 1e-7) without fused operators.
  void Update() {
    const torch::NoGradGuard no_gradient;
    beta1_power_ *= 0.9;
    beta2_power_ *= 0.999;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const torch::Tensor& gradient = parameters_[i].grad();
      first_[i] = first_[i] * 0.9 + gradient * (1 - 0.9);
      second_[i] = second_[i] * 0.999 + gradient * (1 - 0.999) * gradient;
      const torch::Tensor root = second_[i].sqrt() * (1 / std::sqrt(1 - beta2_power_));
      parameters_[i] -= first_[i] * (1e-3 / (1 - beta1_power_)) / (root + 1e-7);
    }
  }

  torch::nn::Conv2d conv1_, conv2_;
  torch::nn::Linear fc1_, fc2_, fc3_;
  actors::Tensors parameters_, first_, second_;
  double beta1_power_ = 1, beta2_power_ = 1;
};

}  // namespace tests

#endif  // RONDO_TESTS_SUPPORT_PLAIN_LENET5_H_
