#include "apps/rondo/head_process.h"

#include <absl/strings/str_cat.h>

#include <utility>

#include "actors/client_messages.h"
#include "actors/head.h"
#include "runtime/base/random.h"
#include "runtime/base/status.h"

namespace apps {
namespace {

constexpr runtime::Duration kStopTimeout = std::chrono::seconds(3);
// Nodes that hear the goodbye go at once; this long a head waits for those that do not.
constexpr runtime::Duration kGoodbyeLinger = std::chrono::milliseconds(1500);

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
                                                           .is_head = true},
                                      head->clock_, *head->transport_);
  HeadProcess* self = head.get();
  RETURN_IF_ERROR(head->node_->Spawn(
      actors::kHeadName,
      [self] {
        return std::make_unique<actors::Head>(actors::HeadOptions{
            .address = self->join_address(),
            .runs_folder = self->options_.runs_folder,
            .sent = [self] { return self->transport_->SentBytes(); },
            .dropped = [self] { return self->node_->Dropped(); },
            .nodes = [self] { return self->node_->Nodes(); },
            .quit = [self](const absl::Status& why) { self->node_->RequestEnd(why); }});
      },
      runtime::Supervision{.max_restarts = 0}));
  if (head->options_.prepare) RETURN_IF_ERROR(head->options_.prepare(*head->node_));
  head->thread_ = std::make_unique<runtime::NodeThread>(*head->node_);
  RETURN_IF_ERROR(head->thread_->Start());
  return head;
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
