#include "runtime/actor/roster.h"

#include <utility>

namespace runtime {

void Roster::SetBounds(Duration dead_after) {
  MutexLock lock(mutex_);
  detector_.SetBounds(dead_after);
}

void Roster::Add(const NodeInfo& node, Time now) {
  MutexLock lock(mutex_);
  detector_.Add(node.id, now, node.role == witness_role_);
  entries_[node.id] = Entry{.info = node};
}

void Roster::Remove(NodeId node) {
  MutexLock lock(mutex_);
  detector_.Remove(node);
  entries_.erase(node);
}

bool Roster::Contains(NodeId node) const {
  MutexLock lock(mutex_);
  return entries_.contains(node);
}

std::optional<NodeInfo> Roster::Find(NodeId node) const {
  MutexLock lock(mutex_);
  const auto found = entries_.find(node);
  if (found == entries_.end()) return std::nullopt;
  return found->second.info;
}

bool Roster::OnHeard(NodeId node, Time now) {
  MutexLock lock(mutex_);
  return detector_.OnHeard(node, now);
}

void Roster::OnProgress(NodeId node, std::vector<std::uint64_t> progress) {
  MutexLock lock(mutex_);
  const auto found = entries_.find(node);
  if (found != entries_.end()) found->second.progress = std::move(progress);
}

void Roster::OnDisconnected(NodeId node, Time now, const absl::Status& why) {
  MutexLock lock(mutex_);
  detector_.OnDisconnected(node, now, std::string(why.message()));
}

void Roster::OnFault(NodeId node, const std::string& why) {
  MutexLock lock(mutex_);
  const auto found = entries_.find(node);
  if (found != entries_.end() && found->second.fault.empty()) found->second.fault = why;
}

std::vector<FailureDetector::Verdict> Roster::Judge(Time now, Duration lag) {
  MutexLock lock(mutex_);
  std::vector<FailureDetector::Verdict> verdicts;
  for (auto& [node, entry] : entries_) {
    if (entry.fault.empty() || !detector_.Contains(node)) continue;
    detector_.Remove(node);
    verdicts.push_back({node, FailureDetector::Health::kDead, entry.fault});
  }
  for (FailureDetector::Verdict& verdict : detector_.Judge(now, lag)) {
    const auto found = entries_.find(verdict.node);
    if (found != entries_.end()) {
      found->second.suspect = verdict.health == FailureDetector::Health::kSuspect;
    }
    verdicts.push_back(std::move(verdict));
  }
  return verdicts;
}

std::vector<NodeState> Roster::Nodes(Time now) const {
  MutexLock lock(mutex_);
  std::vector<NodeState> nodes;
  nodes.reserve(entries_.size());
  for (const auto& [node, entry] : entries_) {
    nodes.push_back({.info = entry.info,
                     .silence = detector_.SilenceOf(node, now).value_or(Duration::zero()),
                     .suspect = entry.suspect,
                     .progress = entry.progress});
  }
  return nodes;
}

}  // namespace runtime
