// Nodes that train one model, each on data of its own.
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/cluster.h"
#include "tests/support/idx_files.h"
#include "tests/support/processes.h"

namespace tests {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::vector<std::string> kSettings = {"run.evaluate_every=100", "strategy.weighting=samples"};

// A node's own folder, of this name.
std::string OwnFolder(const Sandbox& sandbox, const std::string& name, std::uint32_t train,
                      std::uint32_t test, std::uint32_t side = 28) {
  const std::string folder = sandbox.folder() + "/" + name;
  WriteIdxSet(folder, train, test, side);
  return folder;
}

// A join that is refused in the middle of a run: with exit 8, and a last word.
std::string RefusalOf(Sandbox& sandbox, const Cluster& cluster,
                      const std::vector<std::string>& flags) {
  std::vector<std::string> command = {"rondo", "join", cluster.address(), "--name", "misfit"};
  command.insert(command.end(), flags.begin(), flags.end());
  const auto join = sandbox.Run(command);
  EXPECT_EQ(join->WaitExit(), 8) << join->Describe();
  return join->err();
}

// Until a test of the model was over so many samples.
bool AwaitTestOf(const std::string& folder, std::uint64_t samples) {
  return Eventually([&] {
    const std::vector<json> tests = EventsOf(folder, "evaluation");
    return !tests.empty() && tests.back().value("samples", std::uint64_t{0}) == samples;
  });
}

std::string NotesOf(const std::string& folder) {
  std::string notes;
  for (const json& note : EventsOf(folder, "note")) notes += note.value("message", "") + "\n";
  return notes;
}

TEST(OwnData, TrainOneModelAndAJoinerWithoutFittingDataIsRefusedAlone) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 0);
  cluster.JoinWith({"--data", OwnFolder(sandbox, "north", 64, 20)});
  cluster.JoinWith({"--data", OwnFolder(sandbox, "south", 96, 30)});
  cluster.JoinWith({"--data", OwnFolder(sandbox, "west", 160, 50)});
  const auto run = cluster.StartEndless(WriteOwnData(sandbox, 3), kSettings);
  const std::string folder = OnlyRunFolder(cluster.runs());
  EXPECT_TRUE(AwaitTestOf(folder, 100)) << run->Describe();
  for (const int samples : {64, 96, 160}) {
    EXPECT_THAT(NotesOf(folder), HasSubstr(absl::StrCat("has ", samples, " samples of its own")));
  }

  const std::string wide = OwnFolder(sandbox, "wide", 40, 10, 32);
  const std::string refusal = RefusalOf(sandbox, cluster, {"--data", wide});
  EXPECT_THAT(refusal, HasSubstr("the own data of misfit-0: " + wide + "/train-images-idx3-ubyte"));
  EXPECT_THAT(refusal, HasSubstr("images of 32 x 32, expected 28 x 28"));
  EXPECT_THAT(refusal, HasSubstr("rondo join --data DIR"));
  EXPECT_THAT(RefusalOf(sandbox, cluster, {}), HasSubstr("misfit-0: it was given no folder"));
  EXPECT_THAT(RefusalOf(sandbox, cluster, {"--data", "nowhere"}),
              HasSubstr("misfit-0: there is no folder " + sandbox.folder() + "/nowhere"));
  EXPECT_THAT(EventsOf(folder, "death"), IsEmpty());
  EXPECT_THAT(EventsOf(folder, "abort"), IsEmpty());
  EXPECT_EQ(EventsOf(folder, "join").size(), 3u);

  // Two workers share out what their node has.
  cluster.JoinWith({"--workers", "2", "--data", OwnFolder(sandbox, "east", 48, 11)});
  EXPECT_TRUE(AwaitTestOf(folder, 111)) << run->Describe();
  EXPECT_THAT(NotesOf(folder), HasSubstr("has 24 samples of its own"));
  const auto stop = sandbox.Run({"rondo", "stop", "--head", cluster.address()});
  EXPECT_EQ(stop->WaitExit(), 0) << stop->Describe();
  ASSERT_EQ(run->WaitExit(), 0) << run->Describe();
  const json result = run->Json()["data"];
  EXPECT_EQ(result["replicas_equal"], true);
  EXPECT_EQ(result["workers_final"], 5);
  EXPECT_GT(result["accuracy"], 0.9);  // A bright row tells the class.
  cluster.Stop();
  EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
}

TEST(OwnData, ThatOneNodeLacksEndTheRunBeforeItBegins) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 0);
  cluster.JoinWith({"--data", OwnFolder(sandbox, "north", 64, 20)});
  cluster.JoinWith({});
  const auto run = sandbox.Run(
      RunCommand(WriteOwnData(sandbox, 2), kSettings, {"--head", cluster.address(), "--json"}));
  EXPECT_EQ(run->WaitExit(), 8) << run->Describe();
  const json error = run->Json();
  EXPECT_EQ(error.value("code", ""), "DATA_NOT_FOUND");
  EXPECT_THAT(error.value("message", ""),
              HasSubstr("the own data of machine1-0: it was given no folder"));
  EXPECT_THAT(error.value("hint", ""), HasSubstr("rondo join --data DIR"));
  EXPECT_EQ(StepsOf(OnlyRunFolder(cluster.runs())), 0u);
  // Both stay, for a run that fits.
  EXPECT_THAT(cluster.Status().dump(),
              testing::AllOf(HasSubstr("machine0-0"), HasSubstr("machine1-0")));
}

}  // namespace
}  // namespace tests
