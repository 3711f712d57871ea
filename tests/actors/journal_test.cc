#include "actors/journal.h"

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "runtime/base/error.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

using runtime::NodeId;
using runtime::RoundId;
using runtime::ViewId;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using tests::HasMessage;

constexpr NodeId kAlice{~0ull, 1};
constexpr NodeId kBob{2, ~0ull};

CommitRecord CommitOf(std::uint64_t round) {
  return {.fence = {.run = ~0ull,
                    .head_epoch = 1,
                    .view = ViewId{3},
                    .round = RoundId{round},
                    .attempt = 5},
          .root = {.high = 6, .low = ~0ull},
          .step = 100 + round,
          .contributors = {kAlice, kBob}};
}

std::vector<JournalRecord> SomeRecords() {
  return {EpochRecord{.epoch = 1},
          AddressRecord{.listen = "tcp://127.0.0.1:7070"},
          RunRecord{.run = 11, .id = "first", .config = "[run]\n", .folder = "runs/first"},
          EndRecord{.run = 11, .status = "{\"state\":\"done\"}", .result = "{}"},
          RunRecord{.run = ~0ull, .id = "abc", .config = "a = \"\xff\"", .folder = "runs/abc"},
          ViewRecord{.run = ~0ull,
                     .view = ViewId{3},
                     .round = RoundId{0},
                     .root = {.high = 1, .low = 2},
                     .step = 0,
                     .seats = {{kAlice, 0}, {kBob, 7}}},
          CommitOf(0),
          CommitOf(1)};
}

class JournalFile : public testing::Test {
 protected:
  JournalFile() : folder_(testing::TempDir() + absl::StrCat("journal-", getpid())) {
    std::filesystem::create_directories(folder_);
  }
  ~JournalFile() override { std::filesystem::remove_all(folder_); }

  void Write(const std::vector<JournalRecord>& records) {
    auto opened = FileJournal::Open(folder_);
    ASSERT_OK(opened);
    for (const JournalRecord& record : records) EXPECT_OK(opened->journal->Append(record));
  }
  std::string path() const { return folder_ + "/journal"; }

  const std::string folder_;
};

TEST_F(JournalFile, GivesBackWhatWasAppended) {
  EXPECT_FALSE(FileJournal::IsIn(folder_));
  Write(SomeRecords());
  EXPECT_TRUE(FileJournal::IsIn(folder_));
  const auto opened = FileJournal::Open(folder_);
  ASSERT_OK(opened);
  EXPECT_THAT(opened->note, IsEmpty());
  const JournalState& state = opened->state;
  EXPECT_EQ(state.epoch, 1u);
  EXPECT_EQ(state.listen, "tcp://127.0.0.1:7070");
  ASSERT_EQ(state.runs.size(), 2u);
  EXPECT_EQ(state.runs[0].end->status, "{\"state\":\"done\"}");
  const JournalState::Run& run = state.runs[1];
  EXPECT_EQ(run.record.id, "abc");
  EXPECT_EQ(run.record.folder, "runs/abc");
  EXPECT_FALSE(run.end.has_value());
  ASSERT_TRUE(run.position.has_value());
  EXPECT_EQ(run.position->view, ViewId{3});
  EXPECT_EQ(run.position->round, RoundId{2});
  EXPECT_EQ(run.position->root, CommitOf(1).root);
  EXPECT_EQ(run.position->step, 101u);
  EXPECT_THAT(run.position->members, ElementsAre(testing::Pair(kBob, 7), testing::Pair(kAlice, 0)));
  ASSERT_EQ(run.position->commits.size(), 2u);
  EXPECT_EQ(run.position->commits[1].fence, CommitOf(1).fence);
  EXPECT_THAT(run.position->commits[1].contributors, ElementsAre(kAlice, kBob));
}

TEST_F(JournalFile, ATornEndIsIgnoredWithANoteAndWrittenOver) {
  Write(SomeRecords());
  const auto whole = std::filesystem::file_size(path());
  for (const std::size_t lost : {std::size_t{1}, std::size_t{20}}) {
    std::filesystem::resize_file(path(), whole - lost);
    const auto opened = FileJournal::Open(folder_);
    ASSERT_OK(opened);
    EXPECT_THAT(opened->note, HasSubstr("torn"));
    EXPECT_EQ(opened->state.runs.back().position->round, RoundId{1});
    EXPECT_OK(opened->journal->Append(CommitOf(1)));
  }
  const auto opened = FileJournal::Open(folder_);
  ASSERT_OK(opened);
  EXPECT_EQ(opened->state.runs.back().position->round, RoundId{2});
}

TEST_F(JournalFile, AFlippedByteInTheMiddleIsRefusedWithItsPlace) {
  Write(SomeRecords());
  std::fstream(path(), std::ios::in | std::ios::out).seekp(40).put('#');
  const auto opened = FileJournal::Open(folder_);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(runtime::ToUserError(opened.status()).exit, runtime::Exit::kUnreadable);
  EXPECT_THAT(opened.status(), HasMessage("is damaged at byte "));
}

TEST_F(JournalFile, RecordsOutOfOrderAreRefused) {
  Write({EpochRecord{.epoch = 2}, CommitOf(0), EpochRecord{.epoch = 3}});
  EXPECT_THAT(FileJournal::Open(folder_).status(), HasMessage("does not follow"));
}

TEST_F(JournalFile, ASecondHeadIsToldWhoHoldsIt) {
  const auto first = FileJournal::Open(folder_);
  ASSERT_OK(first);
  const auto second = FileJournal::Open(folder_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(runtime::ToUserError(second.status()).code, "STATE_DIR_IN_USE");
  EXPECT_THAT(second.status(), HasMessage(absl::StrCat("process ", getpid())));
}

TEST_F(JournalFile, AFullDiskLeavesNoHalfRecord) {
  Write(SomeRecords());
  const std::vector<JournalRecord> more = {CommitOf(2)};
  const auto length = std::filesystem::file_size(path());
  {
    auto opened = FileJournal::Open(folder_);
    ASSERT_OK(opened);
    // As a full disk does, a limit on the file's length takes the first bytes and refuses the rest.
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    rlimit limit = before;
    limit.rlim_cur = length + 10;
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const absl::Status refused = opened->journal->Append(more[0]);
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(runtime::ToUserError(refused).code, "JOURNAL_FULL");
    EXPECT_FALSE(absl::IsDataLoss(refused));
    EXPECT_EQ(std::filesystem::file_size(path()), length);
    EXPECT_OK(opened->journal->Append(more[0]));  // There is room again.
  }
  const auto opened = FileJournal::Open(folder_);
  ASSERT_OK(opened);
  EXPECT_EQ(opened->state.runs.back().position->round, RoundId{3});
}

TEST(JournalRecords, LinesThatAreNoneAreRefused) {
  const std::string line = ToLine(CommitOf(1));
  EXPECT_OK(ParseLine(line));
  EXPECT_FALSE(ParseLine("").ok());
  EXPECT_FALSE(ParseLine("hello").ok());
  for (std::size_t i = 0; i < line.size(); ++i) {
    std::string damaged = line;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_FALSE(ParseLine(damaged).ok()) << i;
  }
}

TEST(JournalRecords, OnlyTheLastCommitsAreKept) {
  std::deque<CommitRecord> commits;
  for (std::uint64_t round = 0; round < kCommitsKept + 5; ++round) Append(CommitOf(round), commits);
  ASSERT_EQ(commits.size(), kCommitsKept);
  EXPECT_EQ(commits.front().fence.round, RoundId{5});
}

}  // namespace
}  // namespace actors
