// A node's half of membership: it joins its head, shows that it lives, and notices when the head
// does not.
#ifndef RONDO_RUNTIME_ACTOR_HEAD_LINK_H_
#define RONDO_RUNTIME_ACTOR_HEAD_LINK_H_

#include <atomic>
#include <memory>
#include <string>

#include "runtime/actor/membership.h"
#include "runtime/actor/membership_messages.h"

namespace runtime {

class HeadLink final : public Membership {
 public:
  explicit HeadLink(const Parts& parts) : parts_(parts) {}

  bool OnArrival(NodeId from, const FrameReader& frame) override;
  void Start() override;
  bool OnFrame(NodeId from, const FrameReader& frame) override;
  void OnDisconnected(NodeId peer, const absl::Status& why) override;
  absl::StatusOr<NodeId> RouteTo(NodeId node) const override;
  void Evict(NodeId node, const absl::Status& why) override;
  void Stop(const std::string& reason) override;

 private:
  enum class State { kIdle, kJoining, kJoined, kLost };

  bool HasJoinedOnce() const { return !head_.IsNull(); }
  // Sends Join, now and then less and less often, until it is answered. Meanwhile no heartbeat
  // takes the few frames that a head grants to strangers.
  void AskToJoin();
  void SendJoin();
  void JoinAgainAfter(Duration delay);
  void OnWelcome(const FrameReader& frame);
  void OnRefused(const FrameReader& frame);
  void OnEvicted(const FrameReader& frame);
  void BeginHeartbeats(Duration interval);
  void JudgeAt(Time due);
  // The head is gone, and may come back.
  void Miss(const absl::Status& why);
  // It is gone for good, or we are to be.
  void Lose(const absl::Status& why);

  Parts parts_;
  State state_ = State::kIdle;
  const std::shared_ptr<std::atomic<bool>> asks_ = std::make_shared<std::atomic<bool>>(false);
  Time join_deadline_;
  NodeId head_;  // Its incarnation; null before Welcome.
  Duration judge_interval_{};
  bool judging_ = false;
  absl::Status connection_;  // Why the last connection attempt failed.
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_ACTOR_HEAD_LINK_H_
