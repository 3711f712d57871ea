#include "runtime/base/hash.h"

#include <xxhash.h>
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>  // The same hashes with AVX2 or AVX-512 where the machine has them.
#endif

#include <algorithm>
#include <cstdio>
#include <vector>

#include "runtime/base/require.h"

namespace runtime {

std::string Hash128::ToString() const {
  char text[33];
  std::snprintf(text, sizeof(text), "%016llx%016llx", static_cast<unsigned long long>(high),
                static_cast<unsigned long long>(low));
  return text;
}

std::uint64_t HashBytes(const void* data, std::size_t bytes) { return XXH3_64bits(data, bytes); }

Hash128 RootOfLeaves(std::uint64_t layout_hash, std::size_t floats,
                     std::span<const std::uint64_t> leaves) {
  REQUIRE(leaves.size() == LeafCount(floats));
  std::vector<std::uint64_t> words;
  words.reserve(leaves.size() + 2);
  words.push_back(layout_hash);
  words.push_back(floats);
  words.insert(words.end(), leaves.begin(), leaves.end());
  const XXH128_hash_t hash = XXH3_128bits(words.data(), words.size() * sizeof(std::uint64_t));
  return {.high = hash.high64, .low = hash.low64};
}

Hash128 RootOf(std::uint64_t layout_hash, std::span<const float> values) {
  std::vector<std::uint64_t> leaves;
  leaves.reserve(LeafCount(values.size()));
  for (std::size_t begin = 0; begin < values.size(); begin += kLeafFloats) {
    leaves.push_back(
        HashFloats(values.subspan(begin, std::min(kLeafFloats, values.size() - begin))));
  }
  return RootOfLeaves(layout_hash, values.size(), leaves);
}

}  // namespace runtime
