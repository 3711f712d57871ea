// The built-in data set: digits drawn from strokes, 60,000 to train on and 10,000 to test with.
//
// Each image is a pure function of its number: a glyph's strokes, their points shifted, bent by a
// random affine map, drawn with a pen of random width, among stray strokes and noise. Integers and
// exactly rounded float operations only (+, -, *, /; no sine, no contraction), so every machine
// draws the same bytes. C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_DIGITS_H_
#define RONDO_ACTORS_TRAINING_DIGITS_H_

#include <cstdint>

#include "actors/training/dataset.h"

namespace actors {

inline constexpr std::uint32_t kDigitsTrain = 60000;
inline constexpr std::uint32_t kDigitsTest = 10000;

// Images first..first+count-1 of the endless sequence of digits.
ImageSet DrawDigits(std::uint64_t first, std::uint32_t count);

// The training set is images 0..59,999, the test set the 10,000 after it.
Dataset DrawDigitsDataset();

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_DIGITS_H_
