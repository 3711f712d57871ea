#include "actors/run_folder.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "runtime/base/error.h"
#include "tests/support/shell.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

class Folder : public testing::Test {
 protected:
  Folder() : out_(testing::TempDir() + "rondo_folder_" + std::to_string(getpid()) + "/a/b") {
    std::filesystem::remove_all(Root());
  }
  ~Folder() override { std::filesystem::remove_all(Root()); }
  std::filesystem::path Root() const {
    return std::filesystem::path(out_).parent_path().parent_path();
  }

  std::string out_;
};

RunEvent Event(std::uint64_t step) { return {.what = StepEvent{.step = step}}; }

TEST_F(Folder, HoldsConfigMetricsAndPlacesForTheRest) {
  RunConfig config;
  config.run.seed = 42;
  const auto folder = RunFolder::Create(out_, "7f3a", config);
  ASSERT_OK(folder);
  EXPECT_EQ((*folder)->path(), out_ + "/7f3a");
  const std::string text = tests::ReadWholeFile((*folder)->PathOf(RunFile::kConfig));
  const auto again = ParseRunConfig(text, "again");
  ASSERT_OK(again);
  EXPECT_EQ(again->run.seed, 42u);
  std::ofstream((*folder)->LogPath(3)) << "a line\n";
  EXPECT_EQ(tests::ReadWholeFile(out_ + "/7f3a/logs/slot-3.log"), "a line\n");
  EXPECT_EQ((*folder)->PathOf(RunFile::kModel), out_ + "/7f3a/model.pt");
}

TEST_F(Folder, MetricsAreOnDiskLineByLine) {
  const auto folder = RunFolder::Create(out_, "7f3a", {});
  ASSERT_OK(folder);
  ASSERT_OK((*folder)->Append(Event(1)));
  ASSERT_OK((*folder)->Append(Event(2)));
  EXPECT_EQ(tests::ReadWholeFile((*folder)->PathOf(RunFile::kMetrics)),
            ToJson(Event(1)) + "\n" + ToJson(Event(2)) + "\n");
}

TEST_F(Folder, WhoGoesOnInItWritesBehindTheLastWholeLine) {
  std::string path, metrics;
  {
    const auto folder = RunFolder::Create(out_, "7f3a", {});
    ASSERT_OK(folder);
    ASSERT_OK((*folder)->Append(Event(1)));
    path = (*folder)->path();
    metrics = (*folder)->PathOf(RunFile::kMetrics);
  }
  std::ofstream(metrics, std::ios::app) << R"({"t":1.5,"event":"st)";
  const auto again = RunFolder::Reopen(path);
  ASSERT_OK(again);
  ASSERT_OK((*again)->Append(Event(2)));
  EXPECT_EQ(tests::ReadWholeFile(metrics), ToJson(Event(1)) + "\n" + ToJson(Event(2)) + "\n");
}

TEST_F(Folder, AFileIsReadInPieces) {
  const auto folder = RunFolder::Create(out_, "7f3a", {});
  ASSERT_OK(folder);
  const std::string path = (*folder)->PathOf(RunFile::kModel);
  EXPECT_EQ(runtime::ToUserError(ReadPiece(path, 0, 4).status()).code, "FILE_NOT_FOUND");
  std::ofstream(path) << "0123456789";
  const auto piece = [&](std::uint64_t offset, std::size_t most) {
    const auto read = ReadPiece(path, offset, most);
    EXPECT_OK(read);
    EXPECT_EQ(read->size, 10u);
    return std::string(read->data.begin(), read->data.end());
  };
  EXPECT_EQ(piece(0, 4), "0123");
  EXPECT_EQ(piece(8, 4), "89");
  EXPECT_EQ(piece(10, 4), "");
  EXPECT_EQ(piece(~0ull, 4), "");
  // What is no file.
  EXPECT_EQ(runtime::ToUserError(ReadPiece((*folder)->path(), 0, 4).status()).code,
            "FILE_UNREADABLE");
}

TEST_F(Folder, AnOldRunIsNeverOverwritten) {
  ASSERT_OK(RunFolder::Create(out_, "7f3a", {}));
  EXPECT_THAT(RunFolder::Create(out_, "7f3a", {}), tests::HasMessage("it is there already"));
}

TEST_F(Folder, APlaceThatCannotBeWrittenIsNamed) {
  std::filesystem::create_directories(Root());
  std::ofstream(Root() / "a") << "a file";
  for (const std::string& out : {out_, std::string("/proc/rondo")}) {
    const auto folder = RunFolder::Create(out, "7f3a", {});
    ASSERT_FALSE(folder.ok());
    const runtime::UserError error = runtime::ToUserError(folder.status());
    EXPECT_EQ(error.code, "OUTPUT_FAILED");
    EXPECT_EQ(error.exit, runtime::Exit::kRunFailed);
    EXPECT_NE(error.message.find(out), std::string::npos) << error.message;
  }
}

// A limit on file sizes stands for a full disk: write fails in the same place.
TEST_F(Folder, AFullDiskIsAnErrorAndNotTheEnd) {
  const auto folder = RunFolder::Create(out_, "7f3a", {});
  ASSERT_OK(folder);
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &none);
  const absl::Status full = (*folder)->Append(Event(1));
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_DFL);
  EXPECT_THAT(full, tests::HasMessage("metrics.jsonl"));
  EXPECT_EQ(runtime::ToUserError(full).code, "OUTPUT_FAILED");
  EXPECT_OK((*folder)->Append(Event(2)));
}

}  // namespace
}  // namespace actors
