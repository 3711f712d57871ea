// The nodes that this node counts as up, and whether they live. Any thread: the transport's thread
// notes what it hears, the actor thread admits, judges and removes.
#ifndef RONDO_RUNTIME_ACTOR_ROSTER_H_
#define RONDO_RUNTIME_ACTOR_ROSTER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/actor/actor.h"
#include "runtime/base/mutex.h"
#include "runtime/group/failure_detector.h"

namespace runtime {

// One node as a status report shows it.
struct NodeState {
  NodeInfo info;
  Duration silence{};                   // Since it was last heard.
  bool suspect = false;                 // Silent for longer than usual, not yet dead.
  std::vector<std::uint64_t> progress;  // Its counters, as of its last heartbeat.
};

class Roster {
 public:
  // Nodes of `witness_role` witness that our own connection works (FailureDetector::Proof); empty:
  // silence needs no witness.
  explicit Roster(const LivenessProfile& profile, const std::string& witness_role = "")
      : witness_role_(witness_role),
        detector_(profile, witness_role.empty()
                               ? FailureDetector::Proof::kSilence
                               : FailureDetector::Proof::kSilenceWhileOthersAreHeard) {}

  // Judges by another bound on silence from now on: a node takes over its head's.
  void SetBounds(Duration dead_after);

  void Add(const NodeInfo& node, Time now);
  void Remove(NodeId node);
  bool Contains(NodeId node) const;
  std::optional<NodeInfo> Find(NodeId node) const;

  // False: no node of ours; nothing changes.
  bool OnHeard(NodeId node, Time now);
  void OnProgress(NodeId node, std::vector<std::uint64_t> progress);
  void OnDisconnected(NodeId node, Time now, const absl::Status& why);
  // The node broke a rule; the next Judge calls it dead for `why`.
  void OnFault(NodeId node, const std::string& why);

  // As FailureDetector::Judge. The dead stay in the roster until they are removed.
  std::vector<FailureDetector::Verdict> Judge(Time now, Duration lag);

  // In order of their ids.
  std::vector<NodeState> Nodes(Time now) const;

 private:
  struct Entry {
    NodeInfo info;
    bool suspect = false;
    std::vector<std::uint64_t> progress;
    std::string fault;
  };

  const std::string witness_role_;
  mutable Mutex mutex_;
  FailureDetector detector_ ABSL_GUARDED_BY(mutex_);
  std::map<NodeId, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_ACTOR_ROSTER_H_
