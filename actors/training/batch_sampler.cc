#include "actors/training/batch_sampler.h"

#include <absl/container/flat_hash_set.h>

#include <utility>

#include "actors/training/random.h"
#include "runtime/base/require.h"

namespace actors {

BatchSampler::BatchSampler(std::vector<std::uint32_t> shard, std::uint32_t batch, BatchOrder order,
                           std::uint64_t seed, std::uint32_t slot)
    : shard_(std::move(shard)), order_(order), seed_(seed), slot_(slot), batch_(batch) {
  REQUIRE(batch >= 1 && batch <= shard_.size());
}

absl::Span<const std::uint32_t> BatchSampler::Draw(std::uint64_t step) {
  REQUIRE(step >= 1);
  if (order_ == BatchOrder::kUniform) {
    DrawUniform(step);
  } else {
    DrawFromPermutation(step);
  }
  return batch_;
}

// Floyd's algorithm: every subset is equally likely, one draw for each of its members.
void BatchSampler::DrawUniform(std::uint64_t step) {
  RandomStream random(seed_, Purpose::kBatch, slot_, step);
  absl::flat_hash_set<std::uint32_t> taken;
  taken.reserve(batch_.size());
  const auto size = static_cast<std::uint32_t>(shard_.size());
  std::uint32_t last = size - static_cast<std::uint32_t>(batch_.size());
  for (std::uint32_t& sample : batch_) {
    std::uint32_t place = random.NextBelow(last + 1);
    if (!taken.insert(place).second) {
      place = last;
      taken.insert(place);
    }
    sample = shard_[place];
    ++last;
  }
}

void BatchSampler::DrawFromPermutation(std::uint64_t step) {
  std::uint64_t position = (step - 1) * batch_.size();
  for (std::uint32_t& sample : batch_) {
    PermuteFor(position / shard_.size());
    sample = permuted_[position % shard_.size()];
    ++position;
  }
}

void BatchSampler::PermuteFor(std::uint64_t data_epoch) {
  if (data_epoch == permuted_epoch_) return;
  permuted_epoch_ = data_epoch;
  permuted_ = shard_;
  RandomStream random(seed_, Purpose::kDataEpoch, slot_, data_epoch);
  for (auto left = static_cast<std::uint32_t>(permuted_.size()); left > 1; --left) {
    std::swap(permuted_[left - 1], permuted_[random.NextBelow(left)]);
  }
}

}  // namespace actors
