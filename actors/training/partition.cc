#include "actors/training/partition.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <numeric>
#include <string_view>
#include <utility>

#include "actors/training/random.h"
#include "runtime/base/error.h"
#include "runtime/base/require.h"

namespace actors {
namespace {

using Order = std::vector<std::uint32_t>;

// Deals `order`, whose first `sequenced` members are dealt out in sequence and the rest likewise,
// so that every shard holds its even share of both parts. (The first ranks take what is left over
// of each part, so a share of a part is never larger than the shard.)
std::vector<Order> Deal(const Order& order, std::size_t sequenced, std::uint32_t world_size) {
  std::vector<Order> shards(world_size);
  auto first = order.begin();
  auto rest = order.begin() + static_cast<std::ptrdiff_t>(sequenced);
  for (std::uint32_t rank = 0; rank < world_size; ++rank) {
    const std::uint32_t from_first = ShardSize(sequenced, rank, world_size);
    const std::uint32_t from_rest = ShardSize(order.size(), rank, world_size) - from_first;
    Order& shard = shards[rank];
    shard.assign(first, first + from_first);
    shard.insert(shard.end(), rest, rest + from_rest);
    first += from_first;
    rest += from_rest;
  }
  return shards;
}

}  // namespace

std::uint32_t ShardSize(std::size_t samples, std::uint32_t rank, std::uint32_t world_size) {
  return static_cast<std::uint32_t>(samples / world_size + (rank < samples % world_size ? 1 : 0));
}

absl::StatusOr<PartitionRule> ParsePartition(const std::string& text) {
  PartitionRule rule;
  if (text == "iid") return rule;
  const std::size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  const bool has_value =
      colon != std::string::npos && absl::SimpleAtoi(text.substr(colon + 1), &rule.value);
  if (name == "sorted" && has_value && rule.value <= 100) {
    rule.kind = PartitionRule::Kind::kSorted;
    return rule;
  }
  if (name == "label" && has_value && rule.value <= 255) {
    rule.kind = PartitionRule::Kind::kLabel;
    return rule;
  }
  return runtime::MakeError("CONFIG_INVALID_VALUE", runtime::Exit::kUsage,
                            "data.partition = \"" + text + "\" names no way to divide the samples",
                            "data.partition takes \"iid\", \"sorted:PERCENT\" (0 to 100) or "
                            "\"label:LABEL\" (0 to 255)");
}

std::vector<std::uint32_t> RandomOrder(std::uint32_t count, std::uint64_t seed) {
  Order order(count);
  std::iota(order.begin(), order.end(), 0u);
  RandomStream random(seed, Purpose::kPartition);
  for (std::uint32_t left = count; left > 1; --left) {
    std::swap(order[left - 1], order[random.NextBelow(left)]);
  }
  return order;
}

std::vector<std::vector<std::uint32_t>> Partition(const PartitionRule& rule,
                                                  absl::Span<const std::uint8_t> labels,
                                                  std::uint32_t world_size, std::uint64_t seed) {
  REQUIRE(world_size >= 1);
  Order order = RandomOrder(static_cast<std::uint32_t>(labels.size()), seed);
  std::size_t sequenced = 0;
  switch (rule.kind) {
    case PartitionRule::Kind::kIid: break;
    case PartitionRule::Kind::kSorted:
      sequenced = order.size() * rule.value / 100;
      std::stable_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(sequenced),
                       [&](std::uint32_t a, std::uint32_t b) { return labels[a] < labels[b]; });
      break;
    case PartitionRule::Kind::kLabel:
      std::stable_partition(order.begin(), order.end(),
                            [&](std::uint32_t sample) { return labels[sample] == rule.value; });
      break;
  }
  return Deal(order, sequenced, world_size);
}

absl::Status CheckShard(std::size_t shard_samples, std::uint32_t batch) {
  if (batch <= shard_samples) return absl::OkStatus();
  return runtime::MakeError("CONFIG_INVALID_VALUE", runtime::Exit::kUsage,
                            absl::StrCat("a worker's shard has ", shard_samples,
                                         " samples, fewer than a batch of ", batch),
                            "take a smaller optimizer.batch or fewer workers");
}

std::vector<std::uint64_t> CountByClass(absl::Span<const std::uint8_t> labels,
                                        absl::Span<const std::uint32_t> samples,
                                        std::uint32_t classes) {
  std::vector<std::uint64_t> counts(classes, 0);
  for (const std::uint32_t sample : samples) {
    REQUIRE(labels[sample] < classes);
    ++counts[labels[sample]];
  }
  return counts;
}

}  // namespace actors
