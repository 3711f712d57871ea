// What an actor is, and what it may do.
//
// All actors of a node run on its one actor thread, one message at a time: an actor owns its
// fields without locks, and a handler must not block. Long work goes to an Executor
// (runtime/actor/executor.h) and comes back through a Poster.
#ifndef RONDO_RUNTIME_ACTOR_ACTOR_H_
#define RONDO_RUNTIME_ACTOR_ACTOR_H_

#include <absl/functional/any_invocable.h>
#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/actor/protocol.h"
#include "runtime/base/clock.h"
#include "runtime/base/ids.h"
#include "runtime/net/frame.h"
#include "runtime/net/traffic.h"

namespace runtime {

// What a node told of itself when it joined.
struct NodeInfo {
  NodeId id;
  std::string name;     // Chosen by people; not unique.
  std::string role;     // "worker", "client": what the layer above makes of it.
  std::string address;  // As the head sees it: "10.0.0.5".
  std::string details;  // JSON of the layer above: threads, paths, version.
};

enum class TimerId : std::uint64_t { kNone = 0 };

// Runs closures on an actor's thread, from any thread. A closure posted to an actor that stopped or
// was restarted since is dropped: a Poster belongs to one life of one actor. Copyable.
class Poster {
 public:
  using Sink = std::shared_ptr<absl::AnyInvocable<void(absl::AnyInvocable<void()>) const>>;
  Poster() = default;
  explicit Poster(Sink sink) : sink_(std::move(sink)) {}
  void Post(absl::AnyInvocable<void()> closure) const {
    if (sink_) (*sink_)(std::move(closure));
  }

 private:
  Sink sink_;
};

// Answers a question, at once or later; at most once. Dropped without an answer, it answers
// kUnavailable, so that no asker waits for nothing.
template <Message Reply>
class Responder {
 public:
  using Send = absl::AnyInvocable<void(absl::StatusOr<Reply>)>;
  explicit Responder(Send send) : send_(std::move(send)) {}
  Responder(Responder&& other) noexcept : send_(std::exchange(other.send_, nullptr)) {}
  Responder& operator=(Responder&& other) noexcept {
    std::swap(send_, other.send_);
    return *this;
  }
  ~Responder() {
    if (send_) send_(absl::UnavailableError("the question was dropped without an answer"));
  }
  void Answer(absl::StatusOr<Reply> reply) { std::exchange(send_, nullptr)(std::move(reply)); }

 private:
  Send send_;
};

struct Supervision {
  // Restarts allowed within `window`, then the node is told to end (its process is the next
  // supervisor). 0: the first failure ends it.
  std::uint32_t max_restarts = 3;
  Duration window = std::chrono::seconds(60);
  Duration first_backoff = std::chrono::milliseconds(200);  // Doubles, to 5 s.
};

class Actor;
using ActorFactory = absl::AnyInvocable<std::unique_ptr<Actor>()>;

// What an actor may do. Valid as long as the actor; to be used on the actor thread only.
class Context {
 public:
  virtual ~Context() = default;

  virtual Time Now() const = 0;
  virtual ActorAddress self() const = 0;
  // The node whose message is being handled; null outside of a handler.
  virtual NodeId sender() const = 0;

  // kUnavailable: the node is not connected; kResourceExhausted: its outbox is full.
  template <Message M, typename P>
  absl::Status Tell(const ActorRef<P>& to, const M& message) {
    static_assert(P::template kAccepts<M>, "this actor does not accept this message");
    return Send(to.address, TrafficOf<M>(),
                Encode(to.address, EnvelopeKind::kTell, /*correlation=*/0, message));
  }

  // `then` is called once, on the actor thread: the reply, kDeadlineExceeded after `timeout`,
  // kUnavailable when the node is gone, or the error of the actor that was asked.
  template <Question M, typename P>
  void Ask(const ActorRef<P>& to, const M& question, Duration timeout,
           absl::AnyInvocable<void(absl::StatusOr<typename M::Reply>)> then) {
    static_assert(P::template kAccepts<M>, "this actor does not accept this question");
    const std::uint64_t correlation =
        Expect(to.address, timeout,
               [then = std::move(then)](absl::StatusOr<const FrameReader*> answer) mutable {
                 then(DecodeAnswer<typename M::Reply>(answer));
               });
    const absl::Status sent = Send(to.address, TrafficOf<M>(),
                                   Encode(to.address, EnvelopeKind::kAsk, correlation, question));
    if (!sent.ok()) Fail(correlation, sent);
  }

