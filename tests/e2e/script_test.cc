// Models that Python scripted, between real processes: trained by `rondo run`, tested by `rondo
// evaluate`, opened by Python again. Needs python3-torch (deploy/install-packages test).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "actors/training/digits.h"
#include "tests/support/cluster.h"
#include "tests/support/processes.h"
#include "tests/support/python_logits.h"

namespace tests {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

// Folder `name` of the sandbox, with the files of tests/tools/script_models.py.
std::string WriteModels(const Sandbox& sandbox, const std::string& name) {
  const std::string folder = sandbox.folder() + "/" + name;
  fs::create_directories(folder);
  const ShellResult python = RunInShell(
      RONDO_SOURCE_DIR,
      "OMP_NUM_THREADS=1 /usr/bin/python3 tests/tools/script_models.py '" + folder + "'");
  EXPECT_EQ(python.exit_code, 0) << python.err
                                 << "\n(python3-torch comes by: deploy/install-packages test)";
  return folder;
}

std::string WriteConfig(const Sandbox& sandbox, const std::string& model) {
  return sandbox.Write("script.toml",
                       "[run]\nworkers = 2\nmax_steps = 60\nevaluate_every = 0\n"
                       "[model]\nname = \"" +
                           model +
                           "\"\n"
                           "[strategy]\nname = \"local\"\ntau = 20\n");
}

json Evaluate(Sandbox& sandbox, const std::vector<std::string>& arguments, int exit) {
  std::vector<std::string> command = {"rondo", "evaluate", "--json"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const auto evaluate = sandbox.Run(command);
  EXPECT_EQ(evaluate->WaitExit(), exit) << evaluate->Describe();
  return evaluate->Json();
}

TEST(Script, IsTrainedAndPredictsInPythonWhatEvaluateSays) {
  Sandbox sandbox;
  WriteModels(sandbox, "models");
  const std::string config = WriteConfig(sandbox, "models/net.pt");
  const auto plan = sandbox.Run(RunCommand(config, {}, {"--dry-run", "--json"}));
  ASSERT_EQ(plan->WaitExit(), 0) << plan->Describe();
  const json planned = plan->Json()["data"];
  EXPECT_EQ(planned["parameters"], 15786);
  EXPECT_EQ(planned["floats"], 15802);

  const auto run = sandbox.Run(RunCommand(config, {}, {"--json"}));
  ASSERT_EQ(run->WaitExit(), 0) << run->Describe();
  const json data = run->Json()["data"];
  EXPECT_EQ(data["model"], "models/net.pt");
  EXPECT_EQ(data["parameters"], 15786);
  EXPECT_EQ(data["replicas_equal"], true);
  EXPECT_GT(data["accuracy"], 0.25);  // Of ten classes.

  const std::string folder = OnlyRunFolder(sandbox.folder() + "/runs");
  const json answer = Evaluate(sandbox, {folder}, 0);
  ASSERT_TRUE(answer.contains("data")) << answer;
  const json tested = answer["data"];
  EXPECT_EQ(tested["model"], folder + "/model.pt");
  EXPECT_EQ(tested["data"], "digits");
  EXPECT_EQ(tested["samples"], actors::kDigitsTest);
  EXPECT_GT(tested["seconds"], 0);
  // The workers tested halves of the set, in other batches.
  EXPECT_NEAR(tested["accuracy"].get<double>(), data["accuracy"].get<double>(), 2e-4);

  const PythonCounts python = CountInPython(
      folder + "/model.pt", actors::DrawDigits(actors::kDigitsTrain, actors::kDigitsTest));
  EXPECT_NEAR(python.loss_sum / actors::kDigitsTest, tested["loss"].get<double>(), 1e-5);
  EXPECT_NEAR(static_cast<double>(python.correct) / actors::kDigitsTest,
              tested["accuracy"].get<double>(), 1e-4);
  EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
}

TEST(Script, OfOtherBytesIsRefusedAtJoin) {
  Sandbox sandbox;
  Cluster cluster(sandbox, 0);
  const std::string north = WriteModels(sandbox, "north");
  const std::string south = WriteModels(sandbox, "south");
  // Of the same shapes.
  fs::copy_file(south + "/other.pt", south + "/net.pt", fs::copy_options::overwrite_existing);
  cluster.JoinWith({"--data", north});
  const std::string config = WriteConfig(sandbox, "net.pt");
  const auto run = cluster.StartEndless(config, {"run.workers=1", "run.max_steps=1000000"});
  const auto join =
      sandbox.Run({"rondo", "join", cluster.address(), "--name", "south", "--data", south});
  EXPECT_EQ(join->WaitExit(), 7) << join->Describe();
  EXPECT_THAT(join->err(), HasSubstr("hold different files model.name = \"net.pt\""));
  const auto missing = sandbox.Run(
      {"rondo", "join", cluster.address(), "--name", "west", "--data", sandbox.folder() + "/runs"});
  EXPECT_EQ(missing->WaitExit(), 8) << missing->Describe();
  EXPECT_THAT(missing->err(), HasSubstr("there is no file with the model \"net.pt\""));
  const auto stop = sandbox.Run({"rondo", "stop", "--head", cluster.address()});
  EXPECT_EQ(stop->WaitExit(), 0) << stop->Describe();
  EXPECT_EQ(run->WaitExit(), 0) << run->Describe();
  cluster.Stop(0);
}

TEST(Script, ThatIsBrokenEndsTheRunBeforeItBegins) {
  Sandbox sandbox;
  WriteModels(sandbox, "models");
  for (const char* const name : {"truncated_half", "unknown_operator", "wrong_classes"}) {
    const std::string model = std::string("models/") + name + ".pt";
    const auto run = sandbox.Run(RunCommand(WriteConfig(sandbox, model), {}, {"--json"}));
    EXPECT_EQ(run->WaitExit(), 8) << run->Describe();
    EXPECT_THAT(run->Json().value("message", ""), HasSubstr(model));
  }
  EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
}

TEST(Evaluate, SaysOfABuiltInModelWhatItsRunDid) {
  Sandbox sandbox;
  const auto run = sandbox.Run(
      RunCommand(WriteLenet(sandbox, "digits"), {"run.workers=2", "run.max_steps=60"}, {"--json"}));
  ASSERT_EQ(run->WaitExit(), 0) << run->Describe();
  const std::string folder = OnlyRunFolder(sandbox.folder() + "/runs");
  const json of_folder = Evaluate(sandbox, {folder}, 0)["data"];
  EXPECT_NEAR(of_folder["accuracy"].get<double>(), run->Json()["data"]["accuracy"].get<double>(),
              2e-4);
  const json of_file = Evaluate(sandbox, {folder + "/model.pt", "--data", "digits"}, 0)["data"];
  EXPECT_EQ(of_file["accuracy"], of_folder["accuracy"]);
  EXPECT_EQ(of_file["loss"], of_folder["loss"]);
}

TEST(Evaluate, TellsWhatItCannotRead) {
  Sandbox sandbox;
  WriteModels(sandbox, "models");
  const auto code = [&](const std::vector<std::string>& arguments, int exit) {
    return Evaluate(sandbox, arguments, exit).value("code", "");
  };
  EXPECT_EQ(code({"no-such.pt", "--data", "digits"}, 6), "MODEL_NOT_FOUND");
  EXPECT_EQ(code({"models"}, 6), "MODEL_NOT_FOUND");  // No run's folder.
  EXPECT_EQ(code({"models/net.pt"}, 2), "USAGE_MISSING_ARGUMENT");
  EXPECT_EQ(code({"models/net.pt", "--data", "digit"}, 2), "CONFIG_INVALID_VALUE");
  EXPECT_EQ(code({"models/net.pt", "--data", "mnist", "--dir", "none"}, 8), "DATA_NOT_FOUND");
  EXPECT_EQ(code({WriteConfig(sandbox, "x.pt"), "--data", "digits"}, 2), "USAGE_INVALID_VALUE");
  EXPECT_EQ(code({"models/empty.pt", "--data", "digits"}, 8), "MODEL_UNREADABLE");
  EXPECT_EQ(code({"models/random.pt", "--data", "digits"}, 8), "MODEL_UNREADABLE");
  EXPECT_EQ(code({"models/state_dict.pt", "--data", "digits"}, 8), "MODEL_UNREADABLE");
  EXPECT_EQ(code({"models/wrong_classes.pt", "--data", "digits"}, 8), "MODEL_DOES_NOT_FIT");
  fs::create_directories(sandbox.folder() + "/folder.pt");
  EXPECT_EQ(code({"folder.pt", "--data", "digits"}, 6), "MODEL_NOT_FOUND");
  EXPECT_THAT(sandbox.Leftovers(), IsEmpty());
}

}  // namespace
}  // namespace tests
