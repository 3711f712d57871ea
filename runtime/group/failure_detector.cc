#include "runtime/group/failure_detector.h"

#include <absl/strings/str_format.h>

#include <algorithm>
#include <utility>

namespace runtime {
namespace {

// A sanitizer build is several times slower; its bounds are too.
#ifdef RONDO_SANITIZED
constexpr int kSlowness = 5;
#else
constexpr int kSlowness = 1;
#endif

LivenessProfile ProfileOf(Duration dead_after) {
  return {.heartbeat_interval = std::chrono::milliseconds(200),
          .suspect_after = dead_after / 2 * kSlowness,
          .dead_after = dead_after * kSlowness,
          .reconnect_within = std::chrono::milliseconds(600) * kSlowness};
}

}  // namespace

LivenessProfile LivenessProfile::Local() { return ProfileOf(std::chrono::seconds(2)); }
LivenessProfile LivenessProfile::Lan() { return ProfileOf(std::chrono::seconds(1)); }
LivenessProfile LivenessProfile::Wan() { return ProfileOf(std::chrono::seconds(5)); }

void FailureDetector::Add(NodeId node, Time now, bool witness) {
  nodes_[node] = State{.heard = now, .witness = witness};
}

bool FailureDetector::OnHeard(NodeId node, Time now) {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return false;
  found->second.heard = std::max(found->second.heard, now);
  found->second.disconnected.reset();
  return true;
}

void FailureDetector::OnDisconnected(NodeId node, Time now, const std::string& why) {
  const auto found = nodes_.find(node);
  if (found == nodes_.end() || found->second.disconnected.has_value()) return;
  found->second.disconnected = now;
  found->second.disconnect_reason = why;
}

bool FailureDetector::IsAnyoneHeard(Time now) const {
  return std::ranges::any_of(nodes_, [&](const auto& entry) {
    return entry.second.witness && now - entry.second.heard < profile_.suspect_after;
  });
}

bool FailureDetector::SilenceProves(Time now) {
  if (!IsAnyoneHeard(now)) {
    nobody_heard_ =
        std::ranges::any_of(nodes_, [](const auto& node) { return node.second.witness; });
    return false;
  }
  if (std::exchange(nobody_heard_, false)) returns_until_ = now + kReturnWithin;
  return now >= returns_until_;
}

FailureDetector::Verdict FailureDetector::JudgeOne(NodeId node, const State& state, Time now,
                                                   bool silence_proves) const {
  const Duration silence = now - state.heard;
  if (silence >= profile_.dead_after && silence_proves) {
    return {node, Health::kDead,
            absl::StrFormat("nothing heard for %.2f s (bound %.2f s)", ToSeconds(silence),
                            ToSeconds(profile_.dead_after))};
  }
  if (state.disconnected.has_value()) {
    const Duration gone = now - *state.disconnected;
    const Health health = gone >= profile_.reconnect_within ? Health::kDead : Health::kSuspect;
    return {node, health,
            absl::StrFormat("its connection was lost %.2f s ago (%s) and it did not come back",
                            ToSeconds(gone), state.disconnect_reason)};
  }
  if (silence >= profile_.suspect_after) {
    return {node, Health::kSuspect,
            absl::StrFormat("nothing heard for %.2f s%s", ToSeconds(silence),
                            silence_proves ? "" : ", as of all others")};
  }
  return {node, Health::kAlive, "it is heard again"};
}

std::vector<FailureDetector::Verdict> FailureDetector::Judge(Time now, Duration lag) {
  std::vector<Verdict> changes;
  const bool silence_proves = proof_ == Proof::kSilence || SilenceProves(now - lag);
  for (auto node = nodes_.begin(); node != nodes_.end();) {
    State& state = node->second;
    state.heard = std::min(now, state.heard + lag);
    if (state.disconnected.has_value()) {
      state.disconnected = std::min(now, *state.disconnected + lag);
    }
    Verdict verdict = JudgeOne(node->first, state, now, silence_proves);
    const bool changed = verdict.health != state.health;
    state.health = verdict.health;
    const bool dead = verdict.health == Health::kDead;
    if (changed) changes.push_back(std::move(verdict));
    node = dead ? nodes_.erase(node) : std::next(node);
  }
  return changes;
}

std::optional<Duration> FailureDetector::SilenceOf(NodeId node, Time now) const {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return std::nullopt;
  return now - found->second.heard;
}

}  // namespace runtime
