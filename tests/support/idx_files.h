// IDX files as MNIST has them, for tests that need a set of their own.
#ifndef RONDO_TESTS_SUPPORT_IDX_FILES_H_
#define RONDO_TESTS_SUPPORT_IDX_FILES_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace tests {

inline std::string BigEndian(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}

// A sample whose image has one bright row, which tells its class, and what its label says.
struct IdxSample {
  std::uint32_t image = 0;
  std::uint32_t label = 0;
};

inline void WriteIdxSamples(const std::string& prefix, const std::vector<IdxSample>& samples,
                            std::uint32_t side) {
  const auto count = static_cast<std::uint32_t>(samples.size());
  std::string images = BigEndian(0x803) + BigEndian(count) + BigEndian(side) + BigEndian(side);
  std::string labels = BigEndian(0x801) + BigEndian(count);
  for (const IdxSample& sample : samples) {
    std::string image(std::size_t{side} * side, '\0');
    image.replace(std::size_t{sample.image} * 2 * side, side, side, '\xff');
    images += image;
    labels += static_cast<char>(sample.label);
  }
  std::ofstream(prefix + "-images-idx3-ubyte", std::ios::binary) << images;
  std::ofstream(prefix + "-labels-idx1-ubyte", std::ios::binary) << labels;
}

// Sample i is of class i mod 10, rightly labelled.
inline void WriteIdxPart(const std::string& prefix, std::uint32_t samples, std::uint32_t side) {
  std::vector<IdxSample> all;
  for (std::uint32_t i = 0; i < samples; ++i) all.push_back({.image = i % 10, .label = i % 10});
  WriteIdxSamples(prefix, all, side);
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
