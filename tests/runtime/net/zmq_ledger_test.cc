// What a transport says it sent, against what passed a TCP proxy; and a bit that turns in between.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "runtime/net/zmq_transport.h"
#include "tests/runtime/net/recorder.h"
#include "tests/support/status_matchers.h"
#include "tests/tools/tcp_proxy.h"

namespace runtime {
namespace {

using ::tests::End;
using ::tests::Eventually;
using ::tests::TcpProxy;
using ::tests::TextFrame;
using Role = ZmqTransportOptions::Role;

constexpr NodeId kHead{0x1111, 1};
constexpr NodeId kAlice{0xa11ce, 2};
constexpr NodeId kBob{0xb0b, 3};

// A head and two nodes behind a proxy. The welcome names the port of the broadcasts, which the
// nodes look for at the proxy's host: so that port is reached directly, and is not counted.
class ZmqLedger : public testing::Test {
 protected:
  ZmqLedger() : head_({.self = kHead, .role = Role::kListen, .address = {.host = "127.0.0.1"}}) {
    EXPECT_OK(head_.transport.Start(head_.heard));
    proxy_ = *TcpProxy::Start("127.0.0.1", head_.transport.control_address().port);
    for (const NodeId self : {kAlice, kBob}) {
      nodes_.push_back(std::make_unique<End>(ZmqTransportOptions{
          .self = self, .address = {.host = "127.0.0.1", .port = proxy_->port()}}));
      EXPECT_OK(nodes_.back()->transport.Start(nodes_.back()->heard));
    }
  }

  void Tell(End& node, NodeId to, Traffic kind, std::size_t characters) {
    ASSERT_OK(node.transport.Send(to, kind, TextFrame(node.self, to, 1, characters)));
  }

  End head_;
  std::unique_ptr<TcpProxy> proxy_;
  std::vector<std::unique_ptr<End>> nodes_;
};

TEST_F(ZmqLedger, AgreesWithWhatPassedTheProxy) {
  for (const auto& node : nodes_) Tell(*node, kHeadNode, Traffic::kJoin, 10);
  ASSERT_TRUE(head_.heard.WaitForArrivals(2));
  for (const auto& node : nodes_) {
    head_.transport.Welcome(node->self);
    Tell(head_, node->self, Traffic::kJoin, 10);
    ASSERT_TRUE(node->heard.WaitForArrivals(1));
  }
  const std::vector<std::size_t> sizes = {0, 10, 100, 200, 250, 300, 5000, 100'000};
  for (int repeat = 0; repeat < 20; ++repeat) {
    for (const std::size_t size : sizes) {
      for (const auto& node : nodes_) {
        Tell(*node, kHead, Traffic::kState, size);
        Tell(head_, node->self, Traffic::kDecision, size);
      }
      Tell(*nodes_[0], kBob, Traffic::kControl, size);  // By relay.
    }
  }
  const std::size_t each = 20 * sizes.size();
  ASSERT_TRUE(head_.heard.WaitForArrivals(2 + 2 * each));
  ASSERT_TRUE(nodes_[0]->heard.WaitForArrivals(1 + each));
  ASSERT_TRUE(nodes_[1]->heard.WaitForArrivals(1 + 2 * each));

  const auto ledger = [&] {
    Ledger all = head_.transport.SentBytes();
    for (const auto& node : nodes_) all += node->transport.SentBytes();
    return all;
  };
  // Greetings and READY are not counted: less than 200 bytes a side. Transport and proxy both count
  // the last bytes after they handed them over.
  EXPECT_TRUE(Eventually([&] {
    const std::uint64_t counted = ledger().Total();
    const std::uint64_t passed = proxy_->TotalBytes();
    return counted <= passed && passed <= counted + 2 * 400;
  }));
  EXPECT_GT(ledger().Of(Traffic::kState), 2 * 20 * 105'860u);
  EXPECT_GT(ledger().Of(Traffic::kDecision), 2 * 20 * 105'860u);
}

TEST_F(ZmqLedger, CountsABroadcastOncePerSubscriber) {
  for (const auto& node : nodes_) Tell(*node, kHeadNode, Traffic::kJoin, 10);
  ASSERT_TRUE(head_.heard.WaitForArrivals(2));
  for (const auto& node : nodes_) head_.transport.Welcome(node->self);
  const Frame frame = TextFrame(kHead, {}, 1, 1000);
  const std::uint64_t on_wire = frame.size() * 8 + 9;
  for (std::uint64_t i = 1; i <= 50; ++i) {
    ASSERT_OK(head_.transport.Publish(Traffic::kEvaluation, Frame(frame)));
    for (const auto& node : nodes_) ASSERT_TRUE(node->heard.WaitForArrivals(i));
  }
  const auto counted = [&] { return head_.transport.SentBytes().Of(Traffic::kEvaluation); };
  EXPECT_TRUE(Eventually([&] { return counted() >= 2 * 50 * on_wire; }));
  EXPECT_EQ(counted(), 2 * 50 * on_wire);
}

TEST_F(ZmqLedger, AFlippedBitIsCountedAndNeverDelivered) {
  End& alice = *nodes_[0];
  Tell(alice, kHeadNode, Traffic::kJoin, 10);
  ASSERT_TRUE(head_.heard.WaitForArrivals(1));
  head_.transport.Welcome(kAlice);
  proxy_->FlipOnce({.direction = TcpProxy::Direction::kToTarget,
                    .offset = 5000,
                    .payload_bytes = 9000,
                    .payload = 1,
                    .bit = 3});
  for (int i = 0; i < 3; ++i) Tell(alice, kHeadNode, Traffic::kState, 10'000);
  ASSERT_TRUE(head_.heard.WaitForArrivals(3));
  EXPECT_TRUE(proxy_->flipped());
  EXPECT_TRUE(Eventually([&] { return head_.transport.Dropped().checksum == 1; }));
  EXPECT_EQ(head_.heard.arrivals().size(), 3u);
}

TEST_F(ZmqLedger, ABlackHoleOnlyDelays) {
  End& alice = *nodes_[0];
  Tell(alice, kHeadNode, Traffic::kJoin, 10);
  ASSERT_TRUE(head_.heard.WaitForArrivals(1));
  proxy_->SetBlackHole(true);
  Tell(alice, kHeadNode, Traffic::kState, 10);
  EXPECT_FALSE(head_.heard.WaitForArrivals(2, std::chrono::milliseconds(100)));
  proxy_->SetBlackHole(false);
  EXPECT_TRUE(head_.heard.WaitForArrivals(2));
  proxy_->SetDelay(std::chrono::milliseconds(50));
  const Time before = std::chrono::steady_clock::now();
  Tell(alice, kHeadNode, Traffic::kState, 10);
  ASSERT_TRUE(head_.heard.WaitForArrivals(3));
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(50));
}

}  // namespace
}  // namespace runtime
