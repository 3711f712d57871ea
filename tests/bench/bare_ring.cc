#include "tests/bench/bare_ring.h"

#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <utility>

#include "runtime/base/kernels.h"
#include "runtime/base/status.h"

using runtime::ChunkStream;
using runtime::RingPhase;
using runtime::RingTransport;

namespace {

constexpr std::chrono::seconds kLongest(60);

// What was sent stays as it is until the receiver's answer to it has come all the way round.
void Send(zmq::socket_t& socket, std::span<float> values) {
  zmq::message_t message(values.data(), values.size_bytes(), [](void*, void*) {});
  socket.send(message, zmq::send_flags::none);
}

}  // namespace

BareRing::BareRing(std::uint32_t workers, std::size_t elements, std::uint32_t rank)
    : rank_(rank), plan_(elements, workers, runtime::RingOptions().chunk_bytes) {
  for (zmq::socket_t* socket : {&previous_, &next_}) {
    socket->set(zmq::sockopt::linger, 0);
    socket->set(zmq::sockopt::sndhwm, 0);
    socket->set(zmq::sockopt::rcvhwm, 0);
  }
  previous_.set(zmq::sockopt::rcvtimeo,
                static_cast<int>(std::chrono::milliseconds(kLongest).count()));
}

absl::StatusOr<std::unique_ptr<BareRing>> BareRing::Create(RingTransport transport,
                                                           std::uint32_t workers,
                                                           std::size_t elements, std::uint32_t rank,
                                                           runtime::SharedBoard& board,
                                                           runtime::Time deadline) {
  std::unique_ptr<BareRing> ring(new BareRing(workers, elements, rank));
  ring->previous_.bind(transport == RingTransport::kTcp
                           ? "tcp://127.0.0.1:*"
                           : absl::StrCat("ipc://@bare-ring-", getpid()));
  board.Write(rank, ring->previous_.get(zmq::sockopt::last_endpoint));
  if (!board.Meet(deadline)) return absl::DeadlineExceededError("a worker is missing");
  ring->next_.connect(std::string(board.Read(ring->plan_.NextRank(rank))));
  if (!board.Meet(deadline)) return absl::DeadlineExceededError("a worker is missing");
  return ring;
}

absl::Status BareRing::Run(std::span<const float> local, std::span<const float> base,
                           std::span<float> shadow) {
  local_ = local;
  base_ = base;
  shadow_ = shadow;
  for (std::uint32_t i = 0; i < plan_.ChunkCount(rank_); ++i) SendOwn(i);
  zmq::message_t message;
  for (ChunkStream place(plan_, plan_.PreviousRank(rank_)); !place.AtEnd(); place.Advance()) {
    if (!previous_.recv(message)) return absl::DeadlineExceededError("a bare ring stands still");
    RETURN_IF_ERROR(OnChunk(place, message));
  }
  return absl::OkStatus();
}

void BareRing::SendOwn(std::uint32_t index) {
  const runtime::FloatRange range = plan_.chunks()[plan_.FirstChunk(rank_) + index].range;
  const std::span<float> out = shadow_.subspan(range.begin, range.size());
  runtime::WeightedDrift(local_.subspan(range.begin, range.size()),
                         base_.subspan(range.begin, range.size()), 1, out);
  Send(next_, out);
}

absl::Status BareRing::OnChunk(const ChunkStream& place, zmq::message_t& message) {
  const runtime::FloatRange range = plan_.chunks()[place.chunk()].range;
  const std::span<float> out = shadow_.subspan(range.begin, range.size());
  if (message.size() != out.size_bytes()) return absl::InternalError("a bare ring is out of step");
  if (place.phase() == RingPhase::kAllgather) {
    std::memcpy(out.data(), message.data(), out.size_bytes());
    if (place.step() + 1 < plan_.steps()) next_.send(message, zmq::send_flags::none);
    return absl::OkStatus();
  }
  const std::span<const float> base = base_.subspan(range.begin, range.size());
  runtime::AddWeightedDrift({static_cast<const float*>(message.data()), out.size()},
                            local_.subspan(range.begin, range.size()), base, 1, out);
  const bool last = plan_.PhaseOf(place.step() + 1) == RingPhase::kAllgather;
  if (last) runtime::Finalize(base, out, static_cast<float>(plan_.world_size()), out);
  Send(next_, out);
  return absl::OkStatus();
}
