#include "runtime/net/zmq_transport.h"

#include <absl/strings/str_cat.h>
#include <dirent.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "runtime/base/error.h"
#include "tests/runtime/net/ends.h"
#include "tests/support/status_matchers.h"
#include "tests/tools/tcp_proxy.h"

namespace runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::TestWithParam;
using ::tests::End;
using ::tests::Ephemeral;
using ::tests::Eventually;
using ::tests::HasCode;
using ::tests::kAlice;
using ::tests::kBob;
using ::tests::kHead;
using ::tests::kPatience;
using ::tests::Recorder;
using ::tests::StartHead;
using ::tests::StartNode;
using ::tests::TcpProxy;
using ::tests::TextFrame;
using ::tests::Through;
using Role = ZmqTransportOptions::Role;

// What both ends heard and dropped, for a message.
std::string Tell(const End& head, const End& node) {
  const Drops at_head = head.transport.Dropped(), at_node = node.transport.Dropped();
  return absl::StrCat(
      " the head heard ", head.heard.arrivals().size(), ", lost ", head.heard.losses().size(),
      ", dropped of strangers ", at_head.handshake, ", without a way ", at_head.route,
      "; the node heard ", node.heard.arrivals().size(), ", lost ", node.heard.losses().size(),
      ", dropped without a way ", at_node.route, ", for a full socket ", at_node.full);
}

