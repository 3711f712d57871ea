#include "runtime/actor/membership_messages.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <string_view>

#include "runtime/base/status.h"

namespace runtime::membership {
namespace {

constexpr std::size_t kLongestName = 128;
constexpr std::size_t kLongestToken = 256;
constexpr std::size_t kLongestRole = 64;
constexpr std::size_t kLongestDetails = std::size_t{64} << 10;
constexpr std::size_t kLongestAddress = 512;
constexpr std::size_t kLongestMessage = std::size_t{16} << 10;
constexpr std::size_t kMostCounters = 64;

absl::StatusOr<std::string> Text(capnp::Text::Reader text, std::size_t longest,
                                 std::string_view what) {
  if (text.size() > longest) {
    return absl::InvalidArgumentError(absl::StrCat(std::string(what), " is longer than ", longest));
  }
  return std::string(text.begin(), text.size());
}

absl::StatusOr<std::string> Name(capnp::Text::Reader text, std::string_view what) {
  if (text.size() == 0) return absl::InvalidArgumentError(std::string(what) + " is empty");
  return Text(text, kLongestName, what);
}

absl::StatusOr<ActorId> Actor(std::uint64_t number) {
  if (number == 0) return absl::InvalidArgumentError("actor 0");
  return static_cast<ActorId>(number);
}

absl::StatusOr<Duration> Milliseconds(std::uint32_t count, std::uint32_t least, std::uint32_t most,
                                      std::string_view what) {
  if (count < least || count > most) {
    return absl::InvalidArgumentError(absl::StrCat(std::string(what), " of ", count, " ms"));
  }
  return std::chrono::milliseconds(count);
}

// Rounded up, so that a short wait does not become none.
std::uint32_t ToMilliseconds(Duration duration, std::uint32_t most) {
  const auto count = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(count, 0, most));
}

constexpr std::uint32_t kLongestWaitMs = 3'600'000;

// Refused and Evicted hold the same four fields.
template <typename Builder>
void EncodeError(const UserError& error, Builder wire) {
  wire.setCode(error.code);
  wire.setExit(static_cast<std::uint16_t>(error.exit));
  wire.setMessage(error.message.substr(0, kLongestMessage));
  wire.setHint(error.hint.substr(0, kLongestMessage));
}

template <typename Reader>
absl::StatusOr<UserError> DecodeError(Reader wire) {
  ASSIGN_OR_RETURN(std::string code, Name(wire.getCode(), "code"));
  ASSIGN_OR_RETURN(const Exit exit, ExitOf(wire.getExit()));
  ASSIGN_OR_RETURN(std::string message, Text(wire.getMessage(), kLongestMessage, "message"));
  ASSIGN_OR_RETURN(std::string hint, Text(wire.getHint(), kLongestMessage, "hint"));
  return UserError{.code = std::move(code),
                   .exit = exit,
                   .message = std::move(message),
                   .hint = std::move(hint)};
}

}  // namespace

void Join::Encode(Wire::Builder wire) const {
  wire.setProtocol(protocol);
  wire.setFingerprint(fingerprint);
  wire.setToken(token);
  wire.setName(name);
  wire.setRole(role);
  wire.setDetails(details);
  wire.setAddress(address);
}

absl::StatusOr<Join> Join::Decode(Wire::Reader wire) {
  Join join{.protocol = wire.getProtocol(), .fingerprint = wire.getFingerprint()};
  ASSIGN_OR_RETURN(join.token, Text(wire.getToken(), kLongestToken, "token"));
  ASSIGN_OR_RETURN(join.name, Text(wire.getName(), kLongestName, "name"));
  ASSIGN_OR_RETURN(join.role, Text(wire.getRole(), kLongestRole, "role"));
  ASSIGN_OR_RETURN(join.details, Text(wire.getDetails(), kLongestDetails, "details"));
  ASSIGN_OR_RETURN(join.address, Text(wire.getAddress(), kLongestAddress, "address"));
  return join;
}

