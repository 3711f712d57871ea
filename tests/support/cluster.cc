#include "tests/support/cluster.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "actors/client_messages.h"
#include "apps/rondo/client.h"

namespace tests {
namespace {

namespace fs = std::filesystem;

// The rest of the line after `before` in `text`, up to a blank.
std::string WordAfter(const std::string& text, const std::string& before) {
  const std::size_t at = text.find(before);
  if (at == std::string::npos) return "";
  const std::size_t begin = at + before.size();
  return text.substr(begin, text.find_first_of(" \n", begin) - begin);
}

std::vector<std::string> Lines(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// `command`, a program of ours, with RONDO_FAILPOINT in its environment.
std::vector<std::string> WithFailpoint(const std::string& failpoint,
                                       std::vector<std::string> command) {
  if (failpoint.empty()) return command;
  command[0] = RONDO_PROGRAM;
  command.insert(command.begin(), {"/usr/bin/env", "RONDO_FAILPOINT=" + failpoint});
  return command;
}

}  // namespace

std::string WriteQuadratic(const Sandbox& sandbox) {
  return sandbox.Write("quadratic.toml", R"(
[run]
workers = 2
max_steps = 100
evaluate_every = 0
[model]
name = "quadratic"
dimension = 1000
curvature = 1.0
noise = 0.1
[optimizer]
name = "sgd"
learning_rate = 0.05
[strategy]
name = "fda"
estimator = "linear"
theta = 5.0
)");
}

std::string WriteLenet(const Sandbox& sandbox, const std::string& source) {
  return sandbox.Write("lenet.toml", absl::StrCat("[data]\nsource = \"", source, R"("
[model]
name = "lenet5"
[strategy]
name = "fda"
estimator = "linear"
theta = 2.0
)"));
}

std::string WriteOwnData(const Sandbox& sandbox, int workers) {
  return sandbox.Write("own.toml", absl::StrCat("[run]\nworkers = ", workers, R"(
max_steps = 10000000
evaluate_every = 0
[data]
source = "mnist"
placement = "own"
[model]
name = "logistic"
[optimizer]
batch = 16
[strategy]
name = "local"
tau = 50
)"));
}

std::string NameOfFailpoint(const std::string& failpoint) {
  std::string name = failpoint.substr(0, failpoint.find(':'));
  std::ranges::replace(name, '.', '_');
  return name;
}

std::vector<std::string> RunCommand(const std::string& config,
                                    const std::vector<std::string>& settings,
                                    const std::vector<std::string>& more) {
  std::vector<std::string> command = {"rondo", "run", config, "--set", "run.out=runs"};
  for (const std::string& setting : settings) {
    command.insert(command.end(), {"--set", setting});
  }
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

std::vector<std::string> Endless(int workers) {
  return {absl::StrCat("run.workers=", workers), "run.max_steps=10000000", "model.step_time=0.002"};
}

std::string OnlyRunFolder(const std::string& runs) {
  std::vector<std::string> folders;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(runs, error)) {
    folders.push_back(entry.path().string());
  }
  return folders.size() == 1 ? folders.front() : "";
}

std::uint64_t StepsOf(const std::string& folder) {
  std::uint64_t steps = 0;
  for (const std::string& line : Lines(folder + "/metrics.jsonl")) {
    const nlohmann::json event = nlohmann::json::parse(line, nullptr, false);
    if (event.is_object() && event.contains("step") && event["step"].is_number_unsigned()) {
      steps = std::max(steps, event["step"].get<std::uint64_t>());
    }
  }
  return steps;
}

nlohmann::json LastEvent(const std::string& folder) {
  const std::vector<std::string> lines = Lines(folder + "/metrics.jsonl");
  return nlohmann::json::parse(lines.empty() ? "" : lines.back(), nullptr, false);
}

std::vector<nlohmann::json> EventsOf(const std::string& folder, const std::string& kind) {
  std::vector<nlohmann::json> events;
  for (const std::string& line : Lines(folder + "/metrics.jsonl")) {
    const nlohmann::json event = nlohmann::json::parse(line, nullptr, false);
    if (event.is_object() && event.value("event", "") == kind) events.push_back(event);
  }
  return events;
}

std::vector<float> FloatsOf(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  const std::string bytes = text.str();
  std::vector<float> floats(bytes.size() / sizeof(float));
  std::memcpy(floats.data(), bytes.data(), floats.size() * sizeof(float));
  return floats;
}

void ExpectRunsLeaveNothing(int runs) {
  Sandbox sandbox;
  const std::string config = WriteQuadratic(sandbox);
  for (int i = 0; i < runs; ++i) {
    const auto run = sandbox.Start(
        RunCommand(config, {"run.max_steps=20", "model.step_time=0.005"}, {"--json"}));
    ASSERT_TRUE(run->WaitOutput("2 up")) << run->Describe();
    sandbox.NoteSockets();
    ASSERT_EQ(run->WaitExit(), 0) << run->Describe();
    ASSERT_THAT(sandbox.Leftovers(), testing::IsEmpty()) << "after run " << i;
  }
  // Or we looked at the wrong moments.
  EXPECT_GE(sandbox.noted_sockets(), static_cast<std::size_t>(runs));
}

Cluster::Cluster(Sandbox& sandbox, int joins, int workers)
    : sandbox_(sandbox), runs_(sandbox.folder() + "/state/runs") {
  head_ = sandbox.Start({"rondo", "head", "--listen", "tcp://127.0.0.1:0", "--state-dir",
                         sandbox.folder() + "/state"});
  EXPECT_TRUE(head_->WaitOutput("rondo down")) << head_->Describe();
  address_ = WordAfter(head_->out(), "head up at ");
  for (int i = 0; i < joins; ++i) Join(workers);
  const bool joined = Eventually([&] {
    const nlohmann::json status = Status();
    int found = 0;
    for (const auto& node : status.value("nodes", nlohmann::json::array())) {
      if (node.value("role", "") == "worker") ++found;
    }
    return found == joins * workers;
  });
  EXPECT_TRUE(joined) << Status().dump();
}

void Cluster::ResumeHead(const std::string& failpoint) {
  head_ = sandbox_.Start(WithFailpoint(
      failpoint, {"rondo", "head", "--state-dir", sandbox_.folder() + "/state", "--resume"}));
  EXPECT_TRUE(failpoint.empty() ? head_->WaitOutput("head up at " + address_) : true)
      << head_->Describe();
}

Process& Cluster::Join(int workers, const std::string& failpoint) {
  return JoinWith({"--workers", std::to_string(workers)}, failpoint);
}

Process& Cluster::JoinWith(const std::vector<std::string>& flags, const std::string& failpoint) {
  std::vector<std::string> command = {"rondo", "join", address_, "--name",
                                      absl::StrCat("machine", joins_.size())};
  command.insert(command.end(), flags.begin(), flags.end());
  joins_.push_back(sandbox_.Start(WithFailpoint(failpoint, std::move(command))));
  return *joins_.back();
}

nlohmann::json Cluster::Status() const {
  const auto client = apps::Client::Connect({.address = address_, .name = "test"});
  if (!client.ok()) return nlohmann::json::object();
  const auto reply = (*client)->Ask(actors::StatusRequest{}, kPatience);
  return reply.ok() ? nlohmann::json::parse(reply->json, nullptr, false) : nlohmann::json::object();
}

std::unique_ptr<Process> Cluster::StartEndless(const std::string& config, int workers) {
  return StartEndless(config, Endless(workers));
}

std::unique_ptr<Process> Cluster::StartEndless(const std::string& config,
                                               const std::vector<std::string>& settings) {
  std::unique_ptr<Process> run =
      sandbox_.Start(RunCommand(config, settings, {"--head", address_, "--json"}));
  EXPECT_TRUE(Eventually([this] { return StepsOf(OnlyRunFolder(runs_)) > 10; })) << run->Describe();
  return run;
}

void Cluster::Stop(int join_exit) {
  head_->Signal(SIGTERM);
  EXPECT_EQ(head_->WaitExit(), 128 + SIGTERM) << head_->Describe();
  for (const auto& join : joins_) EXPECT_EQ(join->WaitExit(), join_exit) << join->Describe();
}

}  // namespace tests
