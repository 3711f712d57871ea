#include "actors/averaging/polynomial_hash.h"

namespace actors {

std::uint64_t FieldRandom::Next() {
  // The one value of 61 bits that is no field element is drawn again.
  std::uint64_t value = kMersenne61;
  while (value == kMersenne61) value = bits_.Next() & kMersenne61;
  return value;
}

CubicHash CubicHash::Draw(FieldRandom& random) {
  CubicHash hash;
  for (std::uint64_t& coefficient : hash.coefficients) coefficient = random.Next();
  return hash;
}

std::uint64_t CubicHash::At(std::uint64_t key) const {
  std::uint64_t value = coefficients[3];
  for (int power = 2; power >= 0; --power) {
    value = AddInField(MultiplyInField(value, key), coefficients[power]);
  }
  return value;
}

LinearHash LinearHash::Draw(FieldRandom& random) {
  LinearHash hash;
  for (std::uint64_t& coefficient : hash.coefficients) coefficient = random.Next();
  return hash;
}

std::uint64_t LinearHash::At(std::uint64_t key) const {
  return AddInField(MultiplyInField(coefficients[1], key), coefficients[0]);
}

CubicSequence::CubicSequence(const CubicHash& hash) {
  for (int key = 0; key < 4; ++key) differences_[key] = hash.At(static_cast<std::uint64_t>(key));
  // The k-th pass turns the entries from k on into differences of order k.
  for (int order = 1; order < 4; ++order) {
    for (int i = 3; i >= order; --i) {
      differences_[i] = AddInField(differences_[i], kMersenne61 - differences_[i - 1]);
    }
  }
  // kMersenne61 - 0 is no field element, but AddInField has reduced it.
}

}  // namespace actors
