// How a head goes: its last words arrive, and it waits for nobody without end.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "runtime/net/zmq_transport.h"
#include "tests/runtime/net/ends.h"

namespace tests {
namespace {

using runtime::Time;
using std::chrono::milliseconds;
using std::chrono::seconds;

class ZmqStopOver : public testing::TestWithParam<Address::Scheme> {};
INSTANTIATE_TEST_SUITE_P(Schemes, ZmqStopOver,
                         testing::Values(Address::Scheme::kTcp, Address::Scheme::kIpc),
                         [](const auto& scheme) {
                           return scheme.param == Address::Scheme::kTcp ? "Tcp" : "Ipc";
                         });

TEST_P(ZmqStopOver, NodesThatTalkOnHearTheLastWordsOfAHeadThatStops) {
  constexpr std::uint64_t kLastWords = 77;
#ifdef RONDO_SANITIZED
  constexpr std::uint64_t kLives = 4;  // Each takes seconds.
#else
  constexpr std::uint64_t kLives = 20;
#endif
  for (std::uint64_t life = 0; life < kLives; ++life) {
    const auto head = StartHead(Ephemeral(GetParam()));
    std::vector<std::unique_ptr<End>> nodes;
    for (std::uint64_t i = 1; i <= 3; ++i) {
      nodes.push_back(StartNode({life, 100 + i}, *head));
      JoinAndHear(*nodes.back(), *head);
    }
    // More than the head reads before it stops.
    for (int i = 0; i < 300; ++i) {
      for (const auto& node : nodes) SendText(*node, kHeadNode, 1, 10'000);
    }
    for (const auto& node : nodes) {
      SendText(*head, node->self, kLastWords);
      head->transport.Disconnect(node->self);
    }
    const Time stop = std::chrono::steady_clock::now();
    head->transport.Stop(seconds(30));
    // It waits for those who go, not for its deadline.
    EXPECT_LT(std::chrono::steady_clock::now() - stop, seconds(15));
    for (const auto& node : nodes) {
      ASSERT_TRUE(node->heard.WaitForLosses(1));
      ASSERT_EQ(node->heard.losses()[0].arrivals_before, 2u) << "in life " << life;
      EXPECT_EQ(node->heard.arrivals()[1].envelope.correlation, kLastWords);
    }
  }
}

TEST(ZmqStop, AHeadThatStopsWaitsForSilentNodesOnlyUntilItsDeadline) {
  const auto head = StartHead();
  const auto proxy = *TcpProxy::Start("127.0.0.1", head->transport.control_address().port);
  const auto alice = StartNode(kAlice, Through(*proxy));
  JoinAndHear(*alice, *head);
  proxy->SetBlackHole(true);
  head->transport.Disconnect(kAlice);
  const Time stop = std::chrono::steady_clock::now();
  head->transport.Stop(milliseconds(50));
  EXPECT_LT(std::chrono::steady_clock::now() - stop, seconds(10));
  EXPECT_TRUE(alice->heard.losses().empty());
}

}  // namespace
}  // namespace tests