int OpenDescriptors() {
  int count = 0;
  DIR* directory = opendir("/proc/self/fd");
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

class ZmqTransportOver : public TestWithParam<Address::Scheme> {};
INSTANTIATE_TEST_SUITE_P(Schemes, ZmqTransportOver,
                         testing::Values(Address::Scheme::kTcp, Address::Scheme::kIpc),
                         [](const auto& scheme) {
                           return scheme.param == Address::Scheme::kTcp ? "Tcp" : "Ipc";
                         });

TEST_P(ZmqTransportOver, FramesArriveInOrderBothWays) {
  const auto head = StartHead(Ephemeral(GetParam()));
  const auto alice = StartNode(kAlice, *head);
  constexpr std::size_t kFrames = 2000;
  JoinAndHear(*alice, *head);
  for (std::size_t i = 1; i <= kFrames; ++i) {
    // Some are small enough to be copied, some leave without a copy.
    SendText(*alice, kHead, i, i % 100 == 0 ? 50'000 : 20);
    SendText(*head, kAlice, i, i % 100 == 0 ? 50'000 : 20);
  }
  ASSERT_TRUE(head->heard.WaitForArrivals(kFrames + 1)) << Tell(*head, *alice);
  ASSERT_TRUE(alice->heard.WaitForArrivals(kFrames + 1)) << Tell(*head, *alice);
  const auto at_head = head->heard.arrivals();
  const auto at_alice = alice->heard.arrivals();
  for (std::size_t i = 0; i < kFrames; ++i) {
    ASSERT_EQ(at_head[i + 1].envelope.correlation, i + 1);
    ASSERT_EQ(at_head[i + 1].connection, kAlice);
    ASSERT_EQ(at_alice[i + 1].envelope.correlation, i + 1);
    ASSERT_EQ(at_alice[i + 1].connection, kHeadNode);
  }
}

TEST_P(ZmqTransportOver, BroadcastsReachEveryWelcomedNodeAndNoOther) {
  const auto head = StartHead(Ephemeral(GetParam()));
  const auto alice = StartNode(kAlice, *head);
  const auto bob = StartNode(kBob, *head);
  Join(*alice, *head);
  SendText(*bob, kHeadNode, 0);  // Never welcomed.
  ASSERT_TRUE(head->heard.WaitForArrivals(2));
  constexpr std::size_t kBroadcasts = 200;
  // None is lost while the subscription is still under way. The one with which it takes effect may
  // come by both roads.
  for (std::size_t i = 0; i < kBroadcasts; ++i) {
    ASSERT_OK(head->transport.Publish(Traffic::kDecision, TextFrame(kHead, {}, i)));
  }
  SendText(*head, kBob, 77);
  const auto numbers = [&] {
    std::set<std::uint64_t> heard;
    for (const auto& arrival : alice->heard.arrivals()) heard.insert(arrival.envelope.correlation);
    return heard.size();
  };
  EXPECT_TRUE(Eventually([&] { return numbers() == kBroadcasts; })) << numbers();
  ASSERT_TRUE(bob->heard.WaitForArrivals(1));
  EXPECT_LE(alice->heard.arrivals().size(), kBroadcasts + 1);
  ASSERT_EQ(bob->heard.arrivals().size(), 1u);
  EXPECT_EQ(bob->heard.arrivals()[0].envelope.correlation, 77u);
}

TEST_P(ZmqTransportOver, TheHeadRelaysBetweenWelcomedNodes) {
  const auto head = StartHead(Ephemeral(GetParam()));
  const auto alice = StartNode(kAlice, *head);
  const auto bob = StartNode(kBob, *head);
  JoinAndHear(*alice, *head);
  JoinAndHear(*bob, *head);
  SendText(*alice, kBob, 5);
  ASSERT_TRUE(bob->heard.WaitForArrivals(2));
  EXPECT_EQ(bob->heard.arrivals()[1].envelope.from, kAlice);
  EXPECT_EQ(bob->heard.arrivals()[1].envelope.correlation, 5u);
  EXPECT_EQ(head->heard.arrivals().size(), 2u);
}

TEST_P(ZmqTransportOver, TheHeadIsToldWithinTheBoundThatANodeIsGone) {
  const auto head = StartHead(Ephemeral(GetParam()));
  auto alice = StartNode(kAlice, *head);
  Join(*alice, *head);
  SendText(*alice, kHead, 1);
  ASSERT_TRUE(head->heard.WaitForArrivals(2));
  const Time gone = std::chrono::steady_clock::now();
  alice.reset();
  ASSERT_TRUE(head->heard.WaitForLosses(1));
  EXPECT_EQ(head->heard.losses()[0].peer, kAlice);
  EXPECT_THAT(head->heard.losses()[0].why, HasCode(absl::StatusCode::kUnavailable));
  RecordProperty("milliseconds", std::to_string(ToSeconds(head->heard.losses()[0].when - gone)));
}

TEST_P(ZmqTransportOver, ANodeIsToldThatItsHeadIsGone) {
  auto head = StartHead(Ephemeral(GetParam()));
  const auto alice = StartNode(kAlice, *head);
  Join(*alice, *head);
  head.reset();
  ASSERT_TRUE(alice->heard.WaitForLosses(1));
  EXPECT_EQ(alice->heard.losses()[0].peer, kHeadNode);
}

TEST(ZmqTransport, WhatALostNodeSaidLastComesBeforeItsLoss) {
  const auto head = StartHead();
  for (std::uint64_t i = 0; i < 20; ++i) {
    const std::size_t before = head->heard.arrivals().size();
    {
      const auto node = StartNode({7, 100 + i}, *head);
      for (int k = 0; k < 5; ++k) SendText(*node, kHeadNode, 1);
      node->transport.Stop(seconds(5));
    }
    ASSERT_TRUE(head->heard.WaitForLosses(i + 1));
    EXPECT_EQ(head->heard.losses()[i].arrivals_before, before + 5);
  }
}

TEST(ZmqTransport, FramesLeaveBeforeTheTransportStops) {
  const auto head = StartHead();
  const auto alice = StartNode(kAlice, *head);
  JoinAndHear(*alice, *head);
  for (std::uint64_t i = 1; i <= 100; ++i) SendText(*alice, kHeadNode, i, 10'000);
  alice->transport.Stop(seconds(10));
  EXPECT_TRUE(head->heard.WaitForArrivals(101));
}

TEST(ZmqTransport, FramesWaitForALateHead) {
  const Address address = [] {
    const auto early = StartHead();
    return early->transport.control_address();
  }();
  const auto alice = StartNode(kAlice, address);
  for (std::uint64_t i = 0; i < 5; ++i) SendText(*alice, kHeadNode, i);
  const auto head = StartHead(address);
  ASSERT_TRUE(head->heard.WaitForArrivals(5));
  EXPECT_EQ(head->heard.arrivals()[4].envelope.correlation, 4u);
}

TEST(ZmqTransport, OnlyAFewFramesAreHeardBeforeTheWelcome) {
  const auto head = StartHead();
  const auto alice = StartNode(kAlice, *head);
  for (std::uint64_t i = 0; i < 100; ++i) SendText(*alice, kHeadNode, i);
  ASSERT_TRUE(Eventually([&] { return head->transport.Dropped().handshake >= 85; }));
  EXPECT_LE(head->heard.arrivals().size(), 15u);
  const std::size_t heard = head->heard.arrivals().size();
  head->transport.Welcome(kAlice);
  // The welcome comes back to Alice before she goes on.
  SendText(*head, kAlice, 1);
  ASSERT_TRUE(alice->heard.WaitForArrivals(1));
  for (std::uint64_t i = 0; i < 50; ++i) SendText(*alice, kHeadNode, i);
  EXPECT_TRUE(head->heard.WaitForArrivals(heard + 50));
}

TEST(ZmqTransport, NodesThatAreNotWelcomedReachNobodyElse) {
  const auto head = StartHead();
  const auto alice = StartNode(kAlice, *head);
  const auto bob = StartNode(kBob, *head);
  JoinAndHear(*bob, *head);
  SendText(*alice, kBob, 5);
  EXPECT_TRUE(Eventually([&] { return head->transport.Dropped().route == 1; }));
  EXPECT_EQ(bob->heard.arrivals().size(), 1u);
}

TEST(ZmqTransport, ANodeSpeaksForItselfOnly) {
  const auto head = StartHead();
  const auto alice = StartNode(kAlice, *head);
  Join(*alice, *head);
  ASSERT_OK(alice->transport.Send(kHead, Traffic::kControl, TextFrame(kBob, kHead, 1)));
  EXPECT_TRUE(Eventually([&] { return head->transport.Dropped().decode == 1; }));
  EXPECT_EQ(head->heard.arrivals().size(), 1u);
}

TEST(ZmqTransport, SendingToNobodyIsRefused) {
  const auto head = StartHead();
  EXPECT_THAT(head->transport.Send(kAlice, Traffic::kControl, TextFrame(kHead, kAlice, 1)),
              HasCode(absl::StatusCode::kUnavailable));
}

TEST(ZmqTransport, FramesOverTheBoundAreRefused) {
  const auto head = StartHead();
  const auto alice = StartNode(kAlice, *head);
  EXPECT_THAT(
      alice->transport.Send(kHead, Traffic::kControl, TextFrame(kAlice, kHead, 1, kMaxFrameBytes)),
      HasCode(absl::StatusCode::kInvalidArgument));
}

TEST(ZmqTransport, TheOutboxIsBoundedInFramesAndBytes) {
  const Address nobody = [] {
    const auto head = StartHead();
    return head->transport.control_address();
  }();
  End few({.self = kAlice, .address = nobody, .max_outbox_frames = 3});
  ASSERT_OK(few.transport.Start(few.heard));
  for (std::uint64_t i = 0; i < 3; ++i) SendText(few, kHeadNode, i);
  EXPECT_THAT(few.transport.Send(kHeadNode, Traffic::kControl, TextFrame(kAlice, kHeadNode, 3)),
              HasCode(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(few.transport.Dropped().full, 1u);

  End small({.self = kBob, .address = nobody, .max_outbox_bytes = 3000});
  ASSERT_OK(small.transport.Start(small.heard));
  SendText(small, kHeadNode, 0, 2000);
  EXPECT_THAT(
      small.transport.Send(kHeadNode, Traffic::kControl, TextFrame(kBob, kHeadNode, 1, 2000)),
      HasCode(absl::StatusCode::kResourceExhausted));
}

TEST(ZmqTransport, AReconnectKeepsItsIdentityAndItsWelcome) {
  const auto head = StartHead();
  const auto proxy = *TcpProxy::Start("127.0.0.1", head->transport.control_address().port);
  const auto alice = StartNode(kAlice, Through(*proxy));
  Join(*alice, *head);
  for (std::size_t i = 1; i <= 5; ++i) {
    proxy->Cut();
    ASSERT_TRUE(alice->heard.WaitForLosses(i));
    ASSERT_TRUE(head->heard.WaitForLosses(i));
    SendText(*alice, kHeadNode, i);
    ASSERT_TRUE(head->heard.WaitForArrivals(i + 1)) << i << Tell(*head, *alice);
    EXPECT_EQ(head->heard.arrivals()[i].connection, kAlice);
    SendText(*head, kAlice, i);
    ASSERT_TRUE(alice->heard.WaitForArrivals(i));
  }
  // Still welcomed: more than the few frames of a stranger are heard.
  for (std::uint64_t i = 0; i < 50; ++i) SendText(*alice, kHeadNode, i);
  EXPECT_TRUE(head->heard.WaitForArrivals(56))
      << head->heard.arrivals().size()
      << " came; dropped by a stranger's allowance: " << head->transport.Dropped().handshake
      << ", for want of a way: " << alice->transport.Dropped().route << ", losses "
      << alice->heard.losses().size();
}

TEST(ZmqTransport, ANodeWelcomedWhileItsConnectionBrokeIsWelcomeWhenItReturns) {
  const auto head = StartHead();
  const auto proxy = *TcpProxy::Start("127.0.0.1", head->transport.control_address().port);
  const auto alice = StartNode(kAlice, Through(*proxy));
  SendText(*alice, kHeadNode, 0);
  ASSERT_TRUE(head->heard.WaitForArrivals(1));
  proxy->Cut();
  ASSERT_TRUE(head->heard.WaitForLosses(1));
  head->transport.Welcome(kAlice);
  ASSERT_TRUE(alice->heard.WaitForLosses(1));
  for (std::uint64_t i = 0; i < 50; ++i) SendText(*alice, kHeadNode, i);
  EXPECT_TRUE(head->heard.WaitForArrivals(51)) << head->heard.arrivals().size() << " came";
  // And it hears broadcasts, although the first word of where they are was lost.
  EXPECT_OK(head->transport.Publish(Traffic::kControl, TextFrame(kHead, {}, 7)));
  EXPECT_TRUE(alice->heard.WaitForArrivals(1));
}

TEST(ZmqTransport, ASecondConnectionOfTheSameNodeTakesOver) {
  const auto head = StartHead();
  const auto first = StartNode(kAlice, *head);
  Join(*first, *head);
  const auto second = StartNode(kAlice, *head);
  SendText(*second, kHeadNode, 1);
  ASSERT_TRUE(head->heard.WaitForArrivals(2));
  SendText(*head, kAlice, 2);
  ASSERT_TRUE(second->heard.WaitForArrivals(1));
}

TEST(ZmqTransport, ARestartedProcessAtTheSameAddressIsAnotherNode) {
  const auto head = StartHead();
  for (std::uint64_t i = 0; i < 10; ++i) {
    const auto node = StartNode({42, i + 1}, *head);
    SendText(*node, kHeadNode, i);
    ASSERT_TRUE(head->heard.WaitForArrivals(i + 1));
    EXPECT_EQ(head->heard.arrivals()[i].connection, (NodeId{42, i + 1}));
  }
}

TEST(ZmqTransport, ANodeThatIsCutOffGoesAwayAndIsNoLongerHeard) {
  const auto head = StartHead();
  const auto alice = StartNode(kAlice, *head);
  Join(*alice, *head);
  SendText(*head, kAlice, 9);
  head->transport.Disconnect(kAlice);
  ASSERT_TRUE(alice->heard.WaitForLosses(1));
  // What was said before comes first.
  EXPECT_EQ(alice->heard.losses()[0].arrivals_before, 1u);
  EXPECT_THAT(alice->transport.Send(kHead, Traffic::kControl, TextFrame(kAlice, kHead, 1)),
              HasCode(absl::StatusCode::kUnavailable));
  EXPECT_TRUE(Eventually([&] {
    return head->transport.Send(kAlice, Traffic::kControl, TextFrame(kHead, kAlice, 1)).code() ==
           absl::StatusCode::kUnavailable;
  }));
  EXPECT_TRUE(head->heard.losses().empty()) << "the head asked for it";
}

TEST(ZmqTransport, HeartbeatsGoOnWithoutAnyonesHelp) {
  const auto head = StartHead();
  const auto alice = StartNode(kAlice, *head);
  JoinAndHear(*alice, *head);
  std::uint64_t beats = 0;
  alice->transport.SetHeartbeat(kHeadNode, milliseconds(20),
                                [&beats] { return TextFrame(kAlice, kHeadNode, ++beats); });
  ASSERT_TRUE(head->heard.WaitForArrivals(11));
  const auto arrivals = head->heard.arrivals();
  for (std::size_t i = 1; i < arrivals.size(); ++i) EXPECT_EQ(arrivals[i].envelope.correlation, i);
  alice->transport.Stop(Duration::zero());  // `beats` ends before Alice.
}

TEST(ZmqTransport, HeartbeatsGoOnWhileTheOthersAreFlooded) {
  const auto head = StartHead();
  const auto alice = StartNode(kAlice, *head);
  JoinAndHear(*alice, *head);
  alice->transport.SetHeartbeat(kHeadNode, milliseconds(20),
                                [] { return TextFrame(kAlice, kHeadNode, 1'000'000); });
  for (std::uint64_t i = 0; i < 20'000; ++i) SendText(*head, kAlice, i);
  const auto beats = [&] {
    std::size_t count = 0;
    for (const auto& arrival : head->heard.arrivals()) {
      if (arrival.envelope.correlation == 1'000'000) ++count;
    }
    return count;
  };
  EXPECT_TRUE(Eventually([&] { return beats() >= 5; }));
  EXPECT_TRUE(alice->heard.WaitForArrivals(20'001));
  EXPECT_EQ(head->transport.Dropped().full, 0u);
}

TEST(ZmqTransport, ListenersMaySendFromWithinACall) {
  const auto head = StartHead();
  head->heard.set_on_frame([&](const Recorder::Arrival& arrival) {
    EXPECT_OK(head->transport.Send(arrival.connection, Traffic::kControl,
                                   TextFrame(kHead, arrival.connection, 99)));
  });
  const auto alice = StartNode(kAlice, *head);
  SendText(*alice, kHeadNode, 1);
  EXPECT_TRUE(alice->heard.WaitForArrivals(1));
}

TEST(ZmqTransport, AnAddressInUseIsNamed) {
  const auto head = StartHead();
  End second({.self = kBob, .role = Role::kListen, .address = head->transport.control_address()});
  const absl::Status status = second.transport.Start(second.heard);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(ToUserError(status).code, "ADDRESS_IN_USE");
  EXPECT_EQ(ToUserError(status).exit, Exit::kUsage);
  End foreign({.self = kBob, .role = Role::kListen, .address = {.host = "192.0.2.1", .port = 1}});
  EXPECT_EQ(ToUserError(foreign.transport.Start(foreign.heard)).code, "ADDRESS_NOT_LOCAL");
}

TEST(ZmqTransport, TheBroadcastPortComesFromTheRange) {
  const auto first = StartHead();
  const std::uint16_t taken = first->transport.broadcast_address().port;
  // One that is taken, and its successors.
  const auto last = static_cast<std::uint16_t>(std::min(65535, taken + 50));
  End head({.self = kHead,
            .role = Role::kListen,
            .address = {.host = "127.0.0.1"},
            .broadcast_ports = PortRange{taken, last}});
  ASSERT_OK(head.transport.Start(head.heard));
  EXPECT_GT(head.transport.broadcast_address().port, taken);
  EXPECT_LE(head.transport.broadcast_address().port, last);
  End none({.self = kHead,
            .role = Role::kListen,
            .address = {.host = "127.0.0.1"},
            .broadcast_ports = PortRange{taken, taken}});
  EXPECT_EQ(ToUserError(none.transport.Start(none.heard)).code, "PORT_RANGE_EXHAUSTED");
}

TEST(ZmqTransport, TwoHundredLivesLeaveNoDescriptorBehind) {
  const int before = OpenDescriptors();
  for (int i = 0; i < 200; ++i) {
    const auto head = StartHead();
    const auto alice = StartNode(kAlice, *head);
    if (i % 10 == 0) Join(*alice, *head);
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

}  // namespace
}  // namespace runtime
