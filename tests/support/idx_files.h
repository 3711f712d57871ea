// IDX files as MNIST has them, for tests that need a set of their own.
#ifndef RONDO_TESTS_SUPPORT_IDX_FILES_H_
#define RONDO_TESTS_SUPPORT_IDX_FILES_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace tests {

inline std::string BigEndian(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}

// Sample i is of class i mod 10, and its image has one bright row that tells the class.
inline void WriteIdxPart(const std::string& prefix, std::uint32_t samples, std::uint32_t side) {
  std::string images = BigEndian(0x803) + BigEndian(samples) + BigEndian(side) + BigEndian(side);
  std::string labels = BigEndian(0x801) + BigEndian(samples);
  for (std::uint32_t i = 0; i < samples; ++i) {
    std::string image(std::size_t{side} * side, '\0');
    image.replace(std::size_t{i % 10} * 2 * side, side, side, '\xff');
    images += image;
    labels += static_cast<char>(i % 10);
  }
  std::ofstream(prefix + "-images-idx3-ubyte", std::ios::binary) << images;
  std::ofstream(prefix + "-labels-idx1-ubyte", std::ios::binary) << labels;
}

// A folder with the four files of a set of images of side x side, 20 at least.
inline void WriteIdxSet(const std::string& folder, std::uint32_t train, std::uint32_t test,
                        std::uint32_t side = 28) {
  std::filesystem::create_directories(folder);
  WriteIdxPart(folder + "/train", train, side);
  WriteIdxPart(folder + "/t10k", test, side);
}

}  // namespace tests

#endif  // RONDO_TESTS_SUPPORT_IDX_FILES_H_
