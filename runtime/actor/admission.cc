#include "runtime/actor/admission.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <utility>

namespace runtime {
namespace {

using membership::BuildNodeFrame;
using membership::Holds;

constexpr std::size_t kMostRemoved = 4096;
// An evicted node is told again at most this often.
constexpr Duration kTellAgain = std::chrono::milliseconds(500);

// Takes as long for any two tokens of equal length, so that time does not tell where they differ.
bool EqualTokens(const std::string& left, const std::string& right) {
  if (left.size() != right.size()) return false;
  unsigned char difference = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    difference = static_cast<unsigned char>(difference | (left[i] ^ right[i]));
  }
  return difference == 0;
}

}  // namespace

bool Admission::OnArrival(NodeId from, const FrameReader& frame) {
  if (!parts_.roster.OnHeard(from, parts_.clock.Now())) return false;
  if (!Holds<membership::Heartbeat>(frame)) return false;
  auto heartbeat = Context::DecodeBody<membership::Heartbeat>(frame);
  if (!heartbeat.ok()) {
    ++parts_.drops.decode;
    return true;
  }
  parts_.roster.OnProgress(from, std::move(heartbeat->progress));
  // Lost answers are followed by others; a full outbox shows in the transport's counters.
  (void)parts_.transport.Send(from, Traffic::kControl,
                              BuildNodeFrame(parts_.options.id, from,
                                             membership::HeartbeatAnswer{.beat = heartbeat->beat}));
  return true;
}

void Admission::Start() {
  JudgeAt(parts_.clock.Now() + parts_.options.liveness.heartbeat_interval / 2);
}

bool Admission::OnFrame(NodeId from, const FrameReader& frame) {
  if (Holds<membership::Join>(frame)) {
    OnJoin(from, frame);
    return false;
  }
  if (!parts_.roster.Contains(from)) {
    OnStranger(from);
    return false;
  }
  if (frame.envelope().from != from) {
    ++parts_.drops.decode;  // It claims to be somebody else.
    return false;
  }
  if (Holds<membership::Goodbye>(frame)) {
    const auto goodbye = Context::DecodeBody<membership::Goodbye>(frame);
    Remove(from, absl::CancelledError(goodbye.ok() ? goodbye->reason : "it left"));
    return false;
  }
  return true;
}

void Admission::OnJoin(NodeId from, const FrameReader& frame) {
  const auto join = Context::DecodeBody<membership::Join>(frame);
  if (!join.ok() || frame.envelope().from != from || from.IsNull() || from == kHeadNode ||
      from == parts_.options.id) {
    ++parts_.drops.decode;
    return;
  }
  if (parts_.roster.Contains(from)) {  // Its first Welcome was lost, or it came back in time.
    SendWelcome(from);
    return;
  }
  const NodeInfo info{.id = from,
                      .name = join->name,
                      .role = join->role,
                      .address = join->address,
                      .details = join->details};
  const absl::Status verdict = Check(from, *join, info);
  if (!verdict.ok()) {
    Refuse(from, verdict);
    return;
  }
  parts_.roster.Add(info, parts_.clock.Now());
  SendWelcome(from);
  parts_.options.log.Info(
      "node_up",
      {{"node", from}, {"name", info.name}, {"role", info.role}, {"address", info.address}});
  parts_.host.OnUp(info);
}

absl::Status Admission::Check(NodeId from, const membership::Join& join, const NodeInfo& info) {
  const NodeOptions& options = parts_.options;
  if (const auto removed = removed_.find(from); removed != removed_.end()) {
    return removed->second.why;
  }
  if (join.protocol != options.protocol) {
    return MakeError("PROTOCOL_MISMATCH", Exit::kIncompatible,
                     absl::StrCat("the head speaks protocol version ", options.protocol,
                                  ", this node version ", join.protocol),
                     "install the same version of rondo on every machine");
  }
  if (join.fingerprint != options.fingerprint) {
    return MakeError("SCHEMA_MISMATCH", Exit::kIncompatible,
                     absl::StrFormat("the head was built from schema %016x, this node from %016x",
                                     options.fingerprint, join.fingerprint),
                     "install the same version of rondo on every machine");
  }
  if (!EqualTokens(options.token, join.token)) {
    return MakeError("TOKEN_WRONG", Exit::kRefused, "the head asks for another token",
                     "copy the join command that the head printed when it started");
  }
  return parts_.options.admit ? parts_.options.admit(info) : absl::OkStatus();
}

