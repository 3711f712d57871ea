#include "runtime/collective/zmq_ring.h"

#include <malloc.h>

#include <algorithm>
#include <utility>

#include "runtime/base/require.h"
#include "runtime/base/status.h"
#include "runtime/collective/zmq_ring_link.h"

namespace runtime {
namespace {

// How long an aborted job waits for libzmq to let go of its memory; usually it takes a millisecond.
constexpr Duration kLeasePatience = std::chrono::milliseconds(250);
constexpr Duration kHelloInterval = std::chrono::milliseconds(100);
constexpr Duration kIdleInterval = std::chrono::seconds(1);

// libzmq allocates each chunk that it receives. Above glibc's thresholds every one of them would be
// mapped, zeroed page by page and unmapped: a third of a ring's time. Model-sized vectors stay
// above.
void KeepChunksOnTheHeap() {
  static std::once_flag once;
  std::call_once(once, [] {
    mallopt(M_MMAP_THRESHOLD, 2 * static_cast<int>(kMaxChunkBytes));
    mallopt(M_TRIM_THRESHOLD, 8 * static_cast<int>(kMaxChunkBytes));
  });
}

}  // namespace

absl::StatusOr<std::unique_ptr<ZmqRing>> ZmqRing::Create(const ZmqRingOptions& options) {
  KeepChunksOnTheHeap();
  std::unique_ptr<ZmqRing> ring(new ZmqRing());
  ASSIGN_OR_RETURN(ring->link_, ZmqRingLink::Open(options, ring->counters_));
  ring->endpoint_ = ring->link_->endpoint();
  ring->machine_ = std::make_unique<RingAllreduce>(options.node, *ring->link_, ring->clock_);
  ring->thread_ = std::thread([self = ring.get()] { self->Run(); });
  return ring;
}

ZmqRing::~ZmqRing() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  link_->Wake();
  thread_.join();
}

void ZmqRing::Start(RingJob job, Done done) {
  Post({.start = true, .job = std::move(job), .done = std::move(done)});
}

void ZmqRing::Abort(const Fence& fence) {
  Command command;
  command.job.fence = fence;
  Post(std::move(command));
}

void ZmqRing::Post(Command command) {
  {
    MutexLock lock(mutex_);
    commands_.push_back(std::move(command));
  }
  link_->Wake();
}

void ZmqRing::RunCommands() {
  std::deque<Command> commands;
  {
    MutexLock lock(mutex_);
    commands.swap(commands_);
  }
  for (Command& command : commands) {
    if (command.start) {
      machine_->Start(std::move(command.job), std::move(command.done));
    } else {
      machine_->Abort(command.job.fence);
    }
  }
}

// One turn. Receiving comes before sending: a ring in which everybody sends first can lock up.
bool ZmqRing::Work() {
  bool worked = link_->TakeReleases(*machine_);
  worked |= link_->TakeFromPrevious(*machine_);
  worked |= link_->TakeFromNext(*machine_);
  worked |= machine_->SendOne();
  return worked;
}

void ZmqRing::Run() {
  for (;;) {
    {
      MutexLock lock(mutex_);
      if (stopping_) break;
    }
    RunCommands();
    do {
      MutexLock lock(mutex_);
      flow_ = machine_->Flow();
    } while (Work());
    if (!link_->TakeFailure(*machine_)) Sleep();
  }
  Finish();
}

// One that does not know of us, or of the connection that we opened to it.
bool ZmqRing::WaitsForANeighbour() const {
  return machine_->WaitsForFirstCredit() ||
         (link_->OpensWayToPrevious() && machine_->WaitsForFirstChunk());
}

void ZmqRing::RepeatHellos() {
  if (machine_->WaitsForFirstCredit()) {
    machine_->OnHelloRepeated(link_->RepeatHelloToNext());
  }
  if (link_->OpensWayToPrevious() && machine_->WaitsForFirstChunk()) {
    machine_->OnHelloRepeated(link_->RepeatHelloToPrevious());
    machine_->RepeatCredit();
  }
}

void ZmqRing::Sleep() {
  const Time now = clock_.Now();
  if (!machine_->Draining()) {
    drain_deadline_ = Time::max();
  } else if (drain_deadline_ == Time::max()) {
    drain_deadline_ = now + kLeasePatience;
  } else if (now >= drain_deadline_) {
    machine_->StopWaitingForLeases();
  }
  if (!WaitsForANeighbour()) {
    next_hello_ = Time::max();
  } else if (next_hello_ == Time::max()) {
    next_hello_ = now + kHelloInterval;
  } else if (now >= next_hello_) {
    RepeatHellos();
    next_hello_ = now + kHelloInterval;
  }
  Duration timeout = kIdleInterval;
  if (machine_->Draining() && drain_deadline_ > now) {
    timeout = std::min(timeout, drain_deadline_ - now);
  }
  if (next_hello_ != Time::max()) timeout = std::min(timeout, next_hello_ - now);
  link_->Wait(timeout, machine_->WaitsForLeases());
}

void ZmqRing::Finish() {
  RunCommands();
  machine_->AbortAll(absl::AbortedError("the ring stops"));
  link_->Close();
  link_->TakeReleases(*machine_);
  REQUIRE(!machine_->HasJob());
}

RingFlow ZmqRing::Flow() const {
  MutexLock lock(mutex_);
  return flow_;
}

Ledger ZmqRing::SentBytes() const {
  Ledger ledger;
  ledger.Add(Traffic::kRing, counters_.ring_bytes.load());
  ledger.Add(Traffic::kEvaluation, counters_.evaluation_bytes.load());
  return ledger;
}

Drops ZmqRing::Dropped() const {
  return {.handshake = counters_.dropped_handshake.load(),
          .frame = counters_.dropped_frame.load(),
          .checksum = counters_.dropped_checksum.load(),
          .fence = counters_.dropped_fence.load()};
}

}  // namespace runtime
