#include "runtime/actor/actor_host.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "runtime/actor/actor_context.h"
#include "runtime/actor/guard.h"
#include "runtime/base/require.h"

namespace runtime {
namespace {

// An ActorId's name in messages; the node's own actor has none.
std::string Described(const std::string& name) { return name.empty() ? "the node" : name; }

}  // namespace

ActorHost::ActorHost(Options options) : options_(std::move(options)) {}

ActorHost::~ActorHost() { StopAll(); }

absl::Status ActorHost::Spawn(const std::string& name, ActorFactory factory,
                              const Supervision& supervision) {
  if (name.empty()) return absl::InvalidArgumentError("an actor needs a name");
  return SpawnCell(ActorIdOf(name), name, std::move(factory), supervision);
}

absl::Status ActorHost::SpawnNodeActor(ActorFactory factory) {
  return SpawnCell(ActorId::kNone, "", std::move(factory), Supervision{});
}

absl::Status ActorHost::SpawnCell(ActorId id, const std::string& name, ActorFactory factory,
                                  const Supervision& supervision) {
  std::unique_ptr<Cell>& cell = cells_[id];
  if (cell != nullptr && cell->state != Cell::State::kStopped) {
    return absl::AlreadyExistsError(absl::StrCat("an actor named ", name, " runs already"));
  }
  if (cell == nullptr) cell = std::make_unique<Cell>(*this, id, name);
  cell->factory = std::move(factory);
  cell->supervisor = Supervisor(supervision);
  cell->state = Cell::State::kStarting;
  started_.push_back(cell.get());
  deferred_.push_back([this, starting = cell.get()] {
    if (starting->state == Cell::State::kStarting) Start(*starting);
  });
  return absl::OkStatus();
}

void ActorHost::Start(Cell& cell) {
  ++cell.life;
  cell.state = Cell::State::kRunning;
  Run(cell, {}, [&]() -> absl::Status {
    cell.actor = cell.factory();
    if (cell.actor == nullptr) return absl::InternalError("its factory made nothing");
    options_.mailbox->AddDataTypes(cell.actor->DataTypes());
    return cell.actor->OnStart(cell.context);
  });
  for (const NodeInfo& node : options_.outside.UpNodes()) {
    if (cell.state != Cell::State::kRunning) return;
    Run(cell, {}, [&] { return cell.actor->OnNodeUp(cell.context, node); });
  }
  while (cell.state == Cell::State::kRunning && !cell.kept.empty()) {
    const FrameLetter letter = std::move(cell.kept.front());
    cell.kept.pop_front();
    DeliverTo(cell, letter);
  }
}

void ActorHost::Run(Cell& cell, NodeId sender, absl::FunctionRef<absl::Status()> handle) {
  cell.context.set_sender(sender);
  const absl::Status status = RunGuarded(handle);
  cell.context.set_sender({});
  if (!status.ok()) OnFailure(cell, status);
}

void ActorHost::EndLife(Cell& cell) {
  ++cell.life;
  timers_.CancelAllOf(&cell);
  std::vector<Question> forgotten;  // Destroyed last: what they hold may send.
  for (auto question = questions_.begin(); question != questions_.end();) {
    if (question->second.asker == &cell) {
      timers_.Cancel(question->second.timer);
      forgotten.push_back(std::move(question->second));
      question = questions_.erase(question);
    } else {
      ++question;
    }
  }
  const std::unique_ptr<Actor> dead = std::move(cell.actor);
}

void ActorHost::OnFailure(Cell& cell, const absl::Status& why) {
  cell.state = Cell::State::kBackingOff;
  EndLife(cell);
  const std::string name = Described(cell.name);
  const std::optional<Duration> backoff = cell.supervisor.OnFailure(options_.clock.Now());
  if (!backoff.has_value()) {
    options_.log.Error("actor_failed_for_good", {{"actor", name}, {"why", why}});
    StopCell(cell);
    options_.outside.OnEscalation(why);
    return;
  }
  ++restarts_;
  options_.log.Warning("actor_failed", {{"actor", name},
                                        {"why", why},
                                        {"restart_in", *backoff},
                                        {"restarts", cell.supervisor.restarts()}});
  // A timer of the node: it has to outlive the life that ended.
  After(*backoff, [this, &cell, life = cell.life] {
    if (cell.state == Cell::State::kBackingOff && cell.life == life) Start(cell);
  });
}

void ActorHost::Stop(ActorId actor) {
  deferred_.push_back([this, actor] {
    const auto found = cells_.find(actor);
    if (found != cells_.end()) StopCell(*found->second);
  });
}

void ActorHost::StopCell(Cell& cell) {
  if (cell.state == Cell::State::kStopped) return;
  if (cell.state == Cell::State::kRunning) {
    const absl::Status stopped = RunGuarded([&] {
      cell.actor->OnStop(cell.context);
      return absl::OkStatus();
    });
    if (!stopped.ok()) {
      options_.log.Error("actor_failed_to_stop", {{"actor", cell.name}, {"why", stopped}});
    }
  }
  cell.state = Cell::State::kStopped;
  EndLife(cell);
  cell.kept.clear();
  started_.erase(std::remove(started_.begin(), started_.end(), &cell), started_.end());
}

void ActorHost::StopAll() {
  while (!started_.empty()) StopCell(*started_.back());
  timers_.Clear();
  // What is destroyed here may defer more, but nothing runs any more that could go on for ever.
  while (!deferred_.empty()) deferred_.pop_front();
}

void ActorHost::Deliver(FrameLetter letter) {
  const Envelope& envelope = letter.reader->envelope();
  if (envelope.kind == EnvelopeKind::kAnswer || envelope.kind == EnvelopeKind::kFailure) {
    DeliverAnswer(*letter.reader);
    return;
  }
  const auto found = cells_.find(envelope.to_actor);
  if (found == cells_.end() || found->second->state == Cell::State::kStopped) {
    ++options_.drops.actor;
    RefuseAsk(envelope, absl::UnavailableError("no such actor runs on that node"));
    return;
  }
  Cell& cell = *found->second;
  if (cell.state == Cell::State::kRunning) {
    DeliverTo(cell, letter);
    return;
  }
  // Between two lives: whoever asks shall not wait; what was told is kept.
  if (envelope.kind == EnvelopeKind::kAsk) {
    RefuseAsk(envelope, absl::UnavailableError(absl::StrCat(cell.name, " is being restarted")));
  } else if (cell.kept.size() < kMostKept) {
    cell.kept.push_back(std::move(letter));
  } else {
    ++options_.drops.full;
  }
}

void ActorHost::DeliverTo(Cell& cell, const FrameLetter& letter) {
  const Envelope& envelope = letter.reader->envelope();
  Run(cell, envelope.from, [&]() -> absl::Status {
    absl::Status status = cell.actor->OnFrame(cell.context, *letter.reader);
    const bool unknown = absl::IsUnimplemented(status);
    if (!unknown && !absl::IsInvalidArgument(status)) return status;
    ++(unknown ? options_.drops.actor : options_.drops.decode);
    options_.log.Debug("message_dropped", {{"actor", Described(cell.name)}, {"why", status}});
    RefuseAsk(envelope, status);
    return absl::OkStatus();
  });
}

void ActorHost::RefuseAsk(const Envelope& question, const absl::Status& why) {
  if (question.kind != EnvelopeKind::kAsk) return;
  const Envelope refusal{.to = question.from,
                         .to_actor = question.from_actor,
                         .from = options_.self,
                         .from_actor = question.to_actor,
                         .kind = EnvelopeKind::kFailure,
                         .correlation = question.correlation};
  // An asker that is gone needs no answer.
  (void)options_.outside.Send({.node = question.from, .actor = question.from_actor},
                              Traffic::kControl, EncodeFailure(refusal, why));
}

void ActorHost::RunPosted(PostedLetter letter) {
  const auto found = cells_.find(letter.actor);
  if (found == cells_.end()) return;
  Cell& cell = *found->second;
  if (cell.life != letter.life || cell.state != Cell::State::kRunning) return;
  Run(cell, {}, [&] {
    letter.closure();
    return absl::OkStatus();
  });
}

std::uint64_t ActorHost::Expect(Cell& cell, NodeId asked, Duration timeout,
                                absl::AnyInvocable<void(absl::StatusOr<const FrameReader*>)> then) {
  const std::uint64_t correlation = next_correlation_++;
  const std::uint64_t timer =
      timers_.Add(options_.clock.Now() + timeout, nullptr, [this, correlation] {
        Complete(correlation, absl::DeadlineExceededError("no answer within the time given"), {});
      });
  questions_.emplace(
      correlation,
      Question{.asker = &cell, .asked = asked, .timer = timer, .then = std::move(then)});
  return correlation;
}

void ActorHost::Complete(std::uint64_t correlation, absl::StatusOr<const FrameReader*> answer,
                         NodeId sender) {
  const auto found = questions_.find(correlation);
  if (found == questions_.end()) return;
  Question question = std::move(found->second);
  questions_.erase(found);
  timers_.Cancel(question.timer);
  Run(*question.asker, sender, [&] {
    question.then(std::move(answer));
    return absl::OkStatus();
  });
}

void ActorHost::DeliverAnswer(const FrameReader& frame) {
  const Envelope& envelope = frame.envelope();
  const auto found = questions_.find(envelope.correlation);
  // It came too late, or from somebody who was not asked. The head may answer for any node, when it
  // cannot pass the question on.
  const bool awaited = found != questions_.end() &&
                       (found->second.asked == envelope.from || found->second.asked == kHeadNode ||
                        envelope.kind == EnvelopeKind::kFailure);
  if (!awaited) {
    ++options_.drops.actor;
    return;
  }
  if (envelope.kind == EnvelopeKind::kFailure) {
    Complete(envelope.correlation, DecodeFailure(frame), envelope.from);
  } else {
    Complete(envelope.correlation, &frame, envelope.from);
  }
}

void ActorHost::AnnounceUp(const NodeInfo& node) {
  const std::vector<Cell*> cells = started_;
  for (Cell* cell : cells) {
    if (cell->state != Cell::State::kRunning) continue;
    Run(*cell, {}, [&] { return cell->actor->OnNodeUp(cell->context, node); });
  }
}

void ActorHost::AnnounceDown(NodeId node, const absl::Status& why,
                             absl::FunctionRef<bool(NodeId asked)> concerns) {
  std::vector<std::uint64_t> hopeless;
  for (const auto& [correlation, question] : questions_) {
    if (concerns(question.asked)) hopeless.push_back(correlation);
  }
  const absl::Status gone =
      absl::UnavailableError(absl::StrCat("node ", node.ShortName(), " is gone: ", why.message()));
  for (const std::uint64_t correlation : hopeless) Complete(correlation, gone, {});
  const std::vector<Cell*> cells = started_;
  for (Cell* cell : cells) {
    if (cell->state != Cell::State::kRunning) continue;
    Run(*cell, {}, [&] { return cell->actor->OnNodeDown(cell->context, node, why); });
  }
}

void ActorHost::After(Duration delay, absl::AnyInvocable<void()> then) {
  timers_.Add(options_.clock.Now() + delay, nullptr, std::move(then));
}

void ActorHost::RunDeferred() {
  while (!deferred_.empty()) {
    absl::AnyInvocable<void()> next = std::move(deferred_.front());
    deferred_.pop_front();
    next();
  }
}

void ActorHost::RunTimers() {
  // Only those that wait already: one that sets itself again without delay must not keep the
  // messages waiting.
  const Time now = options_.clock.Now();
  const std::uint64_t limit = timers_.next_id();
  while (auto due = timers_.PopDue(now, limit)) {
    if (due->owner == nullptr) {
      due->then();
    } else {
      Run(*due->owner, {}, [&] {
        due->then();
        return absl::OkStatus();
      });
    }
    RunDeferred();
  }
}

std::optional<Time> ActorHost::NextTimer() const { return timers_.Next(); }

}  // namespace runtime
