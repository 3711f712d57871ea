// Randomness: from the operating system for identities, from a seed for simulation.
#ifndef RONDO_RUNTIME_BASE_RANDOM_H_
#define RONDO_RUNTIME_BASE_RANDOM_H_

#include <sys/random.h>

#include <bit>
#include <cstddef>
#include <cstdint>

#include "runtime/base/ids.h"
#include "runtime/base/require.h"

namespace runtime {

// 64 bits nobody can guess.
inline std::uint64_t RandomFromSystem() {
  std::uint64_t bits = 0;
  // Requests of up to 256 bytes are never cut short or interrupted once the pool is seeded.
  REQUIRE(getrandom(&bits, sizeof(bits), 0) == static_cast<ssize_t>(sizeof(bits)));
  return bits;
}

// A fresh incarnation; never null and never kHeadNode.
inline NodeId RandomNodeId() { return {.high = RandomFromSystem() | 1, .low = RandomFromSystem()}; }

// Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014). Expands a seed.
class SplitMix64 {
 public:
  explicit constexpr SplitMix64(std::uint64_t seed) : state_(seed) {}
  constexpr std::uint64_t Next() {
    std::uint64_t bits = (state_ += 0x9e3779b97f4a7c15u);
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    return bits ^ (bits >> 31);
  }

 private:
  std::uint64_t state_;
};

// xoshiro256++ of Blackman and Vigna (2019). Same seed, same numbers, on every machine.
class SeededRandom {
 public:
  explicit constexpr SeededRandom(std::uint64_t seed) {
    SplitMix64 expand(seed);
    for (std::uint64_t& word : state_) word = expand.Next();
  }

  constexpr std::uint64_t Next() {
    const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  // Uniform in [0, bound); `bound` >= 1. Lemire's multiplication: its bias is below bound / 2^64.
  constexpr std::uint64_t Below(std::uint64_t bound) {
    return static_cast<std::uint64_t>(
        (static_cast<unsigned __int128>(Next()) * static_cast<unsigned __int128>(bound)) >> 64);
  }

  // Uniform in [0, 1), all 53 bits.
  constexpr double Fraction() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

  // A generator whose numbers have nothing to do with this one's.
  constexpr SeededRandom Split() { return SeededRandom(Next()); }

 private:
  std::uint64_t state_[4] = {};
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_BASE_RANDOM_H_
