// Who is dead? A pure function of what was heard, when, and of how late we are ourselves.
//
// Two signals (protocol.md 6): silence longer than the profile's bound (a stopped process, a lost
// host, a partition), and a connection that is gone without a new sign of life (a crash). One
// thread at a time.
#ifndef RONDO_RUNTIME_GROUP_FAILURE_DETECTOR_H_
#define RONDO_RUNTIME_GROUP_FAILURE_DETECTOR_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/ids.h"

namespace runtime {

struct LivenessProfile {
  Duration heartbeat_interval = std::chrono::milliseconds(200);
  Duration suspect_after{};  // Silence.
  Duration dead_after{};     // Silence.
  // Time after the connection went in which a node may reappear.
  Duration reconnect_within{};

  // One machine, shared with the training itself: a process may wait long for a core.
  static LivenessProfile Local();
  static LivenessProfile Lan();
  static LivenessProfile Wan();
};

class FailureDetector {
 public:
  enum class Health { kAlive, kSuspect, kDead };

  // A change of a node's health.
  struct Verdict {
    NodeId node;
    Health health = Health::kAlive;
    std::string reason;  // For people: "nothing heard for 1.02 s".
  };

  // Whether silence alone is a proof: if nobody who could witness is heard either, the fault may be
  // ours, and the silent ones stay suspect; also for as long after the first one is heard again as
  // the others may take to come back (kReturnWithin).
  enum class Proof { kSilence, kSilenceWhileOthersAreHeard };

  // A node that lost sight of us asks to join every 2 s, on a connection that is opened anew every
  // 5 s.
  static constexpr Duration kReturnWithin = std::chrono::seconds(8);

  explicit FailureDetector(const LivenessProfile& profile, Proof proof = Proof::kSilence)
      : profile_(profile), proof_(proof) {}

  // Another bound on silence from now on; a node is suspect after half of it.
  void SetBounds(Duration dead_after) {
    profile_.dead_after = dead_after;
    profile_.suspect_after = dead_after / 2;
  }

  // `witness`: if it is heard, our own connection works.
  void Add(NodeId node, Time now, bool witness = true);
  void Remove(NodeId node) { nodes_.erase(node); }
  bool Contains(NodeId node) const { return nodes_.contains(node); }

  // Any frame of the node. Of a node that was not added, or was removed, it changes nothing: a late
  // heartbeat revives nobody. Returns whether the node is known.
  bool OnHeard(NodeId node, Time now);
  void OnDisconnected(NodeId node, Time now, const std::string& why);

  // Call it at least every heartbeat interval. `lag` is how much later than planned this call came:
  // what was not heard meanwhile may be waiting in our own queues, so all deadlines move by it.
  // A node that is dead is reported once, and then forgotten.
  std::vector<Verdict> Judge(Time now, Duration lag);

  // How long the node has been silent; nothing if it is unknown.
  std::optional<Duration> SilenceOf(NodeId node, Time now) const;

 private:
  struct State {
    Time heard;
    bool witness = true;
    std::optional<Time> disconnected;  // Since then, unless something was heard.
    std::string disconnect_reason;
    Health health = Health::kAlive;
  };

  Verdict JudgeOne(NodeId node, const State& state, Time now, bool silence_proves) const;
  bool IsAnyoneHeard(Time now) const;
  // Whether silence proves anything now; notes when all fall silent and when the first is back.
  bool SilenceProves(Time now);

  LivenessProfile profile_;
  const Proof proof_;
  bool nobody_heard_ = false;
  Time returns_until_{};  // After that: until then others may still come back.
  std::map<NodeId, State> nodes_;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_GROUP_FAILURE_DETECTOR_H_
