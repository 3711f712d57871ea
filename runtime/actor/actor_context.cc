#include "runtime/actor/actor_context.h"

#include "runtime/actor/node_actor.h"

namespace runtime {
namespace {

// For what the head or a node does at once; a lost one must not wait for ever.
constexpr Duration kServiceTimeout = std::chrono::seconds(10);

ActorRef<NodeProtocol> NodeActorOf(NodeId node) {
  return {.address = {.node = node, .actor = ActorId::kNone}};
}

}  // namespace

TimerId ActorHost::ActorContext::After(Duration delay, absl::AnyInvocable<void()> then) {
  return static_cast<TimerId>(host_.timers_.Add(Now() + delay, &cell_, std::move(then)));
}

void ActorHost::ActorContext::Cancel(TimerId timer) { host_.timers_.Cancel(Number(timer)); }

Poster ActorHost::ActorContext::poster() {
  using Sink = absl::AnyInvocable<void(absl::AnyInvocable<void()>) const>;
  return Poster(std::make_shared<Sink>([mailbox = host_.options_.mailbox, self = self_,
                                        life = cell_.life](absl::AnyInvocable<void()> closure) {
    // A node that has stopped needs it no more.
    (void)mailbox->Push({self.node, PostedLetter{self.actor, life, std::move(closure)}});
  }));
}

absl::Status ActorHost::ActorContext::Spawn(const std::string& name, ActorFactory factory,
                                            const Supervision& supervision) {
  return host_.Spawn(name, std::move(factory), supervision);
}

void ActorHost::ActorContext::SpawnOn(NodeId node, const std::string& kind, const std::string& name,
                                      absl::AnyInvocable<void(absl::StatusOr<ActorAddress>)> then) {
  Ask(NodeActorOf(node), membership::SpawnActor{.kind = kind, .name = name}, kServiceTimeout,
      [node, then = std::move(then)](absl::StatusOr<membership::Spawned> spawned) mutable {
        if (!spawned.ok()) return then(spawned.status());
        then(ActorAddress{.node = node, .actor = spawned->actor});
      });
}

void ActorHost::ActorContext::Stop(ActorId actor) { host_.Stop(actor); }

void ActorHost::ActorContext::Register(const std::string& name,
                                       absl::AnyInvocable<void(absl::Status)> then) {
  Ask(NodeActorOf(kHeadNode), membership::RegisterName{.name = name, .actor = self_.actor},
      kServiceTimeout,
      [then = std::move(then)](const absl::StatusOr<membership::Registered>& registered) mutable {
        then(registered.status());
      });
}

void ActorHost::ActorContext::Resolve(const std::string& name, Duration timeout,
                                      absl::AnyInvocable<void(absl::StatusOr<ActorAddress>)> then) {
  Ask(NodeActorOf(kHeadNode), membership::ResolveName{.name = name, .wait = timeout}, timeout,
      [then = std::move(then)](absl::StatusOr<membership::Resolved> resolved) mutable {
        if (!resolved.ok()) return then(resolved.status());
        then(resolved->address);
      });
}

void ActorHost::ActorContext::Evict(NodeId node, const absl::Status& why) {
  host_.deferred_.push_back([this, node, why] { host_.options_.outside.Evict(node, why); });
}

absl::Status ActorHost::ActorContext::Send(const ActorAddress& to, Traffic traffic, Frame frame) {
  return host_.options_.outside.Send(to, traffic, std::move(frame));
}

absl::Status ActorHost::ActorContext::SendPublished(Traffic traffic, Frame frame) {
  return host_.options_.outside.Publish(traffic, std::move(frame));
}

std::uint64_t ActorHost::ActorContext::Expect(
    const ActorAddress& to, Duration timeout,
    absl::AnyInvocable<void(absl::StatusOr<const FrameReader*>)> then) {
  return host_.Expect(cell_, to.node, timeout, std::move(then));
}

void ActorHost::ActorContext::Fail(std::uint64_t correlation, const absl::Status& why) {
  host_.deferred_.push_back([this, correlation, why] { host_.Complete(correlation, why, {}); });
}

}  // namespace runtime
