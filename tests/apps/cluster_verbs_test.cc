// The verbs that ask a head, against a head in this process.
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "apps/rondo/head_process.h"
#include "tests/support/shell.h"
#include "tests/support/status_matchers.h"

namespace apps {
namespace {

using tests::ShellResult;

constexpr auto kDeadline = std::chrono::seconds(30);

class ClusterVerbs : public testing::Test {
 protected:
  void SetUp() override {
    auto head = HeadProcess::Start({.listen = {.host = "127.0.0.1"},
                                    .runs_folder = testing::TempDir() + "cluster_verbs_runs"});
    ASSERT_OK(head);
    head_ = *std::move(head);
  }
  // As `rondo head` does: ends when it was asked to.
  std::future<void> EndWhenAsked() {
    return std::async(std::launch::async, [this] {
      (void)head_->node().WaitEnded(std::chrono::steady_clock::now() + kDeadline);
      head_->Stop();
    });
  }
  ShellResult Rondo(const std::string& arguments) const {
    return tests::RunInShell(RONDO_SOURCE_DIR, "RONDO_HEAD=" + head_->join_address() +
                                                   " timeout 60 " RONDO_PROGRAM " " + arguments);
  }

  std::unique_ptr<HeadProcess> head_;
};

TEST_F(ClusterVerbs, StatusIsTextOrOneObjectOrOneTerminalLine) {
  const ShellResult text = Rondo("status");
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_EQ(text.out.rfind("head " + head_->join_address() + "  up ", 0), 0u) << text.out;
  EXPECT_NE(text.out.find("no nodes;"), std::string::npos) << text.out;

  const auto json = nlohmann::json::parse(Rondo("status --json").out);
  EXPECT_EQ(json["verb"], "status");
  EXPECT_EQ(json["data"]["address"], head_->join_address());
  EXPECT_TRUE(json["data"]["runs"].empty());
  EXPECT_EQ(json["data"]["dropped"]["frame"], 0);
  EXPECT_GT(json["data"]["sent"]["total"], 0);

  const auto line = nlohmann::json::parse(Rondo("status --jsonl").out);
  EXPECT_EQ(line["event"], "status");
  EXPECT_EQ(line["terminal"], true);
}

TEST_F(ClusterVerbs, WatchingEndsWithATerminalLineAtASignal) {
  // The first line read means that the signals are handled.
  const ShellResult result = tests::RunInShell(
      RONDO_SOURCE_DIR, "exec 3< <(exec " RONDO_PROGRAM " status -w --jsonl --head " +
                            head_->join_address() +
                            "); pid=$!; read -r -u 3 line; echo \"$line\"; "
                            "kill -INT $pid; cat <&3; wait $pid");
  EXPECT_EQ(result.exit_code, 130) << result.err;
  std::istringstream lines(result.out);
  std::vector<nlohmann::json> events;
  for (std::string line; std::getline(lines, line);) events.push_back(nlohmann::json::parse(line));
  ASSERT_GE(events.size(), 2u) << result.out;
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i]["event"], "status");
    EXPECT_EQ(events[i].contains("terminal"), i + 1 == events.size());
  }
}

TEST_F(ClusterVerbs, ARunThatWaitsForWorkersIsShownWithWhatItWaitsFor) {
  const ShellResult run = Rondo(
      "run apps/examples/quadratic.toml --wait 20 --workers 2 --quiet & "
      "for i in $(seq 100); do " RONDO_PROGRAM " status --head " +
      head_->join_address() +
      " >\"$0.status\"; grep -q queued \"$0.status\" && break; done; cat \"$0.status\"; "
      "kill -INT $!; wait $!; rm -f \"$0.status\"");
  EXPECT_NE(run.out.find("queued  0/500"), std::string::npos) << run.out << run.err;
  EXPECT_NE(run.out.find("workers: 0 of 2"), std::string::npos) << run.out;
}

TEST_F(ClusterVerbs, DownEndsTheHeadAndWaitsUntilItIsGone) {
  std::future<void> ended = EndWhenAsked();
  const ShellResult down = Rondo("down");
  EXPECT_EQ(down.exit_code, 0) << down.err;
  EXPECT_EQ(down.out, "head " + head_->join_address() + " is down; nothing else was on\n");
  EXPECT_EQ(ended.wait_for(std::chrono::seconds(5)), std::future_status::ready);
  EXPECT_EQ(Rondo("status").exit_code, 3);
}

TEST_F(ClusterVerbs, DownFailsTheRunThatIsOnAndSaysSo) {
  std::future<void> ended = EndWhenAsked();
  const ShellResult result = Rondo(
      "run apps/examples/quadratic.toml --wait 20 --workers 2 --jsonl & "
      "for i in $(seq 100); do " RONDO_PROGRAM " status --head " +
      head_->join_address() + " | grep -q queued && break; done; " RONDO_PROGRAM " down --head " +
      head_->join_address() + " >&2; wait $!");
  EXPECT_EQ(result.exit_code, 1) << result.out << result.err;
  EXPECT_NE(result.err.find(" is down; with it: run "), std::string::npos) << result.err;
  // That it was submitted, then one terminal line and nothing behind it.
  const std::size_t first = result.out.find('\n');
  EXPECT_EQ(nlohmann::json::parse(result.out.substr(0, first), nullptr, false)["event"],
            "submitted");
  const auto line = nlohmann::json::parse(result.out.substr(first + 1), nullptr, false);
  ASSERT_TRUE(line.is_object()) << result.out;
  EXPECT_EQ(line["code"], "CLUSTER_DOWN");
  EXPECT_EQ(line["terminal"], true);
}

TEST_F(ClusterVerbs, CheckReachesTheHead) {
  const auto json = nlohmann::json::parse(Rondo("check --json").out);
  const auto& head = json["data"]["items"].back();
  EXPECT_EQ(head["name"], "head");
  EXPECT_EQ(head["state"], "ok");
}

}  // namespace
}  // namespace apps
