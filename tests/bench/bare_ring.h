// The chunk loop of a ring and nothing around it: what our ring's safety is held against.
//
// The same mean over the same plan, streamed in the same chunks with the same passes over the same
// memory, and zero-copy; but one socket to each neighbour, and no fences, credits, checksums,
// hashes, leases or thread of its own. It trusts its neighbours and the network with everything.
#ifndef RONDO_TESTS_BENCH_BARE_RING_H_
#define RONDO_TESTS_BENCH_BARE_RING_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <zmq.hpp>

#include "runtime/base/clock.h"
#include "runtime/collective/ring.h"
#include "runtime/collective/ring_benchmark.h"
#include "runtime/collective/ring_plan.h"

class BareRing {
 public:
  // All members of `board` call it, each in its own process. kTcp or kIpc. What libzmq refuses is
  // thrown by cppzmq, here and below.
  static absl::StatusOr<std::unique_ptr<BareRing>> Create(runtime::RingTransport transport,
                                                          std::uint32_t workers,
                                                          std::size_t elements, std::uint32_t rank,
                                                          runtime::SharedBoard& board,
                                                          runtime::Time deadline);

  // shadow = base + mean of (local - base). All members call it; no two at once, and `shadow` is
  // not touched before all have returned.
  absl::Status Run(std::span<const float> local, std::span<const float> base,
                   std::span<float> shadow);

 private:
  BareRing(std::uint32_t workers, std::size_t elements, std::uint32_t rank);

  void SendOwn(std::uint32_t index);
  absl::Status OnChunk(const runtime::ChunkStream& place, zmq::message_t& message);

  const std::uint32_t rank_;
  const runtime::RingPlan plan_;
  zmq::context_t context_;
  zmq::socket_t previous_{context_, zmq::socket_type::pair};
  zmq::socket_t next_{context_, zmq::socket_type::pair};
  std::span<const float> local_, base_;
  std::span<float> shadow_;
};

#endif  // RONDO_TESTS_BENCH_BARE_RING_H_
