// One LeNet-5 training step, batch 32, one thread: ours beside a bare LibTorch loop of the same
// model (torch::nn modules, torch::optim::Adam), in alternating rounds of one process.
//
// Prints the median over the rounds of the mean step time in microseconds, split by part. Both
// loops train on the same images, which are converted once for the bare loop and per step for ours.
#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "actors/training/digits.h"
#include "actors/training/flat_optimizer.h"
#include "actors/training/flat_vector.h"
#include "actors/training/model_layout.h"
#include "actors/training/models.h"
#include "actors/training/torch_trainer.h"

namespace {

using actors::Tensors;

constexpr int kRounds = 15;
constexpr int kStepsPerRound = 100;
constexpr std::int64_t kBatch = 32;

class Stopwatch {
 public:
  // Microseconds since the last call.
  double Lap() {
    const auto now = std::chrono::steady_clock::now();
    const double lap = std::chrono::duration<double, std::micro>(now - last_).count();
    last_ = now;
    return lap;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// Mean microseconds per step: forward and loss, backward, optimizer (zeroing included).
using Split = std::array<double, 3>;

class Loop {
 public:
  virtual ~Loop() = default;
  virtual torch::Tensor Forward(const torch::Tensor& images) = 0;
  virtual void Update() = 0;
  virtual void ZeroGradient() = 0;

  Split Round(const torch::Tensor& images, const torch::Tensor& labels) {
    Split split{};
    Stopwatch watch;
    for (int step = 0; step < kStepsPerRound; ++step) {
      watch.Lap();
      ZeroGradient();
      split[2] += watch.Lap();
      const torch::Tensor loss = torch::nll_loss(torch::log_softmax(Forward(images), 1), labels);
      split[0] += watch.Lap();
      loss.backward();
      split[1] += watch.Lap();
      Update();
      split[2] += watch.Lap();
    }
    for (double& part : split) part /= kStepsPerRound;
    return split;
  }
};

class BareLoop final : public Loop {
 public:
  BareLoop()
      : conv1_(torch::nn::Conv2dOptions(1, 6, 5).padding(2)),
        conv2_(torch::nn::Conv2dOptions(6, 16, 5)),
        fc1_(400, 120),
        fc2_(120, 84),
        fc3_(84, 10),
        optimizer_(std::vector<torch::Tensor>{conv1_->weight, conv1_->bias, conv2_->weight,
                                              conv2_->bias, fc1_->weight, fc1_->bias, fc2_->weight,
                                              fc2_->bias, fc3_->weight, fc3_->bias},
                   torch::optim::AdamOptions(1e-3).eps(1e-7)) {}

  torch::Tensor Forward(const torch::Tensor& images) override {
    torch::Tensor x = torch::avg_pool2d(torch::tanh(conv1_(images)), 2);
    x = torch::avg_pool2d(torch::tanh(conv2_(x)), 2).flatten(1);
    return fc3_(torch::tanh(fc2_(torch::tanh(fc1_(x)))));
  }
  void Update() override { optimizer_.step(); }
  void ZeroGradient() override { optimizer_.zero_grad(); }

 private:
  torch::nn::Conv2d conv1_, conv2_;
  torch::nn::Linear fc1_, fc2_, fc3_;
  torch::optim::Adam optimizer_;
};

class OurLoop final : public Loop {
 public:
  OurLoop()
      : layout_(actors::Lenet5Layout()),
        local_(layout_.total),
        gradient_(layout_.total),
        parameters_(actors::TensorsOver(layout_, local_.data())),
        optimizer_(actors::OptimizerOptions(), layout_.total) {
    actors::DrawInitialModel(layout_, 1, local_.span());
    const Tensors gradients = actors::TensorsOver(layout_, gradient_.data());
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      parameters_[i].set_requires_grad(true);
      parameters_[i].mutable_grad() = gradients[i];
    }
  }

  torch::Tensor Forward(const torch::Tensor& images) override {
    return actors::FindModel("lenet5").forward(images, parameters_);
  }
  void Update() override { optimizer_.Step(gradient_.span(), local_.span()); }
  void ZeroGradient() override { gradient_.SetZero(); }

 private:
  actors::Layout layout_;
  actors::FlatVector local_, gradient_;
  Tensors parameters_;
  actors::FlatOptimizer optimizer_;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double TotalOf(const Split& split) { return split[0] + split[1] + split[2]; }

void Print(const char* name, const std::vector<Split>& rounds) {
  std::array<std::vector<double>, 4> columns;
  for (const Split& split : rounds) {
    for (std::size_t part = 0; part < 3; ++part) columns[part].push_back(split[part]);
    columns[3].push_back(TotalOf(split));
  }
  std::printf("%-28s %9.0f %9.0f %9.0f %9.0f\n", name, Median(columns[0]), Median(columns[1]),
              Median(columns[2]), Median(columns[3]));
}

}  // namespace

int main() {
  const auto digits = std::make_shared<const actors::Dataset>(
      actors::Dataset{actors::DrawDigits(0, 10000), actors::DrawDigits(60000, 100)});
  const auto trainer = actors::MakeTorchTrainer(actors::TrainingOptions(), digits);
  if (!trainer.ok()) {
    std::fprintf(stderr, "%s\n", trainer.status().ToString().c_str());
    return EXIT_FAILURE;
  }
  torch::Tensor images = torch::empty({kBatch, 1, 28, 28});
  torch::Tensor labels = torch::empty({kBatch}, torch::kLong);
  for (std::int64_t i = 0; i < kBatch; ++i) {
    const auto sample = static_cast<std::size_t>(i);
    std::copy_n(digits->train.image(sample), actors::kImagePixels,
                images.data_ptr<float>() + i * actors::kImagePixels);
    labels[i] = digits->train.labels[sample];
  }
  images /= 255;
  BareLoop bare;
  OurLoop ours;
  std::vector<Split> bare_rounds, our_rounds;
  std::vector<double> step_rounds, ratios;
  std::uint64_t step = 0;
  for (int round = 0; round < kRounds; ++round) {
    bare_rounds.push_back(bare.Round(images, labels));
    our_rounds.push_back(ours.Round(images, labels));
    Stopwatch watch;
    for (int i = 0; i < kStepsPerRound; ++i) {
      if (!(*trainer)->Step(++step).ok()) return EXIT_FAILURE;
    }
    step_rounds.push_back(watch.Lap() / kStepsPerRound);
    ratios.push_back(TotalOf(bare_rounds.back()) / step_rounds.back());
  }
  std::printf("%-28s %9s %9s %9s %9s\n", "us per step", "forward", "backward", "optimizer",
              "total");
  Print("bare LibTorch", bare_rounds);
  Print("ours", our_rounds);
  std::printf("%-28s %39.0f\n", "Trainer::Step, batch included", Median(step_rounds));
  std::printf("bare / Trainer::Step = %.2f\n", Median(ratios));
  return EXIT_SUCCESS;
}
