// `rondo run` of models that torch trains.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/cluster.h"
#include "tests/support/processes.h"

namespace tests {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

TEST(EmbeddedRun, TrainsLeNetOnDigits) {
  Sandbox sandbox;
  const auto run = sandbox.Run(
      RunCommand(WriteLenet(sandbox, "digits"), {"run.workers=2", "run.max_steps=60"}, {"--json"}));
  ASSERT_EQ(run->WaitExit(), 0) << run->Describe();
  const json data = run->Json()["data"];
  EXPECT_EQ(data["replicas_equal"], true);
  EXPECT_EQ(data["parameters"], 61706);
  EXPECT_GT(data["accuracy"], 0.2);  // Of ten classes; it has hardly begun.
  EXPECT_TRUE(fs::exists(OnlyRunFolder(sandbox.folder() + "/runs") + "/model.pt"));
  EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
}

// Samples of CIFAR-10's binary format whose image is of one grey, which tells the label.
std::string GreySamples(int count) {
  std::string samples;
  for (int i = 0; i < count; ++i) {
    samples += static_cast<char>(i % 10);
    samples += std::string(3072, static_cast<char>(i % 10 * 25));
  }
  return samples;
}

TEST(EmbeddedRun, TrainsDenseNetAndAveragesItsBuffers) {
  Sandbox sandbox;
  const std::string folder = sandbox.folder() + "/cifar";
  fs::create_directory(folder);
  sandbox.Write("cifar/data_batch_1.bin", GreySamples(60));
  sandbox.Write("cifar/test_batch.bin", GreySamples(20));
  const std::string config = sandbox.Write("densenet.toml", R"(
[run]
workers = 2
max_steps = 3
evaluate_every = 0
[data]
source = "cifar10"
[model]
name = "densenet121"
[optimizer]
name = "sgd"
learning_rate = 0.01
batch = 4
[strategy]
name = "local"
tau = 2
)");
  const auto run = sandbox.Run(RunCommand(config, {"data.dir=" + folder}, {"--json"}));
  ASSERT_EQ(run->WaitExit(), 0) << run->Describe();
  const json data = run->Json()["data"];
  EXPECT_EQ(data["replicas_equal"], true);
  EXPECT_EQ(data["parameters"], 6964106);
  EXPECT_EQ(data["syncs"], 2);
  // Both synchronizations sent all floats, the 83,648 of buffers too: 2 workers, 4 bytes each.
  EXPECT_GE(data["bytes"]["ring"], 2 * 2 * 4 * (6964106 + 83648));
  EXPECT_TRUE(fs::exists(OnlyRunFolder(sandbox.folder() + "/runs") + "/model.pt"));
  EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
}

TEST(BadRun, WithoutItsDataEndsBeforeTraining) {
  Sandbox sandbox;
  const std::string config = sandbox.Write("mnist.toml", R"(
[run]
workers = 2
max_steps = 10
[data]
source = "mnist"
dir = "mnist"
[model]
name = "lenet5"
)");
  const auto run = sandbox.Run(RunCommand(config, {}, {"--json"}));
  EXPECT_EQ(run->WaitExit(), 8) << run->Describe();
  EXPECT_THAT(run->Json().value("message", ""), HasSubstr("mnist"));
  EXPECT_EQ(StepsOf(OnlyRunFolder(sandbox.folder() + "/runs")), 0U);
  EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
}

}  // namespace
}  // namespace tests