void Admission::SendWelcome(NodeId to) {
  const NodeOptions& options = parts_.options;
  parts_.transport.Welcome(to);
  const membership::Welcome welcome{.head = options.id,
                                    .epoch = options.epoch,
                                    .heartbeat_interval = options.liveness.heartbeat_interval,
                                    .silence_bound = options.liveness.dead_after};
  // If it is lost, the node sends its Join again.
  (void)parts_.transport.Send(to, Traffic::kJoin,
                              AsHandshake(BuildNodeFrame(options.id, to, welcome)));
}

void Admission::Refuse(NodeId node, const absl::Status& why) {
  ++parts_.drops.handshake;
  const membership::Refused refused{.error = ToUserError(why)};
  parts_.options.log.Warning("node_refused", {{"node", node}, {"why", why}});
  (void)parts_.transport.Send(node, Traffic::kJoin,
                              AsHandshake(BuildNodeFrame(parts_.options.id, node, refused)));
  parts_.transport.Disconnect(node);
}

void Admission::OnStranger(NodeId from) {
  ++parts_.drops.handshake;
  const auto removed = removed_.find(from);
  if (removed != removed_.end()) TellEvicted(from, removed->second);
}

void Admission::OnDisconnected(NodeId peer, const absl::Status& why) {
  if (!parts_.roster.Contains(peer)) return;
  parts_.options.log.Info("connection_lost", {{"node", peer}, {"why", why}});
  parts_.roster.OnDisconnected(peer, parts_.clock.Now(), why);
}

void Admission::JudgeAt(Time due) {
  const Duration interval = parts_.options.liveness.heartbeat_interval / 2;
  parts_.host.After(due - parts_.clock.Now(), [this, due, interval] {
    const Time now = parts_.clock.Now();
    const Duration late = now - due;
    // Small delays are the noise of any scheduler; to count them would only make us slower.
    for (const auto& verdict : parts_.roster.Judge(now, late > interval ? late : Duration{})) {
      switch (verdict.health) {
        case FailureDetector::Health::kAlive:
          parts_.options.log.Info("node_alive", {{"node", verdict.node}});
          break;
        case FailureDetector::Health::kSuspect:
          parts_.options.log.Warning("node_suspect",
                                     {{"node", verdict.node}, {"why", verdict.reason}});
          break;
        case FailureDetector::Health::kDead:
          Remove(verdict.node, absl::UnavailableError(verdict.reason));
          break;
      }
    }
    JudgeAt(now + interval);
  });
}

absl::StatusOr<NodeId> Admission::RouteTo(NodeId node) const {
  if (parts_.roster.Contains(node)) return node;
  return absl::UnavailableError(absl::StrCat("no node ", node.ShortName(), " is connected"));
}

void Admission::Evict(NodeId node, const absl::Status& why) {
  if (!parts_.roster.Contains(node)) return;
  Remove(node, why);
}

void Admission::Remove(NodeId node, const absl::Status& why) {
  parts_.roster.Remove(node);
  const absl::Status told =
      HasUserError(why) ? why
                        : MakeError("EVICTED", Exit::kEvicted,
                                    absl::StrCat("the head has removed this node: ", why.message()),
                                    "start it again: it joins as a new node");
  if (removed_.emplace(node, Removed{told, Time::min()}).second) removed_order_.push_back(node);
  if (removed_order_.size() > kMostRemoved) {
    removed_.erase(removed_order_.front());
    removed_order_.pop_front();
  }
  // Whoever said goodbye listens no more.
  if (!absl::IsCancelled(why)) TellEvicted(node, removed_.find(node)->second);
  parts_.transport.Disconnect(node);
  parts_.options.log.Warning("node_down", {{"node", node}, {"why", why}});
  parts_.host.OnDown(node, why);
}

void Admission::TellEvicted(NodeId node, Removed& removed) {
  const Time now = parts_.clock.Now();
  if (removed.told != Time::min() && now - removed.told < kTellAgain) return;
  removed.told = now;
  const membership::Evicted evicted{.error = ToUserError(removed.why)};
  // A node that is truly gone hears nothing, and needs not.
  (void)parts_.transport.Send(node, Traffic::kControl,
                              AsHandshake(BuildNodeFrame(parts_.options.id, node, evicted)));
}

void Admission::Stop(const std::string& reason) {
  for (const NodeState& node : parts_.roster.Nodes(parts_.clock.Now())) {
    (void)parts_.transport.Send(
        node.info.id, Traffic::kControl,
        BuildNodeFrame(parts_.options.id, node.info.id, membership::Goodbye{.reason = reason}));
    parts_.transport.Disconnect(node.info.id);  // Or it may not hear the goodbye.
  }
}

}  // namespace runtime
