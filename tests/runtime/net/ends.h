// Heads and nodes that are nothing but a transport and what it heard.
#ifndef RONDO_TESTS_RUNTIME_NET_ENDS_H_
#define RONDO_TESTS_RUNTIME_NET_ENDS_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "tests/runtime/net/recorder.h"
#include "tests/support/status_matchers.h"
#include "tests/tools/tcp_proxy.h"

namespace tests {

using runtime::Address;
using runtime::kHeadNode;
using runtime::NodeId;
using runtime::Traffic;
using runtime::ZmqTransportOptions;
using Role = runtime::ZmqTransportOptions::Role;

inline constexpr NodeId kHead{0x1111, 1};
// Its first byte on the wire is 0, as in ids that libzmq makes up.
inline constexpr NodeId kAlice{0xa11ce00, 2};
inline constexpr NodeId kBob{0xb0b, 3};

inline Address Ephemeral(Address::Scheme scheme) {
  static int count = 0;
  if (scheme == Address::Scheme::kTcp) return {.host = "127.0.0.1"};
  return {.scheme = scheme,
          .host = "rondo-test-" + std::to_string(getpid()) + "-" + std::to_string(++count)};
}

inline std::unique_ptr<End> StartHead(Address address = Ephemeral(Address::Scheme::kTcp)) {
  auto head = std::make_unique<End>(
      ZmqTransportOptions{.self = kHead, .role = Role::kListen, .address = address});
  EXPECT_OK(head->transport.Start(head->heard));
  return head;
}

inline std::unique_ptr<End> StartNode(NodeId self, const Address& address) {
  auto node = std::make_unique<End>(ZmqTransportOptions{.self = self, .address = address});
  EXPECT_OK(node->transport.Start(node->heard));
  return node;
}

inline std::unique_ptr<End> StartNode(NodeId self, const End& head) {
  return StartNode(self, head.transport.control_address());
}

inline Address Through(const TcpProxy& proxy) {
  return {.host = "127.0.0.1", .port = proxy.port()};
}

inline void SendText(End& from, NodeId to, std::uint64_t number, std::size_t characters = 10) {
  ASSERT_OK(
      from.transport.Send(to, Traffic::kControl, TextFrame(from.self, to, number, characters)));
}

// Lets the head hear `node` and welcome it. A welcome is carried out later.
inline void Join(End& node, End& head) {
  const std::size_t before = head.heard.arrivals().size();
  SendText(node, kHeadNode, 0);
  ASSERT_TRUE(head.heard.WaitForArrivals(before + 1));
  head.transport.Welcome(node.self);
}

// The same, and both know it: the node heard the head's first word after the welcome. For nodes
// that go on to say more than strangers may.
inline void JoinAndHear(End& node, End& head) {
  Join(node, head);
  SendText(head, node.self, 0);
  ASSERT_TRUE(node.heard.WaitForArrivals(1));
}

}  // namespace tests

#endif  // RONDO_TESTS_RUNTIME_NET_ENDS_H_