  // To the actor named `actor` on every welcomed node; the listening node only. A fast path: see
  // Transport::Publish.
  template <Message M, typename P>
  absl::Status Publish(const std::string& actor, const M& message) {
    static_assert(P::template kAccepts<M>, "these actors do not accept this message");
    const ActorAddress to{.node = {}, .actor = ActorIdOf(actor)};
    return SendPublished(TrafficOf<M>(), Encode(to, EnvelopeKind::kTell, 0, message));
  }

  virtual TimerId After(Duration delay, absl::AnyInvocable<void()> then) = 0;
  virtual void Cancel(TimerId timer) = 0;

  // A handle that other threads use to come back to this actor.
  virtual Poster poster() = 0;

  // Starts an actor on this node. `name` is unique within the node.
  virtual absl::Status Spawn(const std::string& name, ActorFactory factory,
                             const Supervision& supervision) = 0;
  // Starts an actor of a registered kind (Node::RegisterKind) on another node.
  virtual void SpawnOn(NodeId node, const std::string& kind, const std::string& name,
                       absl::AnyInvocable<void(absl::StatusOr<ActorAddress>)> then) = 0;
  // Stops an actor of this node, orderly: OnStop, then its mailbox is dropped.
  virtual void Stop(ActorId actor) = 0;

  // Cluster-wide names, kept by the head's node.
  virtual void Register(const std::string& name, absl::AnyInvocable<void(absl::Status)> then) = 0;
  virtual void Resolve(const std::string& name, Duration timeout,
                       absl::AnyInvocable<void(absl::StatusOr<ActorAddress>)> then) = 0;

  // Cuts a node off and tells it why; the listening node only.
  virtual void Evict(NodeId node, const absl::Status& why) = 0;

  // Below: the untyped core, for the templates above and for TypedActor.
  virtual absl::Status Send(const ActorAddress& to, Traffic traffic, Frame frame) = 0;
  virtual absl::Status SendPublished(Traffic traffic, Frame frame) = 0;
  // The number of a question that `to` is about to be asked.
  virtual std::uint64_t Expect(
      const ActorAddress& to, Duration timeout,
      absl::AnyInvocable<void(absl::StatusOr<const FrameReader*>)> then) = 0;
  // The question could not be sent: `then` gets `why`, after the present handler.
  virtual void Fail(std::uint64_t correlation, const absl::Status& why) = 0;

  template <Message M>
  Frame Encode(const ActorAddress& to, EnvelopeKind kind, std::uint64_t correlation,
               const M& message) const {
    const ActorAddress from = self();
    return BuildFrame(
        {.to = to.node,
         .to_actor = to.actor,
         .from = from.node,
         .from_actor = from.actor,
         .kind = kind,
         .correlation = correlation,
         .type = TypeIdOf<M>()},
        [&](capnp::AnyPointer::Builder body) { message.Encode(body.initAs<typename M::Wire>()); });
  }

