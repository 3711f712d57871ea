// Which samples of the shared training set belong to which rank. Pure: the same answer on every
// member, from data.seed and the number of members alone.
//
// The file order is first permuted by data.seed (the FDA paper's code takes the raw order, which is
// not random in every set). Shard sizes are equal up to one, but for dirichlet. C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_PARTITION_H_
#define RONDO_ACTORS_TRAINING_PARTITION_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/types/span.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace actors {

struct PartitionRule {
  enum class Kind {
    kIid,     // Each shard is a random part.
    kSorted,  // `value` percent of the samples are sorted by label and dealt out in sequence, the
              // rest iid.
    kLabel,   // All samples of label `value` go to the first ranks, the rest iid.
    kDirichlet,  // Of each class every rank has a share of its own (dirichlet.h): the shards differ
                 // in size, too, and each has two batches at least.
  };
  Kind kind = Kind::kIid;
  std::uint32_t value = 0;
  double concentration = 0;  // Of kDirichlet, as the next.
  std::uint64_t least_samples = 0;
};

// "iid", "sorted:60" (0..100), "label:0" (0..255), "dirichlet:0.5" (> 0, to 1e6), for steps of
// `batch` samples. CONFIG_INVALID_VALUE, exit 2.
absl::StatusOr<PartitionRule> ParsePartition(const std::string& text, std::uint32_t batch);

// Samples of an even shard: the first ranks take one more where the division leaves a rest.
std::uint32_t ShardSize(std::size_t samples, std::uint32_t rank, std::uint32_t world_size);

// Of all ranks, for whoever has not the samples themselves. CONFIG_INVALID_VALUE, exit 2: no draw
// of dirichlet left each rank enough.
absl::StatusOr<std::vector<std::uint64_t>> ShardSizes(
    const PartitionRule& rule, absl::Span<const std::uint64_t> samples_by_class,
    std::uint32_t world_size, std::uint64_t seed);

// The numbers 0..count-1 in random order.
std::vector<std::uint32_t> RandomOrder(std::uint32_t count, std::uint64_t seed);

// The shards of all ranks: disjoint, together 0..labels.size()-1. world_size >= 1. Errors: those of
// ShardSizes.
absl::StatusOr<std::vector<std::vector<std::uint32_t>>> Partition(
    const PartitionRule& rule, absl::Span<const std::uint32_t> labels, std::uint32_t world_size,
    std::uint64_t seed);

// A batch must fit into every shard: CONFIG_INVALID_VALUE, exit 2.
absl::Status CheckShard(std::size_t shard_samples, std::uint32_t batch);

// How many of `samples` carry each label below `classes`.
std::vector<std::uint64_t> CountByClass(absl::Span<const std::uint32_t> labels,
                                        absl::Span<const std::uint32_t> samples,
                                        std::uint32_t classes);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_PARTITION_H_
