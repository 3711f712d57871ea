// The inside of ActorHost: an actor's cell, and the Context through which the actor acts.
#ifndef RONDO_RUNTIME_ACTOR_ACTOR_CONTEXT_H_
#define RONDO_RUNTIME_ACTOR_ACTOR_CONTEXT_H_

#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "runtime/actor/actor_host.h"

namespace runtime {

// Letters told to an actor between two of its lives that are kept for the next one.
inline constexpr std::size_t kMostKept = 65536;

class ActorHost::ActorContext final : public Context {
 public:
  ActorContext(ActorHost& host, Cell& cell, ActorId id)
      : host_(host), cell_(cell), self_{.node = host.options_.self, .actor = id} {}

  Time Now() const override { return host_.options_.clock.Now(); }
  ActorAddress self() const override { return self_; }
  NodeId sender() const override { return sender_; }
  void set_sender(NodeId sender) { sender_ = sender; }

  TimerId After(Duration delay, absl::AnyInvocable<void()> then) override;
  void Cancel(TimerId timer) override;
  Poster poster() override;
  absl::Status Spawn(const std::string& name, ActorFactory factory,
                     const Supervision& supervision) override;
  void SpawnOn(NodeId node, const std::string& kind, const std::string& name,
               absl::AnyInvocable<void(absl::StatusOr<ActorAddress>)> then) override;
  void Stop(ActorId actor) override;
  void Register(const std::string& name, absl::AnyInvocable<void(absl::Status)> then) override;
  void Resolve(const std::string& name, Duration timeout,
               absl::AnyInvocable<void(absl::StatusOr<ActorAddress>)> then) override;
  void Evict(NodeId node, const absl::Status& why) override;
  absl::Status Send(const ActorAddress& to, Traffic traffic, Frame frame) override;
  absl::Status SendPublished(Traffic traffic, Frame frame) override;
  std::uint64_t Expect(const ActorAddress& to, Duration timeout,
                       absl::AnyInvocable<void(absl::StatusOr<const FrameReader*>)> then) override;
  void Fail(std::uint64_t correlation, const absl::Status& why) override;

 private:
  ActorHost& host_;
  Cell& cell_;
  ActorAddress self_;
  NodeId sender_;
};

// An actor's place in its node. It outlives the actor's lives, because whoever still holds one of
// the actor's Responders answers through its context.
struct ActorHost::Cell {
  enum class State { kStarting, kRunning, kBackingOff, kStopped };

  Cell(ActorHost& host, ActorId id, std::string name)
      : name(std::move(name)), context(host, *this, id) {}

  const std::string name;
  ActorContext context;
  ActorFactory factory;
  Supervisor supervisor{Supervision{}};
  State state = State::kStarting;
  std::uint64_t life = 0;  // Rises with every start and every end.
  std::deque<FrameLetter> kept;
  std::unique_ptr<Actor> actor;  // Null unless it is running.
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_ACTOR_ACTOR_CONTEXT_H_
