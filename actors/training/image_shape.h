// The size of an image. C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_IMAGE_SHAPE_H_
#define RONDO_ACTORS_TRAINING_IMAGE_SHAPE_H_

#include <absl/strings/str_cat.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace actors {

// Grey images of 28 x 28 unless said otherwise, as those of MNIST.
struct ImageShape {
  std::uint32_t channels = 1;
  std::uint32_t rows = 28;
  std::uint32_t columns = 28;

  constexpr std::size_t pixels() const { return std::size_t{channels} * rows * columns; }
  std::string Text() const { return absl::StrCat(channels, " x ", rows, " x ", columns); }
};

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_IMAGE_SHAPE_H_
