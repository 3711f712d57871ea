#include "runtime/collective/hash_tree.h"

#include <algorithm>

#include "runtime/base/require.h"

namespace runtime {

HashTree::HashTree(std::uint64_t layout_hash, std::span<const float> values)
    : layout_hash_(layout_hash),
      values_(values),
      missing_(values.size()),
      leaves_(LeafCount(values.size())),
      arrived_(LeafCount(values.size())) {}

FloatRange HashTree::Leaf(std::size_t index) const {
  return {.begin = index * kLeafFloats, .end = std::min(values_.size(), (index + 1) * kLeafFloats)};
}

void HashTree::Arrived(FloatRange part, std::uint64_t hash) {
  const std::size_t index = part.begin / kLeafFloats;
  const FloatRange leaf = Leaf(index);
  REQUIRE(part.size() > 0 && part.end <= leaf.end);
  arrived_[index] += static_cast<std::uint32_t>(part.size());
  REQUIRE(arrived_[index] <= leaf.size());
  missing_ -= part.size();
  if (part == leaf) {
    leaves_[index] = hash;
  } else if (arrived_[index] == leaf.size()) {
    leaves_[index] = HashFloats(values_.subspan(leaf.begin, leaf.size()));
  }
}

Hash128 HashTree::Root() const {
  REQUIRE(Complete());
  return RootOfLeaves(layout_hash_, values_.size(), leaves_);
}

}  // namespace runtime
