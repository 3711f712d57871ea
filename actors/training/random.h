// Counter-based random streams: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011).
//
// A value is a pure function of (seed, purpose, slot, step, index): nothing is carried from one
// step to the next, so a worker that joins at step 1000 draws what it would have drawn had it been
// there from step 1, and two streams never overlap. Integer arithmetic, and floats by exactly
// rounded operations only: the same bits on every machine. C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_RANDOM_H_
#define RONDO_ACTORS_TRAINING_RANDOM_H_

#include <array>
#include <cstdint>

namespace actors {

using PhiloxBlock = std::array<std::uint32_t, 4>;

// One block of Philox4x32-10: `counter` enciphered under `key` = {low, high} words.
inline PhiloxBlock Philox(PhiloxBlock counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(product0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

// What a stream is for: streams of different purposes are independent. Part of what a seed means,
// so the numbers never change.
enum class Purpose : std::uint8_t {
  kInitialModel = 1,
  kPartition = 2,
  kBatch = 3,
  kDataEpoch = 4,
  kQuadraticOptimum = 5,
  kQuadraticNoise = 6,
  kDigit = 7,
  kDigitNoise = 8,
  kDropout = 9,
  kDirichlet = 10,
  kConcept = 11,
};

// A stream of random numbers; cheap to make, one owner.
class RandomStream {
 public:
  // `slot` < 2^24. A stream holds 2^34 words of 32 bits.
  RandomStream(std::uint64_t seed, Purpose purpose, std::uint32_t slot = 0, std::uint64_t step = 0)
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
        counter_{0, (static_cast<std::uint32_t>(purpose) << 24) | (slot & 0xFFFFFF),
                 static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(step >> 32)} {}

  // Uniform over all 32-bit words.
  std::uint32_t NextWord() {
    if (used_ == 4) {
      block_ = NextBlock();
      used_ = 0;
    }
    return block_[used_++];
  }

  // Four words at once, past those that NextWord() has taken.
  PhiloxBlock NextBlock() {
    const PhiloxBlock block = Philox(counter_, key_);
    ++counter_[0];
    return block;
  }

  // Uniform over [0, bound), bound >= 1; without bias (Lemire, "Fast random integer generation in
  // an interval", 2019).
  std::uint32_t NextBelow(std::uint32_t bound) {
    std::uint64_t product = std::uint64_t{NextWord()} * bound;
    if (static_cast<std::uint32_t>(product) < bound) {
      const std::uint32_t threshold = -bound % bound;
      while (static_cast<std::uint32_t>(product) < threshold) {
        product = std::uint64_t{NextWord()} * bound;
      }
    }
    return static_cast<std::uint32_t>(product >> 32);
  }

  // Uniform over the multiples of 2^-24 in [0, 1).
  float NextUnit() { return static_cast<float>(NextWord() >> 8) * 0x1p-24f; }

  // Uniform over the multiples of 2^-23 in [-1, 1).
  float NextSymmetric() { return NextUnit() * 2.0f - 1.0f; }

  // Mean 0, variance 1, nearly normal (excess kurtosis -0.15, |value| < 4.9): a sum of eight
  // 16-bit numbers, because logarithms and cosines are not rounded alike everywhere.
  float NextNormal() {
    std::int32_t sum = 0;
    for (const std::uint32_t word : NextBlock()) {
      sum += static_cast<std::int32_t>(word & 0xFFFF) + static_cast<std::int32_t>(word >> 16);
    }
    // Mean of the sum is 8 * 65535 / 2; its variance is 8 * (65536^2 - 1) / 12.
    return static_cast<float>(sum - 262140) * 1.8688124e-5f;
  }

 private:
  std::array<std::uint32_t, 2> key_;
  PhiloxBlock counter_;
  PhiloxBlock block_{};
  unsigned used_ = 4;
};

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_RANDOM_H_
