// The verbs about runs and nodes, against a head and workers in this process that really train.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "apps/rondo/head_process.h"
#include "apps/rondo/host_name.h"
#include "tests/support/local_worker.h"
#include "tests/support/shell.h"
#include "tests/support/status_matchers.h"

namespace apps {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using tests::LocalWorker;
using tests::ShellResult;

constexpr auto kDeadline = std::chrono::seconds(30);
// 1.2 MB of model: three parts.
constexpr char kEndless[] =
    "run apps/examples/quadratic.toml --no-wait --max-steps 1000000 --wait 60 "
    "--set model.dimension=300000 ";

class RunVerbs : public testing::Test {
 protected:
  RunVerbs() : folder_(testing::TempDir() + "rondo_run_verbs_" + std::to_string(getpid())) {
    std::filesystem::create_directories(folder_);
  }
  ~RunVerbs() override {
    workers_.clear();
    head_.reset();
    std::filesystem::remove_all(folder_);
  }
  void SetUp() override {
    auto head =
        HeadProcess::Start({.listen = {.host = "127.0.0.1"}, .runs_folder = folder_ + "/runs"});
    ASSERT_OK(head);
    head_ = *std::move(head);
  }
  ShellResult Rondo(const std::string& arguments) const {
    return tests::RunInShell(RONDO_SOURCE_DIR, "RONDO_HEAD=" + head_->join_address() +
                                                   " timeout 60 " RONDO_PROGRAM " " + arguments);
  }
  json Json(const std::string& arguments) const {
    const ShellResult result = Rondo(arguments + " --json");
    EXPECT_EQ(result.err, "") << arguments;
    json whole = json::parse(result.out, nullptr, false);
    EXPECT_TRUE(whole.is_object()) << arguments << ": " << result.out;
    return whole;
  }
  json LastRun() const { return Json("runs --quiet")["data"]["runs"].back(); }
  void Join(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      auto worker = LocalWorker::Join(head_->join_address(), name, folder_);
      ASSERT_OK(worker);
      workers_.push_back(*std::move(worker));
    }
  }
  // As processes do: they end once they have to.
  std::thread EndWhenTheyHaveTo(std::size_t first) {
    return std::thread([this, first] {
      for (std::size_t i = first; i < workers_.size(); ++i) {
        (void)workers_[i]->WaitEnded(std::chrono::steady_clock::now() + kDeadline);
        workers_[i]->Stop();
      }
    });
  }
  std::string Submit(const std::string& settings) {
    const json submitted = Json(kEndless + settings);
    EXPECT_EQ(submitted["ok"], true) << submitted;
    return submitted["data"].value("run_id", "");
  }
  // Until the run has taken `step` steps.
  bool RunsTo(std::uint64_t step) const {
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    while (std::chrono::steady_clock::now() < deadline) {
      if (LastRun()["step"] >= step) return true;
    }
    return false;
  }

  const std::string folder_;
  std::unique_ptr<HeadProcess> head_;
  std::vector<std::unique_ptr<LocalWorker>> workers_;
};

