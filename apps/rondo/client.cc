#include "apps/rondo/client.h"

#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include <nlohmann/json.hpp>

#include "runtime/base/error.h"
#include "runtime/base/random.h"
#include "runtime/base/status.h"
#include "runtime/net/address.h"

namespace apps {
namespace {

constexpr char kClientName[] = "client";
constexpr runtime::Duration kSubmitTimeout = std::chrono::seconds(10);
// After it, a failing connection has a cause that can be told.
constexpr runtime::Duration kFirstLook = std::chrono::seconds(1);
// A follower that does not read loses events, not the run.
constexpr std::size_t kMostEvents = 100'000;

}  // namespace

// Hands the events of a run to the main thread.
class Client::Actor final : public runtime::TypedActor<Client::Actor, actors::FollowerProtocol> {
 public:
  explicit Actor(std::shared_ptr<Inbox> inbox) : inbox_(std::move(inbox)) {}

  absl::Status OnStart(runtime::Context& context) override {
    std::deque<absl::AnyInvocable<void(runtime::Context&)>> waiting;
    {
      runtime::MutexLock lock(inbox_->mutex);
      inbox_->poster = context.poster();
      inbox_->context = &context;
      waiting.swap(inbox_->waiting);
    }
    for (auto& action : waiting) action(context);
    return absl::OkStatus();
  }

  void OnStop(runtime::Context& context) override {
    runtime::MutexLock lock(inbox_->mutex);
    inbox_->context = nullptr;
  }

  absl::Status On(runtime::Context& context, const actors::RunEventLine& event) {
    runtime::MutexLock lock(inbox_->mutex);
    if (inbox_->events.size() >= kMostEvents) inbox_->events.pop_front();
    inbox_->events.push_back(event);
    inbox_->changed.NotifyAll();
    return absl::OkStatus();
  }

 private:
  const std::shared_ptr<Inbox> inbox_;
};

absl::StatusOr<std::unique_ptr<Client>> Client::On(runtime::Node& node) {
  std::unique_ptr<Client> client(new Client());
  RETURN_IF_ERROR(client->SpawnActor(node));
  return client;
}

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(const ConnectOptions& options) {
  ASSIGN_OR_RETURN(const runtime::Address address, runtime::ParseConnectAddress(options.address));
  ASSIGN_OR_RETURN(const std::string host_key, runtime::HostKey());
  std::unique_ptr<Client> client(new Client());
  client->remote_ = std::make_unique<Remote>();
  Remote& remote = *client->remote_;
  const runtime::NodeId id = runtime::RandomNodeId();
  remote.transport = std::make_unique<runtime::ZmqTransport>(runtime::ZmqTransportOptions{
      .self = id, .role = runtime::ZmqTransportOptions::Role::kConnect, .address = address});
  remote.node = std::make_unique<runtime::Node>(
      runtime::NodeOptions{
          .id = id,
          .name = options.name,
          .role = options.role,
          .details = nlohmann::json{{"pid", getpid()}, {"host_key", host_key}}.dump(),
          .join_timeout = options.timeout,
          .rejoin = options.outlives_head},
      remote.clock, *remote.transport);
  RETURN_IF_ERROR(client->SpawnActor(*remote.node));
  remote.thread = std::make_unique<runtime::NodeThread>(*remote.node);
  RETURN_IF_ERROR(remote.thread->Start());
  const runtime::Time deadline = remote.clock.Now() + options.timeout + kGrace;
  absl::Status joined =
      remote.node->WaitJoined(std::min(deadline, remote.clock.Now() + kFirstLook));
  if (!joined.ok() && !remote.node->Ended().has_value()) {
    // The socket's monitor knows better than a deadline why nobody answers. Only a head that is
    // there and slow is worth more patience.
    const absl::Status cause = remote.transport->DiagnoseConnect();
    if (!cause.ok() && runtime::ToUserError(cause).code != "HEAD_SILENT") return cause;
    joined = remote.node->WaitJoined(deadline);
  }
  if (joined.ok()) return client;
  if (runtime::ToUserError(joined).exit == runtime::Exit::kHeadUnreachable) {
    RETURN_IF_ERROR(remote.transport->DiagnoseConnect());
  }
  return joined;
}

Client::~Client() {
  if (remote_ != nullptr) (void)remote_->thread->Stop(std::chrono::seconds(1));
}

absl::Status Client::SpawnActor(runtime::Node& node) {
  node_ = &node;
  return node.Spawn(
      kClientName, [inbox = inbox_] { return std::make_unique<Actor>(inbox); },
      runtime::Supervision{.max_restarts = 0});
}

void Client::Post(absl::AnyInvocable<void(runtime::Context&)> action) {
  runtime::Poster poster;
  runtime::Context* context = nullptr;
  {
    runtime::MutexLock lock(inbox_->mutex);
    if (inbox_->context == nullptr) {
      inbox_->waiting.push_back(std::move(action));
      return;
    }
    poster = inbox_->poster;
    context = inbox_->context;
  }
  poster.Post([context, action = std::move(action)]() mutable { action(*context); });
}

bool Client::IsNoAnswer(const absl::Status& status) {
  return !runtime::HasUserError(status) &&
         (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status));
}

absl::Status Client::Gone() const {
  const std::optional<absl::Status> ended = Ended();
  if (!ended.has_value()) {
    return runtime::MakeError("HEAD_SILENT", runtime::Exit::kHeadUnreachable,
                              "the head did not answer", "see whether it is alive: rondo status");
  }
  if (!ended->ok() && runtime::HasUserError(*ended)) return *ended;
  return runtime::MakeError("HEAD_LOST", runtime::Exit::kHeadUnreachable,
                            "the head went away before it answered");
}

absl::StatusOr<actors::RunAccepted> Client::Submit(const std::string& config) {
  return Ask(actors::SubmitRun{.config = config, .follower = runtime::ActorIdOf(kClientName)},
             kSubmitTimeout);
}

absl::StatusOr<actors::RunAccepted> Client::SubmitUnfollowed(const std::string& config) {
  return Ask(actors::SubmitRun{.config = config}, kSubmitTimeout);
}

std::optional<actors::RunEventLine> Client::NextEvent(runtime::Time deadline) {
  runtime::MutexLock lock(inbox_->mutex);
  if (inbox_->events.empty()) inbox_->changed.WaitUntil(inbox_->mutex, deadline);
  if (inbox_->events.empty()) return std::nullopt;
  actors::RunEventLine event = std::move(inbox_->events.front());
  inbox_->events.pop_front();
  return event;
}

}  // namespace apps
