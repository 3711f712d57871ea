// What a ring costs beside its three vectors; a process per member, as in real life.
#include <absl/strings/str_cat.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "runtime/base/status.h"
#include "runtime/collective/ring_benchmark.h"
#include "tests/support/memory.h"
#include "tests/support/status_matchers.h"

namespace runtime {
namespace {

using tests::AllocatedBytes;
using tests::ForgetPeak;
using tests::StatusBytes;

constexpr std::size_t kFloats = 25'000'000;
constexpr int kRings = 20;
constexpr std::int64_t kMiB = 1 << 20;
constexpr std::int64_t kMostPeakGrowth = 96 * kMiB;
constexpr std::int64_t kMostHeld = 16 * kMiB;

struct Costs {
  std::int64_t peak_growth = 0;  // Of resident memory over all rings, the first one included.
  std::int64_t held = 0;         // Allocated after the last ring, without the three vectors.
};

// Of one member. It counts from when its vectors are filled.
absl::StatusOr<Costs> Measure(const RingBenchmarkOptions& options, std::uint32_t rank,
                              SharedBoard& board, Time deadline) {
  ASSIGN_OR_RETURN(const std::unique_ptr<BenchmarkMember> member,
                   BenchmarkMember::Create(options, rank, board, deadline));
  ForgetPeak();
  const std::int64_t before = StatusBytes("VmRSS");
  for (int i = 0; i < kRings; ++i) {
    if (!board.Meet(deadline)) return absl::DeadlineExceededError("a member is missing");
    RETURN_IF_ERROR(member->Run(deadline).status());
  }
  const auto vectors = static_cast<std::int64_t>(3 * kFloats * sizeof(float));
  return Costs{.peak_growth = StatusBytes("VmHWM") - before, .held = AllocatedBytes() - vectors};
}

class RingMemory : public testing::TestWithParam<RingTransport> {};
INSTANTIATE_TEST_SUITE_P(Over, RingMemory,
                         testing::Values(RingTransport::kTcp, RingTransport::kIpc),
                         [](const auto& transport) {
                           return transport.param == RingTransport::kTcp ? "Tcp" : "Ipc";
                         });

TEST_P(RingMemory, TwentyLongRingsStayWithinTheBounds) {
  const RingBenchmarkOptions options{.workers = 3, .elements = kFloats, .transport = GetParam()};
  const Time deadline = std::chrono::steady_clock::now() + std::chrono::minutes(4);
  const auto board = SharedBoard::Create(options.workers, 0);
  ASSERT_OK(board);
  EXPECT_OK(RunForked(options.workers, deadline, [&](std::uint32_t rank) -> absl::Status {
    ASSIGN_OR_RETURN(const Costs costs, Measure(options, rank, **board, deadline));
    const std::string text =
        absl::StrCat("resident at most ", costs.peak_growth / 1024, " KiB more, held ",
                     costs.held / 1024, " KiB beside the vectors");
    std::printf("rank %u: %s\n", rank, text.c_str());
    std::fflush(stdout);  // A fork ends without it.
    const bool holds = costs.peak_growth >= 0 && costs.peak_growth <= kMostPeakGrowth &&
                       costs.held >= 0 && costs.held <= kMostHeld;
    return holds ? absl::OkStatus() : absl::ResourceExhaustedError(text);
  }));
}

}  // namespace
}  // namespace runtime
