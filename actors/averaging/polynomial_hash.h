// Hash functions with exact independence: random polynomials over the field of 2^61 - 1 elements.
//
// A random polynomial of degree k - 1 is k-wise independent; taking a value modulo m, or one bit of
// it, is uniform to within m / 2^61. Values for consecutive keys cost three additions each.
#ifndef RONDO_ACTORS_AVERAGING_POLYNOMIAL_HASH_H_
#define RONDO_ACTORS_AVERAGING_POLYNOMIAL_HASH_H_

#include <array>
#include <cstdint>

#include "runtime/base/random.h"

namespace actors {

inline constexpr std::uint64_t kMersenne61 = (std::uint64_t{1} << 61) - 1;

// a + b in the field; a, b < 2^61 - 1.
constexpr std::uint64_t AddInField(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t sum = a + b;
  return sum >= kMersenne61 ? sum - kMersenne61 : sum;
}

// a * b in the field; a, b < 2^61 - 1.
constexpr std::uint64_t MultiplyInField(std::uint64_t a, std::uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return AddInField(static_cast<std::uint64_t>(product & kMersenne61),
                    static_cast<std::uint64_t>(product >> 61));
}

// Draws field elements from a seed; equal seeds give equal elements on every machine.
class FieldRandom {
 public:
  explicit FieldRandom(std::uint64_t seed) : bits_(seed) {}
  std::uint64_t Next();  // Uniform in [0, 2^61 - 1).

 private:
  runtime::SplitMix64 bits_;
};

// h(x) = c0 + c1 x + c2 x² + c3 x³: 4-wise independent over the choice of the coefficients.
struct CubicHash {
  std::array<std::uint64_t, 4> coefficients = {};

  static CubicHash Draw(FieldRandom& random);
  std::uint64_t At(std::uint64_t key) const;  // key < 2^61 - 1.
};

// h(x) = c0 + c1 x: pairwise independent.
struct LinearHash {
  std::array<std::uint64_t, 2> coefficients = {};

  static LinearHash Draw(FieldRandom& random);
  std::uint64_t At(std::uint64_t key) const;  // key < 2^61 - 1.
};

// h(0), h(1), h(2), ... by forward differences, which are exact in a field.
class CubicSequence {
 public:
  explicit CubicSequence(const CubicHash& hash);

  std::uint64_t Next() {
    const std::uint64_t value = differences_[0];
    for (int order = 0; order < 3; ++order) {
      differences_[order] = AddInField(differences_[order], differences_[order + 1]);
    }
    return value;
  }

 private:
  std::array<std::uint64_t, 4> differences_;
};

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_POLYNOMIAL_HASH_H_
