#include "actors/averaging/polynomial_hash.h"

namespace actors {

std::uint64_t FieldRandom::Next() {
  // SplitMix64 (Steele, Lea, Flood 2014); the one value that is no field element is drawn again.
  std::uint64_t value = kMersenne61;
  while (value == kMersenne61) {
    state_ += 0x9e3779b97f4a7c15u;
    value = state_;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    value = (value ^ (value >> 31)) & kMersenne61;
  }
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