void Welcome::Encode(Wire::Builder wire) const {
  wire.setHeadHigh(head.high);
  wire.setHeadLow(head.low);
  wire.setEpoch(epoch);
  wire.setHeartbeatMs(ToMilliseconds(heartbeat_interval, 60'000));
  wire.setSilenceMs(ToMilliseconds(silence_bound, 600'000));
}

absl::StatusOr<Welcome> Welcome::Decode(Wire::Reader wire) {
  Welcome welcome{.head = {.high = wire.getHeadHigh(), .low = wire.getHeadLow()},
                  .epoch = wire.getEpoch()};
  if (welcome.head.IsNull()) return absl::InvalidArgumentError("a head without an id");
  if (welcome.epoch == 0) return absl::InvalidArgumentError("epoch 0");
  ASSIGN_OR_RETURN(welcome.heartbeat_interval,
                   Milliseconds(wire.getHeartbeatMs(), 10, 60'000, "heartbeat"));
  ASSIGN_OR_RETURN(welcome.silence_bound,
                   Milliseconds(wire.getSilenceMs(), 50, 600'000, "silence"));
  return welcome;
}

void Refused::Encode(Wire::Builder wire) const { EncodeError(error, wire); }

absl::StatusOr<Refused> Refused::Decode(Wire::Reader wire) {
  ASSIGN_OR_RETURN(UserError error, DecodeError(wire));
  return Refused{.error = std::move(error)};
}

void Heartbeat::Encode(Wire::Builder wire) const {
  wire.setBeat(beat);
  auto counters = wire.initProgress(static_cast<unsigned>(progress.size()));
  for (unsigned i = 0; i < counters.size(); ++i) counters.set(i, progress[i]);
}

absl::StatusOr<Heartbeat> Heartbeat::Decode(Wire::Reader wire) {
  const auto counters = wire.getProgress();
  if (counters.size() > kMostCounters) return absl::InvalidArgumentError("too many counters");
  Heartbeat heartbeat{.beat = wire.getBeat()};
  for (const std::uint64_t counter : counters) heartbeat.progress.push_back(counter);
  return heartbeat;
}

absl::StatusOr<Goodbye> Goodbye::Decode(Wire::Reader wire) {
  ASSIGN_OR_RETURN(std::string reason, Text(wire.getReason(), kLongestMessage, "reason"));
  return Goodbye{.reason = std::move(reason)};
}

void Evicted::Encode(Wire::Builder wire) const { EncodeError(error, wire); }

absl::StatusOr<Evicted> Evicted::Decode(Wire::Reader wire) {
  ASSIGN_OR_RETURN(UserError error, DecodeError(wire));
  return Evicted{.error = std::move(error)};
}

void RegisterName::Encode(Wire::Builder wire) const {
  wire.setName(name);
  wire.setActor(Number(actor));
}

absl::StatusOr<RegisterName> RegisterName::Decode(Wire::Reader wire) {
  ASSIGN_OR_RETURN(std::string name, Name(wire.getName(), "name"));
  ASSIGN_OR_RETURN(const ActorId actor, Actor(wire.getActor()));
  return RegisterName{.name = std::move(name), .actor = actor};
}

void ResolveName::Encode(Wire::Builder wire) const {
  wire.setName(name);
  wire.setWaitMs(ToMilliseconds(wait, kLongestWaitMs));
}

absl::StatusOr<ResolveName> ResolveName::Decode(Wire::Reader wire) {
  ASSIGN_OR_RETURN(std::string name, Name(wire.getName(), "name"));
  ASSIGN_OR_RETURN(const Duration wait, Milliseconds(wire.getWaitMs(), 0, kLongestWaitMs, "wait"));
  return ResolveName{.name = std::move(name), .wait = wait};
}

void Resolved::Encode(Wire::Builder wire) const {
  wire.setNodeHigh(address.node.high);
  wire.setNodeLow(address.node.low);
  wire.setActor(Number(address.actor));
}

absl::StatusOr<Resolved> Resolved::Decode(Wire::Reader wire) {
  ASSIGN_OR_RETURN(const ActorId actor, Actor(wire.getActor()));
  const NodeId node{.high = wire.getNodeHigh(), .low = wire.getNodeLow()};
  if (node.IsNull()) return absl::InvalidArgumentError("an address without a node");
  return Resolved{.address = {.node = node, .actor = actor}};
}

absl::StatusOr<Spawned> Spawned::Decode(Wire::Reader wire) {
  ASSIGN_OR_RETURN(const ActorId actor, Actor(wire.getActor()));
  return Spawned{.actor = actor};
}

void SpawnActor::Encode(Wire::Builder wire) const {
  wire.setKind(kind);
  wire.setName(name);
}

absl::StatusOr<SpawnActor> SpawnActor::Decode(Wire::Reader wire) {
  ASSIGN_OR_RETURN(std::string kind, Name(wire.getKind(), "kind"));
  ASSIGN_OR_RETURN(std::string name, Name(wire.getName(), "name"));
  return SpawnActor{.kind = std::move(kind), .name = std::move(name)};
}

}  // namespace runtime::membership
