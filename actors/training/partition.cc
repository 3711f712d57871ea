#include "actors/training/partition.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>

#include "actors/training/dirichlet.h"
#include "actors/training/random.h"
#include "runtime/base/error.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

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

constexpr double kMostConcentration = 1e6;

// [rank][class].
absl::StatusOr<std::vector<std::vector<std::uint64_t>>> DirichletShares(
    const PartitionRule& rule, absl::Span<const std::uint64_t> samples_by_class,
    std::uint32_t world_size, std::uint64_t seed) {
  DirichletOptions options;
  options.concentration = rule.concentration;
  options.world_size = world_size;
  options.seed = seed;
  options.least_samples = rule.least_samples;
  std::optional<std::vector<std::vector<std::uint64_t>>> shares =
      DrawDirichletShares(options, samples_by_class);
  if (shares.has_value()) return *std::move(shares);
  return runtime::MakeError(
      "CONFIG_INVALID_VALUE", runtime::Exit::kUsage,
      absl::StrCat("data.partition = \"dirichlet:", rule.concentration, "\" leaves one of ",
                   world_size, " workers fewer than ", rule.least_samples,
                   " samples, two batches, in each of ", kDirichletTries, " draws"),
      "take a larger concentration, a smaller optimizer.batch, fewer workers or another data.seed");
}

// Each class goes from rank to rank, in `order`.
absl::StatusOr<std::vector<Order>> DealByDirichlet(const PartitionRule& rule, const Order& order,
                                                   absl::Span<const std::uint32_t> labels,
                                                   std::uint32_t world_size, std::uint64_t seed) {
  const std::size_t classes =
      labels.empty() ? 0 : *std::max_element(labels.begin(), labels.end()) + std::size_t{1};
  const std::vector<std::uint64_t> counts =
      CountByClass(labels, order, static_cast<std::uint32_t>(classes));
  ASSIGN_OR_RETURN(auto left, DirichletShares(rule, counts, world_size, seed));
  std::vector<Order> shards(world_size);
  std::vector<std::uint32_t> rank_of(classes, 0);
  for (const std::uint32_t sample : order) {
    const std::size_t label = labels[sample];
    std::uint32_t& rank = rank_of[label];
    while (left[rank][label] == 0) ++rank;
    --left[rank][label];
    shards[rank].push_back(sample);
  }
  return shards;
}

}  // namespace

std::uint32_t ShardSize(std::size_t samples, std::uint32_t rank, std::uint32_t world_size) {
  return static_cast<std::uint32_t>(samples / world_size + (rank < samples % world_size ? 1 : 0));
}

absl::StatusOr<std::vector<std::uint64_t>> ShardSizes(
    const PartitionRule& rule, absl::Span<const std::uint64_t> samples_by_class,
    std::uint32_t world_size, std::uint64_t seed) {
  std::vector<std::uint64_t> sizes(world_size);
  if (rule.kind == PartitionRule::Kind::kDirichlet) {
    ASSIGN_OR_RETURN(const auto shares, DirichletShares(rule, samples_by_class, world_size, seed));
    for (std::uint32_t rank = 0; rank < world_size; ++rank) {
      sizes[rank] = std::accumulate(shares[rank].begin(), shares[rank].end(), std::uint64_t{0});
    }
    return sizes;
  }
  const auto samples =
      std::accumulate(samples_by_class.begin(), samples_by_class.end(), std::uint64_t{0});
  for (std::uint32_t rank = 0; rank < world_size; ++rank) {
    sizes[rank] = ShardSize(samples, rank, world_size);
  }
  return sizes;
}

absl::StatusOr<PartitionRule> ParsePartition(const std::string& text, std::uint32_t batch) {
  PartitionRule rule;
  if (text == "iid") return rule;
  const std::size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  const std::string value = colon == std::string::npos ? "" : text.substr(colon + 1);
  if (name == "dirichlet" && absl::SimpleAtod(value, &rule.concentration) &&
      rule.concentration > 0 && rule.concentration <= kMostConcentration) {
    rule.kind = PartitionRule::Kind::kDirichlet;
    rule.least_samples = std::uint64_t{2} * batch;
    return rule;
  }
  const bool has_value = absl::SimpleAtoi(value, &rule.value);
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
                            "data.partition takes \"iid\", \"sorted:PERCENT\" (0 to 100), "
                            "\"label:LABEL\" (0 to 255) or \"dirichlet:A\" (A > 0)");
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

absl::StatusOr<std::vector<std::vector<std::uint32_t>>> Partition(
    const PartitionRule& rule, absl::Span<const std::uint32_t> labels, std::uint32_t world_size,
    std::uint64_t seed) {
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
    case PartitionRule::Kind::kDirichlet:
      return DealByDirichlet(rule, order, labels, world_size, seed);
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

std::vector<std::uint64_t> CountByClass(absl::Span<const std::uint32_t> labels,
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