  template <Message M>
  static absl::StatusOr<M> DecodeBody(const FrameReader& frame) {
    std::optional<M> message;
    const absl::Status status = frame.ReadBody([&](capnp::AnyPointer::Reader body) -> absl::Status {
      absl::StatusOr<M> decoded = M::Decode(body.getAs<typename M::Wire>());
      if (!decoded.ok()) return decoded.status();
      message = *std::move(decoded);
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return *std::move(message);
  }

 private:
  template <Message Reply>
  static absl::StatusOr<Reply> DecodeAnswer(const absl::StatusOr<const FrameReader*>& answer) {
    if (!answer.ok()) return answer.status();
    if ((*answer)->envelope().type != TypeIdOf<Reply>()) {
      return absl::InvalidArgumentError("the answer is of another type than the question wants");
    }
    return DecodeBody<Reply>(**answer);
  }
};

// The untyped base; write a TypedActor instead.
class Actor {
 public:
  virtual ~Actor() = default;
  // Each returns an error only if the actor cannot go on: its supervisor restarts it.
  virtual absl::Status OnStart(Context& context) { return absl::OkStatus(); }
  // kUnimplemented: a type that this actor does not accept; kInvalidArgument: a body that breaks
  // its ranges. Both are counted and dropped, not failures of the actor.
  virtual absl::Status OnFrame(Context& context, const FrameReader& frame) = 0;
  // Membership, as this node sees it: the head hears of every node, the others of the head.
  virtual absl::Status OnNodeUp(Context& context, const NodeInfo& node) { return absl::OkStatus(); }
  virtual absl::Status OnNodeDown(Context& context, NodeId node, const absl::Status& why) {
    return absl::OkStatus();
  }
  virtual void OnStop(Context& context) {}
  // The types of message (capnp::typeId) that wait in the data lane.
  virtual std::vector<std::uint64_t> DataTypes() const { return {}; }
};

// Dispatches the messages of Protocol to Self's handlers, decoded:
//   absl::Status On(Context&, const M&)                       for a message
//   absl::Status On(Context&, const M&, Responder<M::Reply>)  for a question
template <typename Self, typename P>
class TypedActor;

template <typename Self, Message... Messages>
class TypedActor<Self, Protocol<Messages...>> : public Actor {
 public:
  using ProtocolType = Protocol<Messages...>;

  absl::Status OnFrame(Context& context, const FrameReader& frame) final {
    absl::Status result = absl::UnimplementedError("this actor does not accept this message");
    (void)((frame.envelope().type == TypeIdOf<Messages>() &&
            (result = Dispatch<Messages>(context, frame), true)) ||
           ...);
    return result;
  }

  std::vector<std::uint64_t> DataTypes() const final {
    std::vector<std::uint64_t> types;
    ((LaneOf<Messages>() == Lane::kData ? types.push_back(TypeIdOf<Messages>()) : void()), ...);
    return types;
  }

 private:
  template <Message M>
  absl::Status Dispatch(Context& context, const FrameReader& frame) {
    absl::StatusOr<M> message = Context::DecodeBody<M>(frame);
    if (!message.ok()) return absl::InvalidArgumentError(message.status().message());
    if constexpr (Question<M>) {
      return static_cast<Self*>(this)->On(context, *message,
                                          MakeResponder<typename M::Reply>(context, frame));
    } else {
      return static_cast<Self*>(this)->On(context, *message);
    }
  }

  template <Message Reply>
  static Responder<Reply> MakeResponder(Context& context, const FrameReader& frame);
};

// Encodes a status as the body of a failure answer (schema::Failure); see failure.cc.
Frame EncodeFailure(const Envelope& envelope, const absl::Status& why);
absl::Status DecodeFailure(const FrameReader& frame);

template <typename Self, Message... Messages>
template <Message Reply>
Responder<Reply> TypedActor<Self, Protocol<Messages...>>::MakeResponder(Context& context,
                                                                        const FrameReader& frame) {
  const Envelope& question = frame.envelope();
  const ActorAddress asker{.node = question.from, .actor = question.from_actor};
  return Responder<Reply>(
      [&context, asker, correlation = question.correlation](absl::StatusOr<Reply> reply) {
        if (correlation == 0) return;  // It was told, not asked: nobody waits.
        const ActorAddress self = context.self();
        const Envelope envelope{.to = asker.node,
                                .to_actor = asker.actor,
                                .from = self.node,
                                .from_actor = self.actor,
                                .kind = EnvelopeKind::kFailure,
                                .correlation = correlation};
        // An asker that is gone needs no answer.
        (void)context.Send(asker, TrafficOf<Reply>(),
                           reply.ok()
                               ? context.Encode(asker, EnvelopeKind::kAnswer, correlation, *reply)
                               : EncodeFailure(envelope, reply.status()));
      });
}

}  // namespace runtime

#endif  // RONDO_RUNTIME_ACTOR_ACTOR_H_
