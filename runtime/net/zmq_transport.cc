#include "runtime/net/zmq_transport.h"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "runtime/base/require.h"
#include "runtime/base/status.h"
#include "runtime/net/frame.h"
#include "runtime/net/zmq_connect_side.h"
#include "runtime/net/zmq_listen_side.h"

namespace runtime {
namespace {

using Role = ZmqTransportOptions::Role;

constexpr int kMaxPollMilliseconds = 1000;
constexpr Duration kDrainInterval = std::chrono::milliseconds(5);

// At the limit libzmq's listener spins, and a head needs two descriptors a node.
void RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int ToPollMilliseconds(Duration duration) {
  const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
  return static_cast<int>(std::clamp<std::int64_t>(rounded, 0, kMaxPollMilliseconds));
}

}  // namespace

ZmqTransport::ZmqTransport(ZmqTransportOptions options)
    : options_(std::move(options)), outbox_(options_.max_outbox_frames, options_.max_outbox_bytes) {
  REQUIRE(!options_.self.IsNull());
}

ZmqTransport::~ZmqTransport() { Stop(Duration::zero()); }

absl::Status ZmqTransport::Start(TransportListener& listener) {
  REQUIRE(side_ == nullptr);
  RaiseDescriptorLimit();
  if (outbox_.wake_fd() < 0) return absl::UnavailableError("no descriptor is left");
  if (options_.role == Role::kListen) {
    auto side = std::make_unique<ZmqListenSide>(options_, listener, board_);
    RETURN_IF_ERROR(side->Open());
    control_address_ = side->control_address();
    broadcast_address_ = side->broadcast_address();
    side_ = std::move(side);
  } else {
    side_ = std::make_unique<ZmqConnectSide>(options_, listener, board_);
    RETURN_IF_ERROR(side_->Open());
  }
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "rondo-control");
  return absl::OkStatus();
}

void ZmqTransport::Stop(Duration linger) {
  if (!thread_.joinable()) return;
  linger_nanoseconds_ = linger.count();
  stopping_ = true;
  outbox_.Wake();
  thread_.join();
}

absl::Status ZmqTransport::PutFrame(Order order, std::size_t bytes) {
  if (bytes > kMaxFrameBytes) return absl::InvalidArgumentError("the frame is too large");
  if (stopping_) return absl::CancelledError("the transport is stopping");
  absl::Status status = outbox_.Put(std::move(order));
  if (!status.ok()) board_.Dropped(&Drops::full);
  return status;
}

absl::Status ZmqTransport::Send(NodeId to, Traffic kind, Frame frame) {
  // The head's connection leads to every node.
  const NodeId next = options_.role == Role::kListen ? to : kHeadNode;
  if (!board_.IsReachable(next)) return absl::UnavailableError("no such peer");
  const std::size_t bytes = frame.size() * sizeof(std::uint64_t);
  return PutFrame(SendOrder{.to = to, .kind = kind, .frame = std::move(frame)}, bytes);
}

absl::Status ZmqTransport::Publish(Traffic kind, Frame frame) {
  REQUIRE(options_.role == Role::kListen);
  const std::size_t bytes = frame.size() * sizeof(std::uint64_t);
  return PutFrame(PublishOrder{.kind = kind, .frame = std::move(frame)}, bytes);
}

void ZmqTransport::Welcome(NodeId peer) { REQUIRE(outbox_.Put(WelcomeOrder{.peer = peer}).ok()); }

void ZmqTransport::Disconnect(NodeId peer) {
  REQUIRE(outbox_.Put(DisconnectOrder{.peer = peer}).ok());
}

void ZmqTransport::SetHeartbeat(NodeId to, Duration interval, absl::AnyInvocable<Frame()> make) {
  REQUIRE(interval > Duration::zero());
  HeartbeatOrder order{.to = to, .interval = interval, .make = std::move(make)};
  REQUIRE(outbox_.Put(std::move(order)).ok());
}

absl::Status ZmqTransport::DiagnoseConnect(Duration patience) const {
  REQUIRE(options_.role == Role::kConnect);
  return board_.diagnosis().Explain(options_.address, patience);
}

