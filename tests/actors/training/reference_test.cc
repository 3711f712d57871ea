// The cluster against the paper's Algorithm 1 as a plain program: the same synchronizations, and
// the same model bit for bit.
#include <gtest/gtest.h>
#include <torch/script.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "actors/training/batch_sampler.h"
#include "actors/training/digits.h"
#include "actors/training/partition.h"
#include "actors/training/torch_trainer.h"
#include "tests/support/plain_lenet5.h"
#include "tests/support/ring_mean.h"
#include "tests/support/shell.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

constexpr std::uint32_t kWorkers = 4;
constexpr std::uint64_t kSteps = 500;
constexpr double kTheta = 1.0;

struct Trace {
  std::vector<std::uint64_t> synchronizations;  // Steps after which the models were averaged.
  std::vector<float> model;
};

using Vector = std::vector<float>;

// Var = mean ‖u_k‖² - ‖mean u_k‖², in double.
double Variance(const std::vector<Vector>& locals, const Vector& base) {
  std::vector<double> mean(base.size(), 0);
  double squares = 0;
  for (const Vector& local : locals) {
    for (std::size_t i = 0; i < base.size(); ++i) {
      const double drift = static_cast<double>(local[i] - base[i]);
      squares += drift * drift / kWorkers;
      mean[i] += drift / kWorkers;
    }
  }
  for (const double value : mean) squares -= value * value;
  return squares;
}

double RelativeDistance(const Vector& a, const Vector& b) {
  double distance = 0, norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    distance += std::pow(static_cast<double>(a[i]) - b[i], 2);
    norm += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(distance / norm);
}

Vector TorchMean(const std::vector<Vector>& locals) {
  torch::Tensor sum = torch::zeros({static_cast<std::int64_t>(locals[0].size())});
  for (const Vector& local : locals) {
    sum += torch::from_blob(const_cast<float*>(local.data()), sum.sizes());
  }
  const torch::Tensor mean = sum / static_cast<double>(locals.size());
  return Vector(mean.data_ptr<float>(), mean.data_ptr<float>() + mean.numel());
}

// Algorithm 1 on one thread: K plain models that take turns.
Trace PlainAlgorithm1() {
  const Dataset data = DrawDigitsDataset();
  TrainingOptions options;
  const auto initial = MakeTorchTrainer(options, std::make_shared<const Dataset>(data));
  EXPECT_OK(initial);
  Vector base((*initial)->local().begin(), (*initial)->local().end());
  const auto shards =
      Partition(PartitionRule(),
                std::vector<std::uint32_t>(data.train.labels.begin(), data.train.labels.end()),
                kWorkers, options.data.seed)
          .value();
  std::vector<tests::PlainLenet5> models;
  std::vector<BatchSampler> samplers;
  for (std::uint32_t k = 0; k < kWorkers; ++k) {
    models.emplace_back(base);
    samplers.emplace_back(shards[k], 32, BatchOrder::kUniform, options.model.seed, k);
  }
  Trace trace;
  for (std::uint64_t step = 1; step <= kSteps; ++step) {
    std::vector<Vector> locals;
    for (std::uint32_t k = 0; k < kWorkers; ++k) {
      models[k].Step(data.train, samplers[k].Draw(step));
      locals.push_back(models[k].Values());
    }
    if (Variance(locals, base) <= kTheta && step < kSteps) continue;
    const Vector mean = tests::MeanInRingOrder(locals, base);
    if (trace.synchronizations.empty()) {
      EXPECT_LE(RelativeDistance(mean, TorchMean(locals)), 1e-6);
    }
    for (tests::PlainLenet5& model : models) model.Assign(mean);
    base = mean;
    trace.synchronizations.push_back(step);
  }
  trace.model = base;
  return trace;
}

// The same by `rondo run`: a head, four worker processes, real sockets.
Trace Cluster() {
  const std::string folder = testing::TempDir() + "rondo_reference_" + std::to_string(getpid());
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/exact.toml")
      << "[run]\nworkers = " << kWorkers << "\nmax_steps = " << kSteps
      << "\nevaluate_every = 0\nout = \"" << folder << "/runs\"\n"
      << "[strategy]\nname = \"fda\"\nestimator = \"exact\"\ntheta = " << kTheta << "\n";
  // In our own environment: it may choose the kernels of BLAS and oneDNN, and so the last bits.
  const tests::ShellResult run =
      tests::RunInShell(folder, RONDO_PROGRAM " run exact.toml --jsonl", tests::kOurEnvironment);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  Trace trace;
  std::istringstream lines(run.out);
  std::string model_path;
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json event = nlohmann::json::parse(line);
    if (event["event"] == "sync") trace.synchronizations.push_back(event["step"]);
    if (event["event"] == "end") model_path = event["result"]["model_path"];
  }
  torch::jit::Module module = torch::jit::load(model_path);
  for (const LayoutEntry& entry : Lenet5Layout().entries) {
    std::string name = entry.name;
    std::replace(name.begin(), name.end(), '.', '_');
    const torch::Tensor values = module.attr(name).toTensor().contiguous();
    trace.model.insert(trace.model.end(), values.data_ptr<float>(),
                       values.data_ptr<float>() + values.numel());
  }
  std::filesystem::remove_all(folder);
  return trace;
}

TEST(Cluster, WithExactStatesIsAlgorithm1BitForBit) {
  torch::set_num_threads(1);
  const Trace expected = PlainAlgorithm1();
  const Trace actual = Cluster();
  EXPECT_GE(expected.synchronizations.size(), 5u);
  EXPECT_EQ(actual.synchronizations, expected.synchronizations);
  ASSERT_EQ(actual.model.size(), expected.model.size());
  EXPECT_TRUE(actual.model == expected.model)
      << "relative distance " << RelativeDistance(actual.model, expected.model);
}

}  // namespace
}  // namespace actors
