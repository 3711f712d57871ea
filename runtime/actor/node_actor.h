// The actor with id 0 of every node: it starts actors of registered kinds, and on the head's node
// it keeps the names of the cluster.
#ifndef RONDO_RUNTIME_ACTOR_NODE_ACTOR_H_
#define RONDO_RUNTIME_ACTOR_NODE_ACTOR_H_

#include <absl/functional/any_invocable.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "runtime/actor/actor.h"
#include "runtime/actor/membership_messages.h"

namespace runtime {

using NodeProtocol =
    Protocol<membership::RegisterName, membership::ResolveName, membership::SpawnActor>;

// How to make one kind of actor.
struct ActorKind {
  absl::AnyInvocable<std::unique_ptr<Actor>()> make;
  Supervision supervision;
};
using ActorKinds = std::map<std::string, std::shared_ptr<ActorKind>>;

class NodeActor final : public TypedActor<NodeActor, NodeProtocol> {
 public:
  // `is_head`: keeps the names. `may_spawn(node)`: whether that node may start actors here.
  NodeActor(bool is_head, absl::AnyInvocable<bool(NodeId)> may_spawn, const ActorKinds& kinds)
      : is_head_(is_head), may_spawn_(std::move(may_spawn)), kinds_(kinds) {}

  absl::Status On(Context& context, const membership::RegisterName& question,
                  Responder<membership::Registered> responder);
  absl::Status On(Context& context, const membership::ResolveName& question,
                  Responder<membership::Resolved> responder);
  absl::Status On(Context& context, const membership::SpawnActor& question,
                  Responder<membership::Spawned> responder);
  absl::Status OnNodeDown(Context& context, NodeId node, const absl::Status& why) override;

 private:
  // Who waits for a name to be taken.
  struct Waiting {
    std::string name;
    Responder<membership::Resolved> responder;
    TimerId timer = TimerId::kNone;
  };

  const bool is_head_;
  absl::AnyInvocable<bool(NodeId)> may_spawn_;
  const ActorKinds& kinds_;
  std::map<std::string, ActorAddress> names_;
  std::map<std::uint64_t, Waiting> waiting_;  // In order of arrival.
  std::uint64_t next_waiting_ = 1;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_ACTOR_NODE_ACTOR_H_
