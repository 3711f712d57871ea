// One LeNet-5 training step, batch 32, one thread: ours beside a bare LibTorch loop of the same
// model (torch::nn modules, torch::optim::Adam), and what the states of FDA add to it.
//
//   training_step_bench [--rounds 15]          alternating rounds of one process, side by side
//   training_step_bench --alone bare|ours [--steps N]
//                                              one loop alone; prints microseconds per step, and of
//                                              a state (tests/bench/cluster_step)
//
// Prints the median and the best over the rounds of the mean step time, split by part. Both loops
// train on the same images, which are converted once for the bare loop and per step for ours. A
// state is measured where it is made: after each step of the trainer.
#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "actors/averaging/linear_estimator.h"
#include "actors/averaging/naive_estimator.h"
#include "actors/averaging/sketch_estimator.h"
#include "actors/training/digits.h"
#include "actors/training/flat_optimizer.h"
#include "actors/training/flat_vector.h"
#include "actors/training/model_layout.h"
#include "actors/training/models.h"
#include "actors/training/torch_trainer.h"

namespace {

using actors::Tensors;

constexpr int kStepsPerRound = 60;
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
      : plan_(*actors::PlanModel(actors::ModelOptions(), actors::ImageShape())),
        local_(layout_.total),
        gradient_(layout_.total),
        parameters_(actors::TensorsOver(layout_, local_.data())),
        optimizer_(actors::OptimizerOptions(), layout_.total) {
    actors::DrawInitialModel(layout_, actors::ModelOptions(), local_.span());
    const Tensors gradients = actors::TensorsOver(layout_, gradient_.data());
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      parameters_[i].set_requires_grad(true);
      parameters_[i].mutable_grad() = gradients[i];
    }
  }

  torch::Tensor Forward(const torch::Tensor& images) override {
    return actors::Forward(plan_, images, parameters_);
  }
  void Update() override { optimizer_.Step(1e-3, gradient_.span(), local_.span()); }
  void ZeroGradient() override { gradient_.SetZero(); }

 private:
  const actors::ModelPlan plan_;
  const actors::Layout& layout_ = plan_.layout;
  actors::FlatVector local_, gradient_;
  Tensors parameters_;
  actors::FlatOptimizer optimizer_;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double Best(const std::vector<double>& values) {
  return *std::min_element(values.begin(), values.end());
}

double TotalOf(const Split& split) { return split[0] + split[1] + split[2]; }

// The images of both loops.
struct Images {
  explicit Images(const actors::ImageSet& set)
      : images(torch::empty({kBatch, 1, 28, 28})), labels(torch::empty({kBatch}, torch::kLong)) {
    for (std::int64_t i = 0; i < kBatch; ++i) {
      const auto sample = static_cast<std::size_t>(i);
      std::copy_n(set.image(sample), actors::kImagePixels,
                  images.data_ptr<float>() + i * actors::kImagePixels);
      labels[i] = set.labels[sample];
    }
    images /= 255;
  }
  torch::Tensor images, labels;
};

// The trainer as a worker uses it: a step, then its drift from the base as a state.
class TrainerLoop {
 public:
  explicit TrainerLoop(std::shared_ptr<const actors::Dataset> digits)
      : trainer_(*actors::MakeTorchTrainer(actors::TrainingOptions(), std::move(digits))),
        base_(trainer_->local().begin(), trainer_->local().end()),
        direction_(base_.size(), 1e-3F),
        sketch_({}, base_.size()) {
    for (actors::Summarizer* summarizer : Summarizers()) Measure(*summarizer, 1);  // Allocates.
  }

  struct Time {
    double step = 0, state = 0;  // Microseconds each.
  };
  Time Naive(int steps) { return Measure(naive_, steps); }
  Time Linear(int steps) { return Measure(linear_, steps); }
  Time Sketch(int steps) { return Measure(sketch_, steps); }

 private:
  std::array<actors::Summarizer*, 3> Summarizers() { return {&naive_, &linear_, &sketch_}; }

  Time Measure(actors::Summarizer& summarizer, int steps) {
    actors::UpdateDirection direction;
    if (summarizer.UsesDirection()) {
      direction = {.id = {.newer_base = {1, 2}, .older_base = {3, 4}}, .values = direction_};
    }
    Time time;
    Stopwatch watch;
    for (int i = 0; i < steps; ++i) {
      watch.Lap();
      if (!trainer_->Step(++step_, 1e-3).ok()) std::exit(EXIT_FAILURE);
      time.step += watch.Lap() / steps;
      const absl::Span<const float> local = trainer_->local();
      summarizer.Summarize({local.data(), local.size()}, base_, direction, state_);
      time.state += watch.Lap() / steps;
    }
    return time;
  }