TEST_F(RunVerbs, ARunThatNobodyFollowsIsQueuedStoppedAndRemembered) {
  const ShellResult submitted = Rondo(std::string(kEndless) + "--workers 2");
  EXPECT_EQ(submitted.exit_code, 0) << submitted.err;
  const std::string id = LastRun()["run_id"];
  const std::string where = " --head " + head_->join_address();
  EXPECT_THAT(submitted.out, HasSubstr("run " + id + " submitted; files in " + folder_ + "/runs/"));
  EXPECT_THAT(submitted.out, HasSubstr("rondo status -w" + where));
  EXPECT_THAT(submitted.out, HasSubstr("rondo show " + id + where));
  EXPECT_EQ(LastRun()["state"], "queued");
  EXPECT_EQ(Json("show " + id)["data"]["waits_for"], "workers: 0 of 2");
  EXPECT_THAT(Rondo("show " + id).out, HasSubstr("waits for workers: 0 of 2\n"));

  const ShellResult stop = Rondo("stop --quiet");
  EXPECT_EQ(stop.exit_code, 0) << stop.err;
  EXPECT_THAT(stop.out, HasSubstr("run " + id + " is aborted after 0 steps; see it with: "));
  EXPECT_EQ(LastRun()["state"], "aborted");
  EXPECT_THAT(Rondo("runs").out, HasSubstr(id + "  aborted  fda"));
  EXPECT_THAT(Rondo("show " + id).out, HasSubstr("error[STOPPED]: "));
  for (const std::string& arguments : {std::string("stop"), "stop " + id, std::string("show 7f3a"),
                                       std::string("show 7f3a --fetch " + folder_ + "/here")}) {
    const ShellResult none = Rondo(arguments + " --json");
    EXPECT_EQ(none.exit_code, 6) << arguments;
    EXPECT_EQ(json::parse(none.out)["code"], "RUN_NOT_FOUND") << arguments;
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/here"));
}

TEST_F(RunVerbs, ASubmittedRunIsOneTerminalLineUnderJsonl) {
  const ShellResult submitted = Rondo(std::string(kEndless) + "--jsonl");
  EXPECT_EQ(submitted.exit_code, 0);
  const json line = json::parse(submitted.out);
  EXPECT_EQ(line["event"], "submitted");
  EXPECT_EQ(line["terminal"], true);
  EXPECT_EQ(line["run_id"], LastRun()["run_id"]);
}

TEST_F(RunVerbs, AStoppedRunHasAResultAndItsFilesCanBeFetched) {
  Join({"box-0", "box-1"});
  const std::string id = Submit("--workers 2");
  ASSERT_TRUE(RunsTo(3));
  const json status = Json("status")["data"];
  const json members = status["runs"].back()["members"];
  ASSERT_EQ(members.size(), 2u);
  EXPECT_EQ(members[0]["slot"], 0);
  EXPECT_EQ(members[0]["name"], "box-0");
  // No model yet; the rest is fetched all the same.
  const std::string here = folder_ + "/here";
  const ShellResult early = Rondo("show " + id + " --fetch " + here + " --json --quiet");
  EXPECT_EQ(early.exit_code, 6) << early.out;
  EXPECT_EQ(json::parse(early.out)["code"], "MODEL_NOT_FOUND");
  EXPECT_FALSE(std::filesystem::exists(here + "/model.pt"));

  const ShellResult stop = Rondo("stop " + id + " --json --quiet");
  ASSERT_EQ(stop.exit_code, 0) << stop.out;
  const json stopped = json::parse(stop.out)["data"];
  EXPECT_EQ(stopped["state"], "done");
  EXPECT_EQ(stopped["replicas_equal"], true);
  EXPECT_GE(stopped["steps"], 3);
  std::ofstream(here + "/model.pt") << "an older one";
  const ShellResult show = Rondo("show " + id + " --fetch " + here + " --json --quiet");
  ASSERT_EQ(show.exit_code, 0) << show.out;
  const json shown = json::parse(show.out)["data"];
  EXPECT_EQ(shown["model_hash"], stopped["model_hash"]);
  EXPECT_EQ(shown["fetched"]["bytes"]["model.pt"], 1'200'000);
  const std::string there = shown["folder"];
  for (const std::string name : {"config.toml", "metrics.jsonl", "model.pt"}) {
    EXPECT_EQ(tests::ReadWholeFile(here + "/" + name), tests::ReadWholeFile(there + "/" + name))
        << name;
  }
  EXPECT_THAT(Rondo("show " + id).out, HasSubstr("replicas equal: yes\n"));
}

TEST_F(RunVerbs, FetchingIntoWhatIsNoFolderFails) {
  Submit("--workers 2");
  std::ofstream(folder_ + "/file") << "x";
  const ShellResult show =
      Rondo("show " + LastRun()["run_id"].get<std::string>() + " --fetch " + folder_ + "/file/a");
  EXPECT_EQ(show.exit_code, 1);
  EXPECT_THAT(show.err, HasSubstr("error[OUTPUT_FAILED]: cannot make "));
}

TEST_F(RunVerbs, StoppingWithoutWaitingReturnsAtOnce) {
  Join({"box-0"});
  const std::string id = Submit("--workers 1 --min-workers 1");
  ASSERT_TRUE(RunsTo(1));
  const json stop = Json("stop --no-wait");
  EXPECT_EQ(stop["ok"], true);
  EXPECT_EQ(stop["data"], json({{"run_id", id}}));
}

TEST_F(RunVerbs, AWorkerLeavesARunAndTheRunGoesOn) {
  Join({"box-0", "box-1"});
  Submit("--workers 2 --min-workers 1");
  ASSERT_TRUE(RunsTo(3));
  std::thread ending = EndWhenTheyHaveTo(1);
  const ShellResult leave = Rondo("leave box-1 --json --quiet");
  ending.join();
  ASSERT_EQ(leave.exit_code, 0) << leave.out;
  const json data = json::parse(leave.out)["data"];
  EXPECT_EQ(data["gone"], true);
  ASSERT_EQ(data["nodes"].size(), 1u);
  EXPECT_EQ(data["nodes"][0]["name"], "box-1");
  const json run = LastRun();
  EXPECT_EQ(run["state"], "running");
  EXPECT_EQ(run["members"].size(), 1u);
  EXPECT_TRUE(RunsTo(run["step"].get<std::uint64_t>() + 3));
  EXPECT_EQ(Rondo("stop --quiet").exit_code, 0);
  EXPECT_EQ(LastRun()["events"]["leaves"], 1);
}

TEST_F(RunVerbs, IdleWorkersOfThisMachineLeaveAtOnce) {
  Join({HostName() + "-0", HostName() + "-1"});
  std::thread ending = EndWhenTheyHaveTo(0);
  const ShellResult leave = Rondo("leave");
  ending.join();
  EXPECT_EQ(leave.exit_code, 0) << leave.err;
  EXPECT_THAT(leave.out, testing::StartsWith("left: "));
  const ShellResult again = Rondo("leave --json");
  EXPECT_EQ(again.exit_code, 6) << again.out;
  EXPECT_EQ(json::parse(again.out)["code"], "NODE_NOT_FOUND");
}

TEST_F(RunVerbs, LeavingSaysWhomItWaitsForWhenTimeIsUp) {
  Join({"box-0"});
  // Its process does not end, though it was told to.
  const ShellResult leave = Rondo("leave box --timeout 300ms --quiet");
  EXPECT_EQ(leave.exit_code, 5) << leave.out;
  EXPECT_THAT(leave.err,
              HasSubstr("error[LEAVE_TIMEOUT]: still there after 0.3 s: box-0 (LEAVING"));
}

}  // namespace
}  // namespace apps
