#include "runtime/actor/head_link.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

namespace runtime {
namespace {

using membership::BuildNodeFrame;
using membership::Holds;

constexpr char kHeadStopped[] = "HEAD_STOPPED";
constexpr Duration kFirstJoinDelay = std::chrono::milliseconds(100);
constexpr Duration kLongestJoinDelay = std::chrono::seconds(2);

}  // namespace

bool HeadLink::OnArrival(NodeId from, const FrameReader& frame) {
  return parts_.roster.OnHeard(kHeadNode, parts_.clock.Now()) &&
         Holds<membership::HeartbeatAnswer>(frame);
}

void HeadLink::Start() {
  state_ = State::kJoining;
  join_deadline_ = parts_.clock.Now() + parts_.options.join_timeout;
  AskToJoin();
  parts_.host.After(parts_.options.join_timeout, [this] {
    if (state_ != State::kJoining || HasJoinedOnce()) return;
    const std::string cause =
        connection_.ok() ? "it did not answer" : std::string(connection_.message());
    Lose(MakeError("HEAD_UNREACHABLE", Exit::kHeadUnreachable,
                   absl::StrCat("the head could not be joined within ",
                                ToSeconds(parts_.options.join_timeout), " s: ", cause),
                   "check that the head runs and that its address and port are right"));
  });
}

void HeadLink::AskToJoin() {
  SendJoin();
  if (!asks_->exchange(true)) JoinAgainAfter(kFirstJoinDelay);
}

void HeadLink::SendJoin() {
  const NodeOptions& options = parts_.options;
  const membership::Join join{.protocol = options.protocol,
                              .fingerprint = options.fingerprint,
                              .token = options.token,
                              .name = options.name,
                              .role = options.role,
                              .details = options.details,
                              .address = options.address};
  // If there is no connection yet, it is sent again.
  (void)parts_.transport.Send(kHeadNode, Traffic::kJoin,
                              AsHandshake(BuildNodeFrame(options.id, kHeadNode, join)));
}

void HeadLink::JoinAgainAfter(Duration delay) {
  parts_.host.After(delay, [this, delay] {
    if (!*asks_ || state_ == State::kLost) return;
    SendJoin();
    JoinAgainAfter(std::min(2 * delay, kLongestJoinDelay));
  });
}

bool HeadLink::OnFrame(NodeId from, const FrameReader& frame) {
  if (Holds<membership::Welcome>(frame)) {
    OnWelcome(frame);
  } else if (Holds<membership::Refused>(frame)) {
    OnRefused(frame);
  } else if (Holds<membership::Evicted>(frame)) {
    OnEvicted(frame);
  } else if (state_ != State::kJoined) {
    ++parts_.drops.handshake;
  } else if (Holds<membership::Goodbye>(frame)) {
    const auto goodbye = Context::DecodeBody<membership::Goodbye>(frame);
    Lose(MakeError(kHeadStopped, Exit::kHeadUnreachable,
                   absl::StrCat("the head stopped: ", goodbye.ok() ? goodbye->reason : "")));
  } else {
    return !Holds<membership::HeartbeatAnswer>(frame);
  }
  return false;
}

void HeadLink::OnWelcome(const FrameReader& frame) {
  const auto welcome = Context::DecodeBody<membership::Welcome>(frame);
  if (!welcome.ok()) {
    ++parts_.drops.decode;
    return;
  }
  if (state_ == State::kJoined && welcome->head != head_) {
    Miss(MakeError("HEAD_LOST", Exit::kHeadUnreachable, "the head was started anew"));
  }
  *asks_ = false;
  if (state_ != State::kJoining) return;  // The answer to a Join that was sent again.
  state_ = State::kJoined;
  head_ = welcome->head;
  const NodeInfo head{.id = head_, .name = "head", .role = "head"};
  // The roster knows the head by the name that the transport has for it.
  NodeInfo entry = head;
  entry.id = kHeadNode;
  parts_.roster.SetBounds(welcome->silence_bound);
  parts_.roster.Add(entry, parts_.clock.Now());
  BeginHeartbeats(welcome->heartbeat_interval);
  judge_interval_ = welcome->heartbeat_interval / 2;
  if (!std::exchange(judging_, true)) JudgeAt(parts_.clock.Now() + judge_interval_);
  parts_.options.log.Info("joined", {{"head", head_}, {"epoch", welcome->epoch}});
  parts_.host.OnUp(head);
  parts_.host.OnJoined();
}

void HeadLink::OnRefused(const FrameReader& frame) {
  const auto refused = Context::DecodeBody<membership::Refused>(frame);
  if (!refused.ok()) {
    ++parts_.drops.decode;
    return;
  }
  if (state_ == State::kJoining) Lose(ToStatus(refused->error));
}

void HeadLink::BeginHeartbeats(Duration interval) {
  parts_.transport.SetHeartbeat(
      kHeadNode, interval,
      [id = parts_.options.id, asks = asks_, counters = parts_.options.progress,
       beat = std::uint64_t{0}]() mutable {
        if (*asks) return Frame();
        membership::Heartbeat heartbeat{.beat = ++beat};
        for (const ProgressCounter& counter : counters) {
          heartbeat.progress.push_back(counter->load(std::memory_order_relaxed));
        }
        return BuildNodeFrame(id, kHeadNode, heartbeat);
      });
}

void HeadLink::OnDisconnected(NodeId peer, const absl::Status& why) {
  connection_ = why;
  if (state_ == State::kJoining) {
    // Time does not cure what has a name and another one than "unreachable": not a Rondo head,
    // other encryption.
    const bool final = HasUserError(why) && ToUserError(why).exit != Exit::kHeadUnreachable;
    if (final && !HasJoinedOnce()) Lose(why);
    return;
  }
  if (state_ != State::kJoined) return;
  parts_.options.log.Info("connection_lost", {{"node", "head"}, {"why", why}});
  parts_.roster.OnDisconnected(kHeadNode, parts_.clock.Now(), why);
  AskToJoin();  // The first frame of a new connection.
}

void HeadLink::JudgeAt(Time due) {
  parts_.host.After(due - parts_.clock.Now(), [this, due] {
    if (state_ != State::kJoined) {
      judging_ = false;
      return;
    }
    const Time now = parts_.clock.Now();
    const Duration late = now - due;
    for (const auto& verdict :
         parts_.roster.Judge(now, late > judge_interval_ ? late : Duration{})) {
      if (verdict.health != FailureDetector::Health::kDead) continue;
      Miss(MakeError("HEAD_LOST", Exit::kHeadUnreachable,
                     absl::StrCat("the head is gone: ", verdict.reason)));
      judging_ = false;
      return;
    }
    JudgeAt(now + judge_interval_);
  });
}

void HeadLink::OnEvicted(const FrameReader& frame) {
  const auto evicted = Context::DecodeBody<membership::Evicted>(frame);
  if (!evicted.ok()) {
    ++parts_.drops.decode;
    return;
  }
  Lose(ToStatus(evicted->error));
}

void HeadLink::Miss(const absl::Status& why) {
  if (!parts_.options.rejoin) return Lose(why);
  parts_.options.log.Warning("head_missing", {{"why", why}});
  state_ = State::kJoining;
  parts_.roster.Remove(kHeadNode);
  parts_.host.OnDown(head_, why);
  AskToJoin();
}

void HeadLink::Lose(const absl::Status& why) {
  const State before = std::exchange(state_, State::kLost);
  if (before == State::kLost) return;
  if (HasUserError(why) && ToUserError(why).code == kHeadStopped) {
    parts_.options.log.Info("head_stopped", {{"why", why}});
  } else {
    parts_.options.log.Error(before == State::kJoined ? "head_lost" : "join_failed",
                             {{"why", why}});
  }
  parts_.roster.Remove(kHeadNode);
  if (before == State::kJoined) parts_.host.OnDown(head_, why);
  if (before != State::kJoined || parts_.options.end_when_head_is_lost) parts_.host.OnEnd(why);
}

absl::StatusOr<NodeId> HeadLink::RouteTo(NodeId node) const {
  // The head relays what is for others.
  if (state_ == State::kJoined) return kHeadNode;
  return absl::UnavailableError("this node has no head");
}

void HeadLink::Evict(NodeId node, const absl::Status& why) {
  parts_.options.log.Error("evict_is_the_heads", {{"node", node}, {"why", why}});
}

void HeadLink::Stop(const std::string& reason) {
  if (state_ != State::kJoined) return;
  state_ = State::kLost;
  (void)parts_.transport.Send(
      kHeadNode, Traffic::kControl,
      BuildNodeFrame(parts_.options.id, kHeadNode, membership::Goodbye{.reason = reason}));
}

}  // namespace runtime
