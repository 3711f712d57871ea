#include "tests/support/local_worker.h"

#include <chrono>
#include <utility>

#include <nlohmann/json.hpp>

#include "actors/messages.h"
#include "actors/run_options.h"
#include "actors/training/quadratic_trainer.h"
#include "actors/worker.h"
#include "runtime/base/random.h"
#include "runtime/base/status.h"

namespace tests {
namespace {

class NoTransfer final : public runtime::Transfer {
 public:
  runtime::RingEndpoint endpoint() const override { return {.tcp = "tcp://127.0.0.1:1"}; }
  void Offer(runtime::TransferOffer) override {}
  void Lend(runtime::TransferOffer) override {}
  void Fetch(runtime::TransferJob, Done done) override {
    done(absl::UnavailableError("a local worker fetches nothing"));
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<LocalWorker>> LocalWorker::Join(const std::string& head,
                                                               const std::string& name,
                                                               const std::string& folder) {
  std::unique_ptr<LocalWorker> worker(new LocalWorker());
  LocalWorker* const self = worker.get();
  ASSIGN_OR_RETURN(const runtime::Address address, runtime::ParseConnectAddress(head));
  const runtime::NodeId id = runtime::RandomNodeId();
  self->make_trainer_ = [](const actors::RunConfig& config) {
    return std::make_unique<actors::QuadraticTrainer>(actors::TrainingOptionsOf(config));
  };
  self->transfer_ = std::make_unique<NoTransfer>();
  self->transport_ = std::make_unique<runtime::ZmqTransport>(runtime::ZmqTransportOptions{
      .self = id, .role = runtime::ZmqTransportOptions::Role::kConnect, .address = address});
  ASSIGN_OR_RETURN(self->ring_, runtime::ZmqRing::Create({.node = id}));
  self->node_ = std::make_unique<runtime::Node>(
      runtime::NodeOptions{.id = id,
                           .name = name,
                           .role = actors::kWorkerRole,
                           .details = nlohmann::json{{"pid", 1}, {"host_key", "here"}}.dump()},
      self->clock_, *self->transport_);
  self->training_ = std::make_unique<runtime::ThreadExecutor>(
      runtime::ThreadExecutor::Options{.thread_name = "local-training"});
  self->node_->RegisterKind(actors::kWorkerKind, [self, folder] {
    return std::make_unique<actors::Worker>(actors::WorkerParts{
        .ring = *self->ring_,
        .transfer = *self->transfer_,
        .training = *self->training_,
        .make_trainer = self->make_trainer_,
        .clock = self->clock_,
        .sent = [self] { return self->transport_->SentBytes(); },
        .dropped = [self] { return self->node_->Dropped(); },
        .folder = folder,
        .quit = [self](const absl::Status& why) { self->node_->RequestEnd(why); }});
  });
  self->thread_ = std::make_unique<runtime::NodeThread>(*self->node_);
  RETURN_IF_ERROR(self->thread_->Start());
  RETURN_IF_ERROR(self->node_->WaitJoined(self->clock_.Now() + std::chrono::seconds(10)));
  return worker;
}

LocalWorker::~LocalWorker() { Stop(); }

void LocalWorker::Stop() {
  if (thread_ == nullptr) return;
  (void)thread_->Stop(std::chrono::seconds(3));
  training_.reset();
  thread_.reset();
}

}  // namespace tests
