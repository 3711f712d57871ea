// How fast a ring of processes on this machine is: the core of `rondo bench allreduce`.
#ifndef RONDO_RUNTIME_COLLECTIVE_RING_BENCHMARK_H_
#define RONDO_RUNTIME_COLLECTIVE_RING_BENCHMARK_H_

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/collective/ring_plan.h"
#include "runtime/collective/zmq_ring.h"

namespace runtime {

// Memory that forked processes share: a meeting point, a blackboard, and a table of times.
class SharedBoard {
 public:
  static constexpr std::size_t kTextBytes = 512;

  // `rows` x `processes` times.
  static absl::StatusOr<std::unique_ptr<SharedBoard>> Create(std::uint32_t processes,
                                                             std::size_t rows);
  ~SharedBoard();

  // Returns when all processes are in it. False: the deadline passed first.
  bool Meet(Time deadline);
  void Write(std::uint32_t process, std::string_view text);  // At most kTextBytes - 1 bytes.
  std::string_view Read(std::uint32_t process) const;
  Duration& At(std::size_t row, std::uint32_t process);
  // The largest of a row.
  Duration Slowest(std::size_t row);

 private:
  struct Header {
    std::atomic<std::uint32_t> arrived{0};
    std::atomic<std::uint32_t> meetings{0};
    std::array<std::array<char, kTextBytes>, kMaxWorldSize> texts{};
  };

  SharedBoard(std::uint32_t processes, void* memory, std::size_t bytes);

  const std::uint32_t processes_;
  const std::size_t bytes_;
  Header* const header_;
  Duration* const times_;
};

// Runs `work(0)` to `work(count - 1)`, each in a forked process, and waits for all of them. The
// calling process must have no other threads. One that fails, or the deadline, ends the others.
absl::Status RunForked(std::uint32_t count, Time deadline,
                       absl::AnyInvocable<absl::Status(std::uint32_t)> work);

struct RingBenchmarkOptions {
  std::uint32_t workers = 4;
  std::size_t elements = 2500000;  // Floats.
  std::uint32_t repeats = 20;
  std::uint32_t warm_ups = 3;
  RingTransport transport = RingTransport::kAuto;
  RingOptions ring;
  Duration timeout = std::chrono::seconds(120);  // For all of it.
};

struct RingBenchmarkResult {
  // Of each repeat: from a common start until the last worker had the result. Sorted, ascending.
  std::vector<Duration> times;
  std::uint64_t payload_bytes = 0;  // Sent by rank 0 in one repeat, and
  std::uint64_t total_bytes = 0;    // with headers, framing and credits.

  Duration Median() const { return times[times.size() / 2]; }
};

// Forks `workers` processes (see RunForked) that run rings back to back. kDataLoss: two workers
// ended with different roots.
absl::StatusOr<RingBenchmarkResult> RunRingBenchmark(const RingBenchmarkOptions& options);

// One member of a benchmark, in its own process: finds the others through the board.
class BenchmarkMember {
 public:
  static absl::StatusOr<std::unique_ptr<BenchmarkMember>> Create(
      const RingBenchmarkOptions& options, std::uint32_t rank, SharedBoard& board, Time deadline);

  // One ring; all members call it. Returns when this member has the result.
  absl::StatusOr<RingResult> Run(Time deadline);

 private:
  BenchmarkMember(const RingBenchmarkOptions& options, std::uint32_t rank);

  const std::uint32_t rank_;
  const RingOptions options_;
  const RingTransport transport_;
  std::vector<float> base_, local_, shadow_;
  std::vector<RingMember> members_;
  std::uint32_t attempt_ = 0;
  std::unique_ptr<ZmqRing> ring_;
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_COLLECTIVE_RING_BENCHMARK_H_
