#include "runtime/collective/zmq_transfer.h"

#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "runtime/base/status.h"
#include "runtime/collective/zmq_transfer_link.h"
#include "runtime/collective/zmq_transfer_server.h"
#include "runtime/net/zmq_handles.h"
#include "runtime/net/zmq_input.h"

namespace runtime {
namespace {

// Messages that are handled before the thread looks at its commands and deadlines again.
constexpr int kTurns = 64;
constexpr Duration kIdleInterval = std::chrono::seconds(1);

}  // namespace

absl::StatusOr<std::unique_ptr<ZmqTransfer>> ZmqTransfer::Create(ZmqTransferOptions options) {
  std::unique_ptr<ZmqTransfer> transfer(new ZmqTransfer(std::move(options)));
  RETURN_IF_ERROR(transfer->Open());
  transfer->thread_ = std::thread([self = transfer.get()] { self->Run(); });
  return transfer;
}

ZmqTransfer::ZmqTransfer(ZmqTransferOptions options) : options_(std::move(options)) {}

absl::Status ZmqTransfer::Open() {
  event_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  context_ = zmq_ctx_new();
  if (event_fd_ < 0 || context_ == nullptr) return ZmqError("cannot open transfer sockets");
  ASSIGN_OR_RETURN(server_, ZmqTransferServer::Open(context_, options_, counters_));
  link_ = std::make_unique<ZmqTransferLink>(context_, server_->endpoint().host_key, counters_);
  client_ = std::make_unique<TransferClient>(*link_, clock_, options_.client);
  return absl::OkStatus();
}

ZmqTransfer::~ZmqTransfer() {
  if (thread_.joinable()) {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
    }
    eventfd_write(event_fd_, 1);
    thread_.join();
  }
  link_.reset();
  server_.reset();
  // Returns when libzmq has let go of every message, because nothing lingers.
  if (context_ != nullptr) {
    while (zmq_ctx_term(context_) != 0 && zmq_errno() == EINTR) {
    }
  }
  if (event_fd_ >= 0) ::close(event_fd_);
}

RingEndpoint ZmqTransfer::endpoint() const { return server_->endpoint(); }

void ZmqTransfer::Offer(TransferOffer offer) { server_->Offer(std::move(offer)); }

void ZmqTransfer::Lend(TransferOffer loan) { server_->Lend(std::move(loan)); }

void ZmqTransfer::Fetch(TransferJob job, Done done) {
  {
    MutexLock lock(mutex_);
    commands_.push_back({.job = std::move(job), .done = std::move(done)});
  }
  eventfd_write(event_fd_, 1);
}

void ZmqTransfer::RunCommands() {
  std::deque<Command> commands;
  {
    MutexLock lock(mutex_);
    commands.swap(commands_);
  }
  for (Command& command : commands) {
    client_->Start(std::move(command.job), std::move(command.done));
  }
}

// One turn: a request, and an answer.
bool ZmqTransfer::Work() {
  bool worked = server_->TakeRequest();
  worked |= link_->TakeAnswer(*client_);
  return worked;
}

void ZmqTransfer::Run() {
  for (;;) {
    {
      MutexLock lock(mutex_);
      if (stopping_) break;
    }
    RunCommands();
    bool worked = true;
    for (int turn = 0; turn < kTurns && worked; ++turn) worked = Work();
    server_->ReadConnectionEvents();
    // What a lost donor had said before comes first.
    if (!worked) link_->TakeFailure(*client_);
    client_->OnTime();
    if (!worked) Wait();
  }
  Finish();
}

void ZmqTransfer::Wait() {
  const Time now = clock_.Now();
  const Duration timeout =
      client_->HasJob() ? std::min(kIdleInterval, client_->NextDeadline() - now) : kIdleInterval;
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  ZmqInput* const inputs[] = {server_->requests(), server_->events(), link_->answers(),
                              link_->events()};
  if (WaitForInput(event_fd_, inputs, static_cast<int>(std::max<std::int64_t>(0, milliseconds)))) {
    eventfd_t count;
    eventfd_read(event_fd_, &count);
  }
}

void ZmqTransfer::Finish() {
  RunCommands();
  client_->Abort(absl::AbortedError("the transfer stops"));
  link_->Disconnect();
  server_->Close();
}

Ledger ZmqTransfer::SentBytes() const {
  Ledger ledger;
  ledger.Add(Traffic::kJoin, counters_.sent_join.load());
  ledger.Add(Traffic::kCheckpoint, counters_.sent_checkpoint.load());
  return ledger;
}

Drops ZmqTransfer::Dropped() const {
  return {.handshake = counters_.dropped_handshake.load(),
          .frame = counters_.dropped_frame.load(),
          .checksum = counters_.dropped_checksum.load(),
          .fence = counters_.dropped_fence.load(),
          .decode = counters_.dropped_decode.load(),
          .full = counters_.dropped_full.load(),
          .route = counters_.dropped_route.load()};
}

}  // namespace runtime
