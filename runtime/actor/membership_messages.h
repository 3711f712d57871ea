// The messages of schema/membership.capnp as plain structs, checked when decoded.
#ifndef RONDO_RUNTIME_ACTOR_MEMBERSHIP_MESSAGES_H_
#define RONDO_RUNTIME_ACTOR_MEMBERSHIP_MESSAGES_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/actor/actor.h"
#include "runtime/actor/protocol.h"
#include "runtime/base/error.h"
#include "schema/membership.capnp.h"

namespace runtime::membership {

struct Join {
  using Wire = schema::Join;
  static constexpr Traffic kTraffic = Traffic::kJoin;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<Join> Decode(Wire::Reader wire);

  std::uint16_t protocol = 0;
  std::uint64_t fingerprint = 0;
  std::string token;
  std::string name;
  std::string role;
  std::string details;
  std::string address;
};

struct Welcome {
  using Wire = schema::Welcome;
  static constexpr Traffic kTraffic = Traffic::kJoin;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<Welcome> Decode(Wire::Reader wire);

  NodeId head;
  std::uint32_t epoch = 0;
  Duration heartbeat_interval{};
  Duration silence_bound{};
};

struct Refused {
  using Wire = schema::Refused;
  static constexpr Traffic kTraffic = Traffic::kJoin;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<Refused> Decode(Wire::Reader wire);

  UserError error;
};

struct Heartbeat {
  using Wire = schema::Heartbeat;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<Heartbeat> Decode(Wire::Reader wire);

  std::uint64_t beat = 0;
  std::vector<std::uint64_t> progress;
};

struct HeartbeatAnswer {
  using Wire = schema::HeartbeatAnswer;
  void Encode(Wire::Builder wire) const { wire.setBeat(beat); }
  static absl::StatusOr<HeartbeatAnswer> Decode(Wire::Reader wire) {
    return HeartbeatAnswer{.beat = wire.getBeat()};
  }

  std::uint64_t beat = 0;
};

struct Goodbye {
  using Wire = schema::Goodbye;
  void Encode(Wire::Builder wire) const { wire.setReason(reason); }
  static absl::StatusOr<Goodbye> Decode(Wire::Reader wire);

  std::string reason;
};

struct Evicted {
  using Wire = schema::Evicted;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<Evicted> Decode(Wire::Reader wire);

  UserError error;
};

struct Registered {
  using Wire = schema::Registered;
  void Encode(Wire::Builder wire) const {}
  static absl::StatusOr<Registered> Decode(Wire::Reader wire) { return Registered{}; }
};

struct RegisterName {
  using Wire = schema::RegisterName;
  using Reply = Registered;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<RegisterName> Decode(Wire::Reader wire);

  std::string name;
  ActorId actor{};
};

struct Resolved {
  using Wire = schema::Resolved;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<Resolved> Decode(Wire::Reader wire);

  ActorAddress address;
};

struct ResolveName {
  using Wire = schema::ResolveName;
  using Reply = Resolved;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<ResolveName> Decode(Wire::Reader wire);

  std::string name;
  Duration wait{};
};

struct Spawned {
  using Wire = schema::Spawned;
  void Encode(Wire::Builder wire) const { wire.setActor(Number(actor)); }
  static absl::StatusOr<Spawned> Decode(Wire::Reader wire);

  ActorId actor{};
};

struct SpawnActor {
  using Wire = schema::SpawnActor;
  using Reply = Spawned;
  void Encode(Wire::Builder wire) const;
  static absl::StatusOr<SpawnActor> Decode(Wire::Reader wire);

  std::string kind;
  std::string name;
};

// A frame from node to node, outside of any actor.
template <Message M>
Frame BuildNodeFrame(NodeId from, NodeId to, const M& message) {
  return BuildFrame(
      {.to = to, .from = from, .type = TypeIdOf<M>()},
      [&](capnp::AnyPointer::Builder body) { message.Encode(body.initAs<typename M::Wire>()); });
}

// Whether `frame` is an M from node to node.
template <Message M>
bool Holds(const FrameReader& frame) {
  const Envelope& envelope = frame.envelope();
  return envelope.to_actor == ActorId::kNone && envelope.kind == EnvelopeKind::kTell &&
         envelope.type == TypeIdOf<M>();
}

}  // namespace runtime::membership

#endif  // RONDO_RUNTIME_ACTOR_MEMBERSHIP_MESSAGES_H_
