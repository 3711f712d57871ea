#include "apps/rondo/fetch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "runtime/base/error.h"
#include "tests/support/shell.h"
#include "tests/support/status_matchers.h"

namespace apps {
namespace {

using actors::FetchPart;
using actors::FilePart;
using actors::RunFile;

class FetchTest : public testing::Test {
 protected:
  FetchTest() : folder_(testing::TempDir() + "rondo_fetch_" + std::to_string(getpid())) {
    std::filesystem::create_directories(folder_);
  }
  ~FetchTest() override { std::filesystem::remove_all(folder_); }

  // Fetches into `model.pt` what a head would hand over, three bytes at a time.
  absl::StatusOr<std::uint64_t> Fetch(const std::string& there) {
    return FetchWith([&there](const FetchPart& part) -> absl::StatusOr<FilePart> {
      const std::string piece = there.substr(part.offset, 3);
      return FilePart{.size = there.size(), .data = {piece.begin(), piece.end()}};
    });
  }
  absl::StatusOr<std::uint64_t> FetchWith(AskForPart ask) {
    return FetchFile("7f3a", RunFile::kModel, Path(), ask);
  }
  std::string Path() const { return folder_ + "/model.pt"; }
  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      names.push_back(entry.path().filename());
    }
    return names;
  }
  void ExpectTheOldFileStays() const {
    EXPECT_EQ(tests::ReadWholeFile(Path()), "old");
    EXPECT_THAT(Files(), testing::ElementsAre("model.pt"));
  }

  const std::string folder_;
};

TEST_F(FetchTest, PutsThePartsTogetherAndReplacesAnOlderFile) {
  std::ofstream(Path()) << "old and longer than the new one";
  for (const std::string there : {"", "ab", "abc", "abcdefgh", "abcdef"}) {
    const auto bytes = Fetch(there);
    ASSERT_OK(bytes);
    EXPECT_EQ(*bytes, there.size());
    EXPECT_EQ(tests::ReadWholeFile(Path()), there);
    EXPECT_THAT(Files(), testing::ElementsAre("model.pt"));
  }
}

TEST_F(FetchTest, AsksForEachPartOfTheFileOnce) {
  std::vector<std::uint64_t> offsets;
  ASSERT_OK(FetchWith([&](const FetchPart& part) -> absl::StatusOr<FilePart> {
    EXPECT_EQ(part.run_id, "7f3a");
    EXPECT_EQ(part.file, RunFile::kModel);
    offsets.push_back(part.offset);
    return FilePart{.size = 5, .data = {1, 2}};
  }));
  EXPECT_THAT(offsets, testing::ElementsAre(0, 2, 4));
  EXPECT_EQ(tests::ReadWholeFile(Path()).size(), 5u);
}

TEST_F(FetchTest, AFileThatGrowsIsTakenAsItWasAtFirst) {
  std::string there = "abcd";
  ASSERT_OK(FetchWith([&there](const FetchPart& part) -> absl::StatusOr<FilePart> {
    const std::string piece = there.substr(part.offset, 3);
    const FilePart answer{.size = there.size(), .data = {piece.begin(), piece.end()}};
    there += "more";
    return answer;
  }));
  EXPECT_EQ(tests::ReadWholeFile(Path()), "abcd");
}

TEST_F(FetchTest, AFileThatShrinksOrEndsEarlyIsNotTaken) {
  std::ofstream(Path()) << "old";
  for (const FilePart& second : {FilePart{.size = 5, .data = {1, 2, 3}}, FilePart{.size = 6}}) {
    const auto bytes = FetchWith([&second](const FetchPart& part) -> absl::StatusOr<FilePart> {
      if (part.offset > 0) return second;
      return FilePart{.size = 6, .data = {1, 2, 3}};
    });
    ASSERT_FALSE(bytes.ok());
    EXPECT_EQ(runtime::ToUserError(bytes.status()).code, "FETCH_BROKEN");
    ExpectTheOldFileStays();
  }
}

TEST_F(FetchTest, TheOldFileStaysWhenTheHeadFailsAtAnyPart) {
  std::ofstream(Path()) << "old";
  for (const std::uint64_t fails_at : {0, 3}) {
    const auto bytes = FetchWith([&](const FetchPart& part) -> absl::StatusOr<FilePart> {
      if (part.offset == fails_at) {
        return runtime::MakeError("HEAD_LOST", runtime::Exit::kHeadUnreachable, "gone");
      }
      return FilePart{.size = 6, .data = {1, 2, 3}};
    });
    ASSERT_FALSE(bytes.ok());
    EXPECT_EQ(runtime::ToUserError(bytes.status()).code, "HEAD_LOST");
    ExpectTheOldFileStays();
  }
}

TEST_F(FetchTest, SaysWhereItCannotWrite) {
  const auto bytes = FetchFile("7f3a", RunFile::kModel, folder_ + "/none/model.pt",
                               [](const FetchPart&) { return FilePart{.size = 1, .data = {1}}; });
  ASSERT_FALSE(bytes.ok());
  const runtime::UserError error = runtime::ToUserError(bytes.status());
  EXPECT_EQ(error.code, "OUTPUT_FAILED");
  EXPECT_THAT(error.message, testing::HasSubstr("/none/model.pt: No such file"));
}

}  // namespace
}  // namespace apps
