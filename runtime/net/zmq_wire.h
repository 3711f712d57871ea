// How nodes are named on ZeroMQ's wire.
#ifndef RONDO_RUNTIME_NET_ZMQ_WIRE_H_
#define RONDO_RUNTIME_NET_ZMQ_WIRE_H_

#include <array>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <string>

#include "runtime/base/ids.h"
#include "runtime/net/frame.h"
#include "runtime/net/transport.h"

namespace runtime {

// A routing id is the node's 16 bytes: random per incarnation, so that a restarted node is another
// peer, and a reconnected one is the same.
using RoutingId = std::array<std::byte, 16>;

inline RoutingId ToRoutingId(NodeId node) {
  RoutingId id;
  std::memcpy(id.data(), &node.high, sizeof(node.high));
  std::memcpy(id.data() + sizeof(node.high), &node.low, sizeof(node.low));
  return id;
}

// Nothing for the ids that libzmq makes up for peers without one, and for reserved ones.
inline std::optional<NodeId> FromRoutingId(std::span<const std::byte> bytes) {
  if (bytes.size() != sizeof(RoutingId)) return std::nullopt;
  NodeId node;
  std::memcpy(&node.high, bytes.data(), sizeof(node.high));
  std::memcpy(&node.low, bytes.data() + sizeof(node.high), sizeof(node.low));
  if (node.IsNull() || node == kHeadNode) return std::nullopt;
  return node;
}

// What broadcasts begin with, and so what a node subscribes to.
using FrameTopic = std::array<std::byte, 8>;
inline const FrameTopic& TopicOfFrames() {
  static const FrameTopic topic = [] {
    const Frame empty = BuildFrame(Envelope{}, [](capnp::AnyPointer::Builder) {});
    FrameTopic first_word;
    std::memcpy(first_word.data(), empty.data(), first_word.size());
    return first_word;
  }();
  return topic;
}

// No broadcast begins with it. By subscribing to it a node shows that broadcasts reach it.
inline constexpr std::byte kNameMark{0xff};
using NameTopic = std::array<std::byte, 1 + sizeof(RoutingId)>;
inline NameTopic TopicOfName(NodeId node) {
  NameTopic topic;
  topic[0] = kNameMark;
  const RoutingId id = ToRoutingId(node);
  std::memcpy(topic.data() + 1, id.data(), id.size());
  return topic;
}
inline std::optional<NodeId> NodeOfNameTopic(std::span<const std::byte> topic) {
  if (topic.empty() || topic[0] != kNameMark) return std::nullopt;
  return FromRoutingId(topic.subspan(1));
}

// The name of the ipc socket for broadcasts beside that of control.
inline std::string BroadcastName(const std::string& control_name) {
  return control_name + "-broadcast";
}

}  // namespace runtime

#endif  // RONDO_RUNTIME_NET_ZMQ_WIRE_H_
