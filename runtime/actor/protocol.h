// Typed messages and typed references: sending an actor what it does not accept does not compile.
//
// A message is a plain struct beside its Cap'n Proto schema:
//
//   struct Ping {
//     using Wire = schema::Ping;                      // its Cap'n Proto struct
//     using Reply = Pong;                             // only if it is a question
//     static constexpr Traffic kTraffic = Traffic::kState;  // optional; default kControl
//     static constexpr Lane kLane = Lane::kData;      // optional; default kControl
//     void Encode(Wire::Builder wire) const;
//     static absl::StatusOr<Ping> Decode(Wire::Reader wire);  // checks every range; may throw kj
//     std::uint64_t number = 0;
//   };
//
// An actor lists what it accepts: using CounterProtocol = Protocol<Ping, Reset>.
#ifndef RONDO_RUNTIME_ACTOR_PROTOCOL_H_
#define RONDO_RUNTIME_ACTOR_PROTOCOL_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <capnp/any.h>
#include <capnp/schema.h>

#include <concepts>
#include <cstdint>
#include <string_view>

#include "runtime/base/hash.h"
#include "runtime/base/ids.h"
#include "runtime/net/traffic.h"

namespace runtime {

// Control messages are never dropped; data messages wait in a lane bounded in bytes.
enum class Lane : std::uint8_t { kControl, kData };

template <typename M>
concept Message = requires(const M& message, typename M::Wire::Builder builder,
                           typename M::Wire::Reader reader) {
  message.Encode(builder);
  { M::Decode(reader) } -> std::same_as<absl::StatusOr<M>>;
};

template <typename M>
concept Question = Message<M> && Message<typename M::Reply>;

template <Message... Messages>
struct Protocol {
  template <typename M>
  static constexpr bool kAccepts = (std::same_as<M, Messages> || ...);
};

template <Message M>
std::uint64_t TypeIdOf() {
  return capnp::typeId<typename M::Wire>();
}

template <Message M>
constexpr Traffic TrafficOf() {
  if constexpr (requires { M::kTraffic; }) return M::kTraffic;
  return Traffic::kControl;
}

template <Message M>
constexpr Lane LaneOf() {
  if constexpr (requires { M::kLane; }) return M::kLane;
  return Lane::kControl;
}

// An actor's id is the hash of its name within its node, so it survives a restart of the actor.
inline ActorId ActorIdOf(std::string_view name) { return static_cast<ActorId>(HashText(name)); }

struct ActorAddress {
  NodeId node;
  ActorId actor{};

  bool operator==(const ActorAddress&) const = default;
  bool IsNull() const { return actor == ActorId::kNone; }
};

// Where to send messages of protocol P. A value; knows nothing of whether the actor still lives.
template <typename P>
struct ActorRef {
  using ProtocolType = P;
  ActorAddress address;

  bool operator==(const ActorRef&) const = default;
  bool IsNull() const { return address.IsNull(); }
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_ACTOR_PROTOCOL_H_
