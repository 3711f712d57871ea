// Chooses the samples of each batch from a shard. The step number, the seed and the slot alone
// determine a batch; the sampler keeps nothing that an earlier step decided. C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_BATCH_SAMPLER_H_
#define RONDO_ACTORS_TRAINING_BATCH_SAMPLER_H_

#include <absl/types/span.h>

#include <cstdint>
#include <vector>

namespace actors {

enum class BatchOrder {
  kUniform,      // Each batch is a uniformly random subset of the shard (the paper's choice).
  kPermutation,  // The shard in random order, a new one for each data epoch; a batch may straddle.
};

// Training thread.
class BatchSampler {
 public:
  // REQUIREs 1 <= batch <= shard.size().
  BatchSampler(std::vector<std::uint32_t> shard, std::uint32_t batch, BatchOrder order,
               std::uint64_t seed, std::uint32_t slot);

  // The samples of step `step`, from 1. Valid until the next call.
  absl::Span<const std::uint32_t> Draw(std::uint64_t step);

  absl::Span<const std::uint32_t> shard() const { return shard_; }

 private:
  void DrawUniform(std::uint64_t step);
  void DrawFromPermutation(std::uint64_t step);
  void PermuteFor(std::uint64_t data_epoch);

  std::vector<std::uint32_t> shard_;
  BatchOrder order_;
  std::uint64_t seed_;
  std::uint32_t slot_;
  std::vector<std::uint32_t> batch_;
  std::vector<std::uint32_t> permuted_;  // The shard in the order of `permuted_epoch_`.
  std::uint64_t permuted_epoch_ = UINT64_MAX;
};

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_BATCH_SAMPLER_H_
