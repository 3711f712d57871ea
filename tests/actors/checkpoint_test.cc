#include "actors/checkpoint.h"

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "runtime/base/error.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

using testing::ElementsAreArray;
using tests::HasMessage;

class CheckpointFile : public testing::Test {
 protected:
  CheckpointFile() : path_(testing::TempDir() + absl::StrCat("checkpoint-", getpid())) {
    checkpoint_ = {.round = runtime::RoundId{7},
                   .step = 99,
                   .layout_hash = ~0ull,
                   .floats = std::make_shared<runtime::AlignedBuffer>(40'000)};
    float value = 0;
    for (float& one : checkpoint_.floats->span()) one = value += 0.25F;
    checkpoint_.root = runtime::RootOf(~0ull, checkpoint_.floats->span());
  }
  ~CheckpointFile() override { std::filesystem::remove(path_); }

  void ExpectUnreadable(const std::string& why) const {
    const auto loaded = LoadCheckpoint(path_);
    ASSERT_FALSE(loaded.ok());
    EXPECT_EQ(runtime::ToUserError(loaded.status()).exit, runtime::Exit::kUnreadable);
    EXPECT_THAT(loaded.status(), HasMessage(why));
    EXPECT_THAT(loaded.status(), HasMessage(path_));
  }

  const std::string path_;
  Checkpoint checkpoint_;
};

TEST_F(CheckpointFile, GivesBackWhatWasSaved) {
  ASSERT_OK(SaveCheckpoint(checkpoint_, path_));
  const auto loaded = LoadCheckpoint(path_);
  ASSERT_OK(loaded);
  EXPECT_EQ(loaded->round, checkpoint_.round);
  EXPECT_EQ(loaded->step, 99u);
  EXPECT_EQ(loaded->layout_hash, ~0ull);
  EXPECT_EQ(loaded->root, checkpoint_.root);
  EXPECT_THAT(loaded->floats->span(), ElementsAreArray(checkpoint_.floats->span()));
}

TEST_F(CheckpointFile, TornDamagedOrForeignFilesAreRefused) {
  ExpectUnreadable("No such file");
  std::ofstream(path_) << "hello\n";
  ExpectUnreadable("its format is");
  std::ofstream(path_) << std::string(10'000, 'x');
  ExpectUnreadable("no checkpoint");
  std::ofstream(path_) << "{\"format\":\"rondo-checkpoint-9\"}\n";
  ExpectUnreadable("rondo-checkpoint-9");
  std::ofstream(path_) << "{\"format\":\"rondo-checkpoint-1\",\"floats\":-1}\n";
  ExpectUnreadable("floats is of a wrong type");
  std::ofstream(path_) << "{\"format\":\"rondo-checkpoint-1\",\"floats\":1}\nabcd";
  ExpectUnreadable("not those that were written");
  ASSERT_OK(SaveCheckpoint(checkpoint_, path_));
  const auto length = std::filesystem::file_size(path_);
  std::filesystem::resize_file(path_, length - 1);
  ExpectUnreadable("159999 bytes of 40000 floats");
  ASSERT_OK(SaveCheckpoint(checkpoint_, path_));
  std::fstream(path_, std::ios::in | std::ios::out).seekp(length - 3).put('#');
  ExpectUnreadable("not those that were written");
}

TEST_F(CheckpointFile, ThatCannotBeWrittenSaysSo) {
  const absl::Status saved = SaveCheckpoint(checkpoint_, path_ + "/none/x");
  ASSERT_FALSE(saved.ok());
  EXPECT_EQ(runtime::ToUserError(saved).code, "CHECKPOINT_FAILED");
}

}  // namespace
}  // namespace actors
