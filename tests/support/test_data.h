// Where tests find real data sets, which are not part of the repository.
#ifndef RONDO_TESTS_SUPPORT_TEST_DATA_H_
#define RONDO_TESTS_SUPPORT_TEST_DATA_H_

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

namespace tests {

// The folder of a data set under RONDO_DATA, such as "mnist"; nothing if it is not there.
inline std::optional<std::string> FindData(const std::string& name) {
  const char* const root = std::getenv("RONDO_DATA");
  if (root == nullptr) return std::nullopt;
  const std::filesystem::path folder = std::filesystem::path(root) / name;
  if (!std::filesystem::is_directory(folder)) return std::nullopt;
  return folder.string();
}

}  // namespace tests

// `NEEDS_DATA(folder, "mnist");` at the top of a TEST defines the string `folder`, or leaves the
// test out; deploy/test names every test that was left out.
#define NEEDS_DATA(folder, name)                                                               \
  const std::optional<std::string> folder##_found = ::tests::FindData(name);                   \
  if (!folder##_found.has_value()) {                                                           \
    GTEST_SKIP() << "needs the data set " << (name) << " under RONDO_DATA: deploy/fetch-data " \
                 << (name);                                                                    \
  }                                                                                            \
  const std::string& folder = *folder##_found

#endif  // RONDO_TESTS_SUPPORT_TEST_DATA_H_
