// A cluster every connection of which goes through a proxy, as if each process stood behind a
// router that forwards its ports: what the ledger says against what was seen, and a flipped bit.
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <iostream>

#include "tests/support/cluster.h"
#include "tests/support/processes.h"
#include "tests/support/status_matchers.h"
#include "tests/tools/tcp_proxy.h"

namespace tests {
namespace {

using nlohmann::json;
using ::testing::ContainsRegex;
using ::testing::Each;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int kWorkers = 3;

class Proxied : public testing::Test {
 protected:
  Proxied() {
    head_ = sandbox_.Start({"rondo", "head", "--listen", absl::StrCat("tcp://127.0.0.1:", Mirror()),
                            "--port-range", Range(Mirror()), "--advertise", "127.0.0.2",
                            "--state-dir", sandbox_.folder() + "/state"});
    EXPECT_TRUE(head_->WaitOutput(absl::StrCat("head up at ", where()))) << head_->Describe();
    for (int i = 0; i < kWorkers; ++i) {
      // The ring takes the first; the transfer, to which nobody connects here, one of the others.
      const std::uint16_t port = Mirror();
      workers_.push_back(
          sandbox_.Start({"rondo-worker", "--head", where(), "--name", absl::StrCat("worker-", i),
                          "--folder", sandbox_.folder(), "--advertise", "127.0.0.2", "--port-range",
                          absl::StrCat(port, "-", port + 7)}));
    }
  }

  std::uint16_t Mirror() {
    auto proxy = TcpProxy::StartMirror();
    EXPECT_OK(proxy);
    proxies_.push_back(*std::move(proxy));
    return proxies_.back()->port();
  }
  static std::string Range(std::uint16_t port) { return absl::StrCat(port, "-", port); }
  std::string where() const { return absl::StrCat("127.0.0.2:", proxies_[0]->port()); }

  std::unique_ptr<Process> Run(std::vector<std::string> settings) {
    settings.insert(settings.end(), {absl::StrCat("run.workers=", kWorkers),
                                     "model.dimension=100000", "network.transport=tcp"});
    return sandbox_.Run(
        RunCommand(WriteQuadratic(sandbox_), settings, {"--head", where(), "--json"}));
  }
  // The head's control and broadcast ports.
  std::uint64_t StarBytes() const { return proxies_[0]->TotalBytes() + proxies_[1]->TotalBytes(); }
  std::uint64_t RingBytes() const {
    std::uint64_t bytes = 0;
    for (std::size_t i = 2; i < proxies_.size(); ++i) bytes += proxies_[i]->TotalBytes();
    return bytes;
  }
  std::size_t StarConnections() const {
    return proxies_[0]->counts().size() + proxies_[1]->counts().size();
  }

  Sandbox sandbox_;
  std::vector<std::unique_ptr<TcpProxy>> proxies_;  // Control, broadcasts, a ring port each.
  std::unique_ptr<Process> head_;
  std::vector<std::unique_ptr<Process>> workers_;
};

TEST_F(Proxied, LedgerAgreesWithTheBytesThatWereSeen) {
  // The head fetches checkpoints past the proxies.
  const auto run = Run({absl::StrCat("run.max_steps=", 600 / kSlowness), "strategy.theta=100",
                        "run.checkpoint_every=0"});
  const auto star = static_cast<double>(StarBytes());
  const auto ring = static_cast<double>(RingBytes());
  ASSERT_EQ(run->WaitExit(), 0) << run->Describe() << head_->Describe();
  const json data = run->Json()["data"];
  EXPECT_EQ(data["replicas_equal"], true);
  const json& bytes = data["bytes"];
  std::cout << "ledger " << bytes << "\nseen: ring " << ring << ", the rest " << star << " in "
            << StarConnections() << " connections\n";
  const double told_ring = bytes["ring"].get<double>() + bytes["evaluation"].get<double>();
  const double told_rest = bytes["total"].get<double>() - told_ring;
  EXPECT_GT(told_ring, 1e6) << "or nothing was averaged";
  EXPECT_NEAR(told_ring, ring, 0.01 * ring);
  EXPECT_NEAR(told_rest, star, 0.05 * star + 1024 * static_cast<double>(StarConnections()));
  head_->Signal(SIGTERM);
  EXPECT_EQ(head_->WaitExit(), 128 + SIGTERM);
  for (const auto& worker : workers_) EXPECT_EQ(worker->WaitExit(), 0) << worker->Describe();
  EXPECT_THAT(sandbox_.Leftovers(), IsEmpty());
}

TEST_F(Proxied, AFlippedBitIsNeverAveragedInAndItsRingIsTriedAgain) {
  TcpProxy& ring = *proxies_[3];  // Of the second worker.
  ring.FlipOnce({.offset = 1000, .payload_bytes = 50'000, .payload = 9, .bit = 3});
  const auto run = Run({"run.max_steps=200", "strategy.name=synchronous", "model.integer=true"});
  EXPECT_TRUE(ring.flipped());
  ASSERT_EQ(run->WaitExit(), 0) << run->Describe();
  const json data = run->Json()["data"];
  EXPECT_EQ(data["replicas_equal"], true);
  EXPECT_EQ(data["events"]["aborts"], 1);
  EXPECT_EQ(data["events"]["deaths"], 0);
  const std::string folder = OnlyRunFolder(sandbox_.folder() + "/state/runs");
  const std::vector<json> aborts = EventsOf(folder, "abort");
  ASSERT_THAT(aborts, SizeIs(1));
  EXPECT_THAT(aborts[0].value("reason", ""),
              ContainsRegex("from rank [0-2] .* to rank [0-2] .*failed"));
  // Exact: every worker added 840 to every coordinate at each of 200 steps.
  const std::vector<float> model = FloatsOf(folder + "/model.pt");
  ASSERT_THAT(model, SizeIs(100'000));
  EXPECT_THAT(model, Each(840.0f * 200));
  head_->Signal(SIGTERM);
  EXPECT_EQ(head_->WaitExit(), 128 + SIGTERM);
}

}  // namespace
}  // namespace tests
