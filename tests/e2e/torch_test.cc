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
