#include "apps/rondo/head_process.h"

#include <absl/strings/str_cat.h>

#include <string>
#include <utility>
#include <vector>

#include "actors/client_messages.h"
#include "actors/head.h"
#include "runtime/base/random.h"
#include "runtime/base/status.h"
#include "runtime/net/connect_back.h"

namespace apps {
namespace {

// Of one look at all nodes that have joined meanwhile.
constexpr runtime::Duration kConnectBackTimeout = std::chrono::seconds(2);
constexpr runtime::Duration kStopTimeout = std::chrono::seconds(3);
// Nodes that hear the goodbye go at once; this long a head waits for those that do not.
constexpr runtime::Duration kGoodbyeLinger = std::chrono::milliseconds(1500);

std::vector<absl::Status> ConnectBack(const std::vector<std::string>& addresses) {
  return runtime::TryConnections(addresses, kConnectBackTimeout);
}

}  // namespace

absl::StatusOr<std::unique_ptr<HeadProcess>> HeadProcess::Start(HeadProcessOptions options) {
  std::unique_ptr<HeadProcess> head(new HeadProcess());
  head->options_ = std::move(options);
  const runtime::NodeId id = runtime::RandomNodeId();
  head->transport_ = std::make_unique<runtime::ZmqTransport>(
      runtime::ZmqTransportOptions{.self = id,
                                   .role = runtime::ZmqTransportOptions::Role::kListen,
                                   .address = head->options_.listen,
                                   .broadcast_ports = head->options_.broadcast_ports});
  head->node_ =
      std::make_unique<runtime::Node>(runtime::NodeOptions{.id = id,
                                                           .name = "head",
                                                           .role = "head",
                                                           .liveness = head->options_.liveness,
                                                           .log = head->options_.log,
                                                           .is_head = true,
                                                           .witness_role = actors::kWorkerRole,
                                                           .epoch = head->epoch()},
                                      head->clock_, *head->transport_);
  head->connector_ = std::make_unique<runtime::ThreadExecutor>(runtime::ThreadExecutor::Options{
      .thread_name = "rondo-connect",
      .on_failure = [node = head->node_.get()](const absl::Status& why) {
        node->RequestEnd(why);
      }});
  if (head->options_.journal != nullptr) RETURN_IF_ERROR(head->PrepareCheckpoints(id));
  HeadProcess* self = head.get();
  RETURN_IF_ERROR(head->node_->Spawn(
      actors::kHeadName,
      [self] {
        return std::make_unique<actors::Head>(actors::HeadOptions{
            .address = self->join_address(),
            .listen = self->transport_->control_address().ToString(),
            .runs_folder = self->options_.runs_folder,
            .sent =
                [self] {
                  runtime::Ledger sent = self->transport_->SentBytes();
                  if (self->transfer_ != nullptr) sent += self->transfer_->SentBytes();
                  return sent;
                },
            .dropped = [self] { return self->node_->Dropped(); },
            .nodes = [self] { return self->node_->Nodes(); },
            .connect = self->options_.connects_back ? ConnectBack : nullptr,
            .connector = self->connector_.get(),
            .journal = self->options_.journal.get(),
            .known = self->options_.known,
            .epoch = self->epoch(),
            .transfer = self->transfer_.get(),
            .disk = self->disk_.get(),
            .quit = [self](const absl::Status& why) { self->node_->RequestEnd(why); }});
      },
      runtime::Supervision{.max_restarts = 0}));
  if (head->options_.prepare) RETURN_IF_ERROR(head->options_.prepare(*head->node_));
  head->thread_ = std::make_unique<runtime::NodeThread>(*head->node_);
  RETURN_IF_ERROR(head->thread_->Start());
  return head;
}

absl::Status HeadProcess::PrepareCheckpoints(runtime::NodeId id) {
  const bool any = options_.listen.host == "0.0.0.0" || options_.listen.host == "::";
  runtime::ListenOptions listen{
      .host = any ? "*" : options_.listen.host,
      .advertised_host = options_.advertise.empty() ? options_.listen.host : options_.advertise};
  // The first of them is for broadcasts.
  if (options_.broadcast_ports.has_value() &&
      options_.broadcast_ports->first < options_.broadcast_ports->last) {
    listen.first_port = static_cast<std::uint16_t>(options_.broadcast_ports->first + 1);
    listen.last_port = options_.broadcast_ports->last;
  }
  ASSIGN_OR_RETURN(transfer_, runtime::ZmqTransfer::Create({.node = id, .listen = listen}));
  disk_ = std::make_unique<runtime::ThreadExecutor>(runtime::ThreadExecutor::Options{
      .thread_name = "rondo-disk",
      .on_failure = [this](const absl::Status& why) { node_->RequestEnd(why); }});
  return absl::OkStatus();
}

HeadProcess::~HeadProcess() { Stop(); }

void HeadProcess::Stop() {
  if (thread_ == nullptr) return;
  (void)thread_->Stop(kStopTimeout, kGoodbyeLinger);
  thread_.reset();
}

std::string HeadProcess::join_address() const {
  runtime::Address address = transport_->control_address();
  if (!options_.advertise.empty()) address.host = options_.advertise;
  std::string text = address.ToString();
  const std::string scheme = "tcp://";
  if (text.compare(0, scheme.size(), scheme) == 0) text.erase(0, scheme.size());
  return text;
}

}  // namespace apps