void ZmqTransport::Run() {
  while (!stopping_) Turn(PollMilliseconds(clock_.Now()));
  const Time deadline = clock_.Now() + Duration(linger_nanoseconds_.load());
  Drain(deadline);
  side_->Close(std::max(deadline - clock_.Now(), Duration::zero()));
}

// Nothing is read any more.
void ZmqTransport::Drain(Time deadline) {
  outbox_.Take(orders_);
  CarryOutOrders();
  while (!(orders_.empty() && side_->IsDrained()) && clock_.Now() < deadline) {
    const Duration wait = std::min<Duration>(deadline - clock_.Now(), kDrainInterval);
    WaitToWrite(ToPollMilliseconds(wait), ZMQ_POLLOUT);
    CarryOutOrders();
  }
}

int ZmqTransport::PollMilliseconds(Time now) const {
  Duration wait = std::chrono::milliseconds(kMaxPollMilliseconds);
  if (heartbeat_.has_value()) wait = std::min(wait, heartbeat_->next - now);
  if (const std::optional<Time> due = side_->NextDeadline()) wait = std::min(wait, *due - now);
  return ToPollMilliseconds(wait);
}

void ZmqTransport::Turn(int poll_milliseconds) {
  const bool ordered = Wait(poll_milliseconds);
  const Time now = clock_.Now();
  side_->Read(now);
  if (ordered) outbox_.Take(orders_);
  CarryOutOrders();
  Beat(now);
}

bool ZmqTransport::Wait(int milliseconds) {
  if (orders_.empty() && !side_->WaitsToWrite()) {
    inputs_.clear();
    side_->AddInputs(inputs_);
    return WaitForInput(outbox_.wake_fd(), inputs_, milliseconds);
  }
  WaitToWrite(milliseconds, ZMQ_POLLIN | ZMQ_POLLOUT);
  return true;
}

void ZmqTransport::WaitToWrite(int milliseconds, short events) {
  items_.clear();
  side_->AddPollItems(!orders_.empty(), items_);
  items_.push_back({nullptr, outbox_.wake_fd(), ZMQ_POLLIN, 0});
  for (zmq_pollitem_t& item : items_) item.events &= events;
  zmq_poll(items_.data(), static_cast<int>(items_.size()), milliseconds);
  inputs_.clear();
  side_->AddInputs(inputs_);
  for (ZmqInput* const input : inputs_) input->Touch();
}

void ZmqTransport::CarryOutOrders() {
  while (!orders_.empty()) {
    const std::size_t bytes = Outbox::FrameBytes(orders_.front());
    if (!CarryOut(orders_.front())) return;
    orders_.pop_front();
    outbox_.Done(bytes);
  }
}

bool ZmqTransport::CarryOut(Order& order) {
  if (auto* send = std::get_if<SendOrder>(&order)) {
    return side_->Send(send->to, send->kind, send->frame);
  }
  if (auto* publish = std::get_if<PublishOrder>(&order)) {
    side_->Publish(publish->kind, std::move(publish->frame));
  } else if (const auto* welcome = std::get_if<WelcomeOrder>(&order)) {
    side_->Welcome(welcome->peer);
  } else if (const auto* disconnect = std::get_if<DisconnectOrder>(&order)) {
    side_->Disconnect(disconnect->peer);
  } else if (auto* beat = std::get_if<HeartbeatOrder>(&order)) {
    heartbeat_ = Heartbeat{.to = beat->to,
                           .interval = beat->interval,
                           .next = clock_.Now(),
                           .make = std::move(beat->make)};
  }
  return true;
}

void ZmqTransport::Beat(Time now) {
  if (!heartbeat_.has_value() || now < heartbeat_->next) return;
  // After a lag the missed ones are not made up for.
  heartbeat_->next += heartbeat_->interval;
  if (heartbeat_->next <= now) heartbeat_->next = now + heartbeat_->interval;
  Frame frame = heartbeat_->make();
  if (frame.empty()) return;
  // Without a connection nobody hears it, and the next one will say more.
  side_->Send(heartbeat_->to, Traffic::kControl, frame);
}

}  // namespace runtime
