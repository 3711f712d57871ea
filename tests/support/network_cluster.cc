#include "tests/support/network_cluster.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/strip.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "actors/client_messages.h"
#include "apps/rondo/client.h"
#include "tests/support/cluster.h"

namespace tests {
namespace {

using nlohmann::json;

constexpr char kMachine[] = "host";  // "host3": its worker is "host3-0".

}  // namespace

NetworkCluster::NetworkCluster(Sandbox& sandbox, NetEmulator& network)
    : sandbox_(sandbox), network_(network) {
  const NetEmulator::Inside inside(network_, 0);
  head_ = sandbox_.Start({"rondo", "head", "--listen",
                          absl::StrCat("tcp://", NetEmulator::AddressOf(0), ":0"), "--insecure",
                          "--state-dir", sandbox_.folder() + "/state"});
  EXPECT_TRUE(head_->WaitOutput("rondo down")) << head_->Describe();
  const std::string out = head_->out(), before = "head up at ";
  const std::size_t begin = out.find(before) + before.size();
  address_ = out.substr(begin, out.find_first_of(" \n", begin) - begin);
}

Process& NetworkCluster::Join(std::size_t host) {
  const NetEmulator::Inside inside(network_, host);
  std::unique_ptr<Process>& join = joins_[host];
  join = sandbox_.Start({"rondo", "join", address_, "--insecure", "--name",
                         absl::StrCat(kMachine, host), "--workers", "1"});
  return *join;
}

bool NetworkCluster::WaitForWorkers(std::size_t count) const {
  return Eventually([&] {
    const json status = Status();
    std::size_t found = 0;
    for (const auto& node : status.value("nodes", json::array())) {
      if (node.value("role", "") == "worker") ++found;
    }
    return found == count;
  });
}

std::unique_ptr<Process> NetworkCluster::Run(const std::vector<std::string>& settings,
                                             std::string config) {
  const NetEmulator::Inside inside(network_, 0);
  if (config.empty()) config = WriteQuadratic(sandbox_);
  std::unique_ptr<Process> run =
      sandbox_.Start(RunCommand(config, settings, {"--head", address_, "--json"}));
  EXPECT_TRUE(Eventually([this] { return StepsOf(folder()) > 10; })) << run->Describe();
  return run;
}

bool NetworkCluster::StopRun() {
  const NetEmulator::Inside inside(network_, 0);
  const auto stop = sandbox_.Run({"rondo", "stop", "--head", address_});
  return stop->WaitExit() == 0;
}

void NetworkCluster::Stop() {
  head_->Signal(SIGTERM);
  EXPECT_EQ(head_->WaitExit(), 128 + SIGTERM) << head_->Describe();
  for (const auto& [host, join] : joins_) EXPECT_EQ(join->WaitExit(), 0) << join->Describe();
}

json NetworkCluster::Status() const {
  // The threads that the client starts are on this host, too.
  const NetEmulator::Inside inside(network_, 0);
  const auto client = apps::Client::Connect({.address = address_, .name = "test"});
  if (!client.ok()) return json::object();
  const auto reply = (*client)->Ask(actors::StatusRequest{}, kPatience);
  return reply.ok() ? json::parse(reply->json, nullptr, false) : json::object();
}

std::string NetworkCluster::folder() const {
  return OnlyRunFolder(sandbox_.folder() + "/state/runs");
}

std::size_t NetworkCluster::HostOf(std::uint32_t slot) const {
  const json status = Status();
  for (const auto& node : status.value("nodes", json::array())) {
    if (!node.contains("slot") || node["slot"] != slot) continue;
    std::string name = node.value("name", "");
    std::size_t host = 0;
    EXPECT_TRUE(absl::SimpleAtoi(absl::StripSuffix(absl::StripPrefix(name, kMachine), "-0"), &host))
        << name;
    return host;
  }
  ADD_FAILURE() << "no member has slot " << slot << ": " << status;
  return 0;
}

pid_t NetworkCluster::ProcessOf(std::uint32_t slot) const {
  const json status = Status();
  for (const auto& node : status.value("nodes", json::array())) {
    if (node.contains("slot") && node["slot"] == slot) return node.value("pid", -1);
  }
  ADD_FAILURE() << "no member has slot " << slot << ": " << status;
  return -1;
}

}  // namespace tests
