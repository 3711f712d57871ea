// `rondo run` with a rondo-worker that was built without torch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.h"
#include "tests/support/processes.h"

namespace tests {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(RunWithoutTorch, RefusesAModelThatNeedsIt) {
  Sandbox sandbox;
  const std::string config = sandbox.Write("digits.toml", R"(
[run]
workers = 2
max_steps = 10
[data]
source = "digits"
[model]
name = "lenet5"
)");
  const auto run = sandbox.Run(RunCommand(config, {}, {"--json"}));
  EXPECT_EQ(run->WaitExit(), 2) << run->Describe();
  const json error = run->Json();
  EXPECT_EQ(error.value("code", ""), "MODEL_NEEDS_TORCH") << run->Describe();
  EXPECT_THAT(error.value("message", ""), HasSubstr("lenet5"));
  EXPECT_THAT(error.value("hint", ""), HasSubstr("quadratic"));
  EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
}

}  // namespace
}  // namespace tests
