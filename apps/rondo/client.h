// The main thread's way to the cluster: blocking questions, and the events of a run.
//
// A client is an actor on a node of this process: on the head's own node where the head runs here,
// else on a node that joins a head elsewhere. What it says and hears is the same.
#ifndef RONDO_APPS_RONDO_CLIENT_H_
#define RONDO_APPS_RONDO_CLIENT_H_

#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "actors/client_messages.h"
#include "runtime/actor/node.h"
#include "runtime/actor/node_thread.h"
#include "runtime/base/clock.h"
#include "runtime/base/mutex.h"
#include "runtime/net/zmq_transport.h"

namespace apps {

struct ConnectOptions {
  std::string address;  // HOST:PORT.
  std::string role = "client";
  std::string name;
  runtime::Duration timeout = std::chrono::seconds(5);
  bool outlives_head = false;  // Waits for a head that went away without a goodbye.
};

// Main thread.
class Client {
 public:
  // A client on a node of this process that has not started yet and outlives it.
  static absl::StatusOr<std::unique_ptr<Client>> On(runtime::Node& node);
  // Joins the head at `options.address`. HEAD_UNREACHABLE, NOT_A_HEAD, ... with the true cause;
  // INCOMPATIBLE_*, exit 7.
  static absl::StatusOr<std::unique_ptr<Client>> Connect(const ConnectOptions& options);
  ~Client();

  // What the head refuses with; HEAD_LOST or HEAD_SILENT, exit 3, if it cannot answer.
  template <runtime::Question M>
  absl::StatusOr<typename M::Reply> Ask(const M& question, runtime::Duration timeout) {
    struct Slot {
      runtime::Mutex mutex;
      runtime::Condition changed;
      std::optional<absl::StatusOr<typename M::Reply>> reply;
    };
    auto slot = std::make_shared<Slot>();
    Post([question, timeout, slot](runtime::Context& context) {
      context.Ask(HeadRef(), question, timeout, [slot](absl::StatusOr<typename M::Reply> reply) {
        runtime::MutexLock lock(slot->mutex);
        slot->reply.emplace(std::move(reply));
        slot->changed.NotifyAll();
      });
    });
    // The node answers at `timeout`; the second is for a node that is ending.
    const runtime::Time deadline = std::chrono::steady_clock::now() + timeout + kGrace;
    runtime::MutexLock lock(slot->mutex);
    while (!slot->reply.has_value() && std::chrono::steady_clock::now() < deadline) {
      slot->changed.WaitUntil(slot->mutex, deadline);
    }
    if (!slot->reply.has_value() || IsNoAnswer(slot->reply->status())) return Gone();
    return *std::move(slot->reply);
  }

  template <runtime::Message M>
  void Tell(const M& message) {
    Post([message](runtime::Context& context) {
      (void)context.Tell(HeadRef(), message);  // A head that is gone shows as Ended.
    });
  }

  // Submits the run; its events come here.
  absl::StatusOr<actors::RunAccepted> Submit(const std::string& config);
  // Nothing of the run comes here.
  absl::StatusOr<actors::RunAccepted> SubmitUnfollowed(const std::string& config);
  // The next event, if one comes by `deadline`.
  std::optional<actors::RunEventLine> NextEvent(runtime::Time deadline);
  // Why the node of this client has ended, if it has.
  // Whether its head is there; one that outlives it waits meanwhile.
  bool SeesHead() const { return !node_->Nodes().empty(); }
  std::optional<absl::Status> Ended() const { return node_->Ended(); }

 private:
  class Actor;
  // Shared with the actor, which may outlive this object by a moment.
  struct Inbox {
    runtime::Mutex mutex;
    runtime::Condition changed;
    std::deque<actors::RunEventLine> events ABSL_GUARDED_BY(mutex);
    // Asked for before the actor had started.
    std::deque<absl::AnyInvocable<void(runtime::Context&)>> waiting ABSL_GUARDED_BY(mutex);
    runtime::Poster poster ABSL_GUARDED_BY(mutex);
    runtime::Context* context ABSL_GUARDED_BY(mutex) = nullptr;  // Used on the actor thread only.
  };
  // A node of our own, where the head is elsewhere.
  struct Remote {
    runtime::SteadyClock clock;
    std::unique_ptr<runtime::ZmqTransport> transport;
    std::unique_ptr<runtime::Node> node;
    std::unique_ptr<runtime::NodeThread> thread;
  };
  static constexpr runtime::Duration kGrace = std::chrono::seconds(1);

  Client() = default;
  static runtime::ActorRef<actors::HeadProtocol> HeadRef() {
    return {
        .address = {.node = runtime::kHeadNode, .actor = runtime::ActorIdOf(actors::kHeadName)}};
  }
  absl::Status SpawnActor(runtime::Node& node);
  // Runs `action` on the actor thread.
  void Post(absl::AnyInvocable<void(runtime::Context&)> action);
  // Not what the head said, but that it said nothing.
  static bool IsNoAnswer(const absl::Status& status);
  absl::Status Gone() const;

  std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  std::unique_ptr<Remote> remote_;
  runtime::Node* node_ = nullptr;
};

}  // namespace apps

#endif  // RONDO_APPS_RONDO_CLIENT_H_
