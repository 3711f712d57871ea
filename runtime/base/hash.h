// XXH3 hashes: frames, chunks, and the hash tree that tells whether two replicas hold equal bits.
//
// The leaves of the tree are fixed 64 KiB ranges of a float vector, whatever the number of workers,
// segments and chunks. root = XXH3-128 over (layout hash, length in floats, leaf hashes).
#ifndef RONDO_RUNTIME_BASE_HASH_H_
#define RONDO_RUNTIME_BASE_HASH_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace runtime {

struct Hash128 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  auto operator<=>(const Hash128&) const = default;
  bool IsNull() const { return high == 0 && low == 0; }
  // 32 hexadecimal digits.
  std::string ToString() const;
};

inline constexpr std::size_t kLeafFloats = 16384;  // 64 KiB.

constexpr std::size_t LeafCount(std::size_t floats) {
  return (floats + kLeafFloats - 1) / kLeafFloats;
}

std::uint64_t HashBytes(const void* data, std::size_t bytes);
inline std::uint64_t HashFloats(std::span<const float> values) {
  return HashBytes(values.data(), values.size_bytes());
}
inline std::uint64_t HashText(std::string_view text) { return HashBytes(text.data(), text.size()); }

// The root over leaf hashes that were computed elsewhere, one HashFloats per leaf in order.
Hash128 RootOfLeaves(std::uint64_t layout_hash, std::size_t floats,
                     std::span<const std::uint64_t> leaves);
// The root of a whole vector.
Hash128 RootOf(std::uint64_t layout_hash, std::span<const float> values);

}  // namespace runtime

#endif  // RONDO_RUNTIME_BASE_HASH_H_
