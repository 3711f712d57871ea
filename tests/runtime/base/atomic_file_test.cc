#include "runtime/base/atomic_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/support/status_matchers.h"

namespace runtime {
namespace {

std::string Read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class ReplaceFileTest : public testing::Test {
 protected:
  ReplaceFileTest() {
    std::string name = testing::TempDir() + "replace-XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~ReplaceFileTest() override { std::filesystem::remove_all(folder_); }

  std::size_t FilesInFolder() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder_),
                                                  std::filesystem::directory_iterator()));
  }

  std::filesystem::path folder_;
};

TEST_F(ReplaceFileTest, LeavesTheNewFileAndNothingElse) {
  const std::filesystem::path path = folder_ / "file";
  ASSERT_OK(ReplaceFile(path.string(), "old and long"));
  ASSERT_OK(ReplaceFile(path.string(), std::string("n\0w", 3)));
  EXPECT_EQ(Read(path), std::string("n\0w", 3));
  EXPECT_EQ(FilesInFolder(), 1u);
}

TEST_F(ReplaceFileTest, FailureNamesThePathAndLeavesNoTemporaryFile) {
  const std::filesystem::path path = folder_ / "taken";
  std::filesystem::create_directory(path);  // A file cannot replace a directory.
  const absl::Status status = ReplaceFile(path.string(), "bytes");
  EXPECT_THAT(status, tests::HasCode(absl::StatusCode::kUnavailable));
  EXPECT_THAT(status, tests::HasMessage(path.string()));
  EXPECT_EQ(FilesInFolder(), 1u);
}

TEST_F(ReplaceFileTest, AMissingFolderIsAnError) {
  EXPECT_THAT(ReplaceFile((folder_ / "none" / "file").string(), "bytes"),
              tests::HasCode(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace runtime
