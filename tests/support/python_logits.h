// What Python's torch makes of a saved model, by tests/tools/predict.py. Needs python3-torch
// (deploy/install-packages test) and RONDO_SOURCE_DIR. C++17-clean.
#ifndef RONDO_TESTS_SUPPORT_PYTHON_LOGITS_H_
#define RONDO_TESTS_SUPPORT_PYTHON_LOGITS_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "actors/training/dataset.h"
#include "tests/support/shell.h"

namespace tests {

struct PythonCounts {
  std::uint64_t correct = 0;
  double loss_sum = 0;
};

inline void WriteFloats(const std::string& path, const float* floats, std::size_t count) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(floats),
             static_cast<std::streamsize>(count * sizeof(float)));
}

// The logits of all images of `set`, 28 x 28 in kImageClasses classes.
inline std::vector<float> LogitsInPython(const std::string& model, const actors::ImageSet& set) {
  const std::string images = model + ".images", logits = model + ".logits";
  std::vector<float> pixels(set.pixels.size());
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    pixels[i] = static_cast<float>(set.pixels[i]) / 255.0f;
  }
  WriteFloats(images, pixels.data(), pixels.size());
  const ShellResult python =
      RunInShell(RONDO_SOURCE_DIR, "OMP_NUM_THREADS=1 /usr/bin/python3 tests/tools/predict.py '" +
                                       model + "' '" + images + "' '" + logits + "'");
  EXPECT_EQ(python.exit_code, 0) << python.err
                                 << "\n(python3-torch comes by: deploy/install-packages test)";
  const std::string bytes = ReadWholeFile(logits);
  std::vector<float> values(set.size() * actors::kImageClasses);
  EXPECT_EQ(bytes.size(), values.size() * sizeof(float));
  std::memcpy(values.data(), bytes.data(), std::min(bytes.size(), values.size() * sizeof(float)));
  return values;
}

// Those of them that are right, and the sum of their negative log-likelihoods.
inline PythonCounts CountInPython(const std::string& model, const actors::ImageSet& set) {
  const std::vector<float> logits = LogitsInPython(model, set);
  PythonCounts counts;
  for (std::size_t i = 0; i < set.size(); ++i) {
    const float* const first = logits.data() + i * actors::kImageClasses;
    const float* const best = std::max_element(first, first + actors::kImageClasses);
    if (best - first == set.labels[i]) ++counts.correct;
    double sum = 0;
    for (std::size_t k = 0; k < actors::kImageClasses; ++k) sum += std::exp(first[k] - *best);
    counts.loss_sum += std::log(sum) - (first[set.labels[i]] - *best);
  }
  return counts;
}

}  // namespace tests

#endif  // RONDO_TESTS_SUPPORT_PYTHON_LOGITS_H_