  std::unique_ptr<actors::Trainer> trainer_;
  const std::vector<float> base_, direction_;
  actors::NaiveSummarizer naive_;
  actors::LinearSummarizer linear_;
  actors::SketchSummarizer sketch_;
  actors::LocalState state_;
  std::uint64_t step_ = 0;
};

void PrintLoop(const char* name, const std::vector<Split>& rounds) {
  std::array<std::vector<double>, 4> columns;
  for (const Split& split : rounds) {
    for (std::size_t part = 0; part < 3; ++part) columns[part].push_back(split[part]);
    columns[3].push_back(TotalOf(split));
  }
  std::printf("%-32s %9.0f %9.0f %9.0f %9.0f %9.0f\n", name, Median(columns[0]), Median(columns[1]),
              Median(columns[2]), Median(columns[3]), Best(columns[3]));
}

// `states` beside the steps that they followed.
void PrintState(const char* name, const std::vector<TrainerLoop::Time>& rounds) {
  std::vector<double> times, shares;
  for (const TrainerLoop::Time& round : rounds) {
    times.push_back(round.state);
    shares.push_back(100 * round.state / round.step);
  }
  std::printf("%-32s %9.1f %9.1f %11.2f %%\n", name, Median(times), Best(times), Median(shares));
}

int Compare(const std::shared_ptr<const actors::Dataset>& digits, int rounds) {
  const Images images(digits->train);
  BareLoop bare;
  OurLoop ours;
  TrainerLoop trainer(digits);
  std::vector<Split> bare_rounds, our_rounds;
  std::vector<TrainerLoop::Time> naive, linear, sketch;
  std::vector<double> step_rounds, ratios;
  for (int round = 0; round < rounds; ++round) {
    bare_rounds.push_back(bare.Round(images.images, images.labels));
    our_rounds.push_back(ours.Round(images.images, images.labels));
    naive.push_back(trainer.Naive(kStepsPerRound / 3));
    linear.push_back(trainer.Linear(kStepsPerRound / 3));
    sketch.push_back(trainer.Sketch(kStepsPerRound / 3));
    step_rounds.push_back((naive.back().step + linear.back().step + sketch.back().step) / 3);
    ratios.push_back(TotalOf(bare_rounds.back()) / step_rounds.back());
  }
  std::printf("%-32s %9s %9s %9s %9s %9s\n", "us per step, medians", "forward", "backward",
              "optimizer", "all", "best");
  PrintLoop("bare LibTorch", bare_rounds);
  PrintLoop("ours", our_rounds);
  std::printf("%-32s %39.0f %9.0f\n", "Trainer::Step, batch included", Median(step_rounds),
              Best(step_rounds));
  std::printf("bare LibTorch / Trainer::Step: median of pairs %.2f, best %.2f\n\n", Median(ratios),
              [&] {
                std::vector<double> totals;
                for (const Split& split : bare_rounds) totals.push_back(TotalOf(split));
                return Best(totals) / Best(step_rounds);
              }());
  std::printf("%-32s %9s %9s %13s\n", "us per state, d = 61,706", "median", "best", "of one step");
  PrintState("naive: norm", naive);
  PrintState("linear: norm and projection", linear);
  PrintState("sketch 5 x 250 and norm", sketch);
  return EXIT_SUCCESS;
}

// Warm, then timed.
int Alone(const std::string& loop, const std::shared_ptr<const actors::Dataset>& digits,
          int steps) {
  if (loop == "ours") {
    TrainerLoop trainer(digits);
    trainer.Linear(kStepsPerRound);
    const TrainerLoop::Time time = trainer.Linear(steps);
    std::printf("%.1f %.1f\n", time.step, time.state);
    return EXIT_SUCCESS;
  }
  const Images images(digits->train);
  BareLoop bare;
  bare.Round(images.images, images.labels);
  double total = 0;
  const int rounds = std::max(1, steps / kStepsPerRound);
  for (int round = 0; round < rounds; ++round) {
    total += TotalOf(bare.Round(images.images, images.labels));
  }
  std::printf("%.1f 0\n", total / rounds);
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  int rounds = 15;
  int steps = 600;
  std::string alone;
  CLI::App app("Times one training step.");
  app.add_option("--rounds", rounds, "of each loop");
  app.add_option("--alone", alone, "time this loop only")->check(CLI::IsMember({"bare", "ours"}));
  app.add_option("--steps", steps, "with --alone");
  CLI11_PARSE(app, argc, argv);
  at::set_num_threads(1);
  const auto digits = std::make_shared<const actors::Dataset>(
      actors::Dataset{actors::DrawDigits(0, 10000), actors::DrawDigits(60000, 100)});
  return alone.empty() ? Compare(digits, rounds) : Alone(alone, digits, steps);
}
