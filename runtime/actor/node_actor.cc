#include "runtime/actor/node_actor.h"

#include <absl/strings/str_cat.h>

#include <utility>

namespace runtime {
namespace {

// More is a loop that registers or resolves without end.
constexpr std::size_t kMostNames = 65536;
constexpr std::size_t kMostWaiting = 4096;

absl::Status NotTheHead() {
  return absl::FailedPreconditionError("names are kept by the head's node; this is another");
}

}  // namespace

absl::Status NodeActor::On(Context& context, const membership::RegisterName& question,
                           Responder<membership::Registered> responder) {
  if (!is_head_) return responder.Answer(NotTheHead()), absl::OkStatus();
  const ActorAddress address{.node = context.sender(), .actor = question.actor};
  const auto [entry, fresh] = names_.try_emplace(question.name, address);
  if (!fresh && entry->second.node != address.node) {
    responder.Answer(absl::AlreadyExistsError(absl::StrCat(
        "the name ", question.name, " is held by node ", entry->second.node.ShortName())));
    return absl::OkStatus();
  }
  if (fresh && names_.size() > kMostNames) {
    names_.erase(entry);
    responder.Answer(absl::ResourceExhaustedError("too many names"));
    return absl::OkStatus();
  }
  entry->second = address;
  responder.Answer(membership::Registered{});
  for (auto waiting = waiting_.begin(); waiting != waiting_.end();) {
    if (waiting->second.name == question.name) {
      context.Cancel(waiting->second.timer);
      waiting->second.responder.Answer(membership::Resolved{.address = address});
      waiting = waiting_.erase(waiting);
    } else {
      ++waiting;
    }
  }
  return absl::OkStatus();
}

absl::Status NodeActor::On(Context& context, const membership::ResolveName& question,
                           Responder<membership::Resolved> responder) {
  if (!is_head_) return responder.Answer(NotTheHead()), absl::OkStatus();
  const auto found = names_.find(question.name);
  if (found != names_.end()) {
    responder.Answer(membership::Resolved{.address = found->second});
    return absl::OkStatus();
  }
  if (waiting_.size() >= kMostWaiting) {
    responder.Answer(absl::ResourceExhaustedError("too many wait for names"));
    return absl::OkStatus();
  }
  const std::uint64_t number = next_waiting_++;
  const TimerId timer = context.After(question.wait, [this, number] {
    const auto waiting = waiting_.extract(number);
    waiting.mapped().responder.Answer(
        absl::NotFoundError(absl::StrCat("no actor is named ", waiting.mapped().name)));
  });
  waiting_.emplace(number, Waiting{question.name, std::move(responder), timer});
  return absl::OkStatus();
}

absl::Status NodeActor::On(Context& context, const membership::SpawnActor& question,
                           Responder<membership::Spawned> responder) {
  if (!may_spawn_(context.sender())) {
    responder.Answer(absl::PermissionDeniedError("only the head starts actors on other nodes"));
    return absl::OkStatus();
  }
  const auto kind = kinds_.find(question.kind);
  if (kind == kinds_.end()) {
    responder.Answer(
        absl::NotFoundError(absl::StrCat("this node knows no actors of the kind ", question.kind)));
    return absl::OkStatus();
  }
  const absl::Status spawned = context.Spawn(
      question.name, [made = kind->second] { return made->make(); }, kind->second->supervision);
  // A head that was started anew finds what its predecessor left running.
  if (spawned.ok() || absl::IsAlreadyExists(spawned)) {
    responder.Answer(membership::Spawned{.actor = ActorIdOf(question.name)});
  } else {
    responder.Answer(spawned);
  }
  return absl::OkStatus();
}

absl::Status NodeActor::OnNodeDown(Context& context, NodeId node, const absl::Status& why) {
  std::erase_if(names_, [&](const auto& entry) { return entry.second.node == node; });
  return absl::OkStatus();
}

}  // namespace runtime
