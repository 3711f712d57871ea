// The hash tree of a vector that arrives in pieces: each leaf is hashed when its last byte is
// there.
//
// Leaves are fixed 64 KiB ranges (runtime/base/hash.h); pieces never cross a leaf border. The hash
// of a piece that is a whole leaf is the leaf's hash; a leaf in several pieces is hashed from
// memory once it is complete.
#ifndef RONDO_RUNTIME_COLLECTIVE_HASH_TREE_H_
#define RONDO_RUNTIME_COLLECTIVE_HASH_TREE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/hash.h"
#include "runtime/collective/ring_plan.h"

namespace runtime {

class HashTree {
 public:
  // `values` is the memory where the pieces arrive; borrowed.
  HashTree(std::uint64_t layout_hash, std::span<const float> values);

  // The final bytes of `part` lie in memory, and `hash` is HashFloats of them. Each float arrives
  // once.
  void Arrived(FloatRange part, std::uint64_t hash);
  bool Complete() const { return missing_ == 0; }
  // Complete trees only.
  Hash128 Root() const;

 private:
  FloatRange Leaf(std::size_t index) const;

  std::uint64_t layout_hash_;
  std::span<const float> values_;
  std::size_t missing_;  // Floats.
  std::vector<std::uint64_t> leaves_;
  std::vector<std::uint32_t> arrived_;  // Floats of each leaf.
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_COLLECTIVE_HASH_TREE_H_
