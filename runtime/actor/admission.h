// The head's half of membership: who may join, who still lives, who is cut off.
//
// The first frame of a peer must be a Join. An incarnation that was removed never comes back: its
// frames are answered with Evicted, its Join with Refused; its process joins anew, as another.
#ifndef RONDO_RUNTIME_ACTOR_ADMISSION_H_
#define RONDO_RUNTIME_ACTOR_ADMISSION_H_

#include <deque>
#include <map>
#include <string>

#include "runtime/actor/membership.h"
#include "runtime/actor/membership_messages.h"

namespace runtime {

class Admission final : public Membership {
 public:
  explicit Admission(const Parts& parts) : parts_(parts) {}

  bool OnArrival(NodeId from, const FrameReader& frame) override;
  void Start() override;
  bool OnFrame(NodeId from, const FrameReader& frame) override;
  void OnDisconnected(NodeId peer, const absl::Status& why) override;
  absl::StatusOr<NodeId> RouteTo(NodeId node) const override;
  void Evict(NodeId node, const absl::Status& why) override;
  void Stop(const std::string& reason) override;

 private:
  struct Removed {
    absl::Status why;
    Time told;
  };

  void OnJoin(NodeId from, const FrameReader& frame);
  absl::Status Check(NodeId from, const membership::Join& join, const NodeInfo& info);
  void SendWelcome(NodeId to);
  void Refuse(NodeId node, const absl::Status& why);
  // A frame of a peer that is not a member and does not ask to be one.
  void OnStranger(NodeId from);
  void TellEvicted(NodeId node, Removed& removed);
  void Remove(NodeId node, const absl::Status& why);
  void JudgeAt(Time due);

  Parts parts_;
  std::map<NodeId, Removed> removed_;
  std::deque<NodeId> removed_order_;  // Oldest first: the record is bounded.
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_ACTOR_ADMISSION_H_
