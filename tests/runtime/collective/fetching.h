// Transfers over real sockets in one process, for their tests.
#ifndef RONDO_TESTS_RUNTIME_COLLECTIVE_FETCHING_H_
#define RONDO_TESTS_RUNTIME_COLLECTIVE_FETCHING_H_

#include <absl/functional/function_ref.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <future>
#include <memory>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/base/hash.h"
#include "runtime/base/random.h"
#include "runtime/collective/zmq_transfer.h"
#include "tests/support/status_matchers.h"

namespace tests {

inline constexpr std::uint64_t kTransferLayout = 5;
inline constexpr runtime::Duration kTransferDeadline = std::chrono::seconds(60);
// How long a donor may be silent. Sanitizers and a busy machine make everything slower.
#ifdef RONDO_SANITIZED
inline constexpr runtime::Duration kTransferPatience = std::chrono::seconds(10);
#else
inline constexpr runtime::Duration kTransferPatience = std::chrono::seconds(2);
#endif

using Vector = std::shared_ptr<const std::vector<float>>;

inline Vector MakeVector(std::size_t floats, float first) {
  auto vector = std::make_shared<std::vector<float>>(floats);
  std::iota(vector->begin(), vector->end(), first);
  return vector;
}

inline runtime::TransferOffer OfferOf(const Vector& vector) {
  return {.root = runtime::RootOf(kTransferLayout, *vector), .owner = vector, .floats = *vector};
}

inline std::unique_ptr<runtime::ZmqTransfer> MakeTransfer(
    runtime::TransferClientOptions client = {.progress_timeout = kTransferPatience}) {
  auto transfer = runtime::ZmqTransfer::Create({.node = runtime::RandomNodeId(), .client = client});
  EXPECT_OK(transfer);
  return *std::move(transfer);
}

inline runtime::TransferDonor DonorOf(const runtime::ZmqTransfer& transfer) {
  return {.node = runtime::RandomNodeId(), .endpoint = transfer.endpoint()};
}
inline runtime::TransferDonor ByTcp(runtime::TransferDonor donor) {
  donor.endpoint.host_key = "elsewhere";
  return donor;
}

inline bool Eventually(absl::FunctionRef<bool()> holds) {
  const auto deadline = std::chrono::steady_clock::now() + kTransferDeadline;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

// One fetch, and where its floats go.
class Fetching {
 public:
  using Result = absl::StatusOr<runtime::TransferResult>;

  Fetching(runtime::ZmqTransfer& transfer, const runtime::Hash128& root, std::size_t floats,
           std::vector<runtime::TransferDonor> donors,
           runtime::Traffic traffic = runtime::Traffic::kJoin)
      : into_(floats) {
    transfer.Fetch({.root = root,
                    .layout_hash = kTransferLayout,
                    .donors = std::move(donors),
                    .into = into_,
                    .deadline = std::chrono::steady_clock::now() + kTransferDeadline,
                    .traffic = traffic},
                   [this](Result result) { promise_.set_value(std::move(result)); });
  }
  // What it ended with. Once.
  Result Wait() {
    if (future_.wait_for(2 * kTransferDeadline) != std::future_status::ready) {
      ADD_FAILURE() << "the fetch hangs";
      std::abort();  // Its thread still writes to the vector.
    }
    return future_.get();
  }
  const std::vector<float>& into() const { return into_; }

 private:
  std::vector<float> into_;
  std::promise<Result> promise_;
  std::future<Result> future_ = promise_.get_future();
};

}  // namespace tests

#endif  // RONDO_TESTS_RUNTIME_COLLECTIVE_FETCHING_H_
