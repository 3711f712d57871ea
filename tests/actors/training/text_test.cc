#include "actors/training/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/base/error.h"
#include "tests/support/data_folder.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_data.h"

namespace actors {
namespace {

using testing::ElementsAre;

std::vector<std::int64_t> InputOf(const Samples& samples, std::size_t sample, std::size_t context) {
  std::vector<float> input(context);
  samples.PutInput(sample, input.data());
  return {input.begin(), input.end()};
}

std::vector<std::int64_t> TargetsOf(const Samples& samples, std::size_t sample,
                                    std::size_t context) {
  std::vector<std::int64_t> targets(context);
  samples.PutTargets(sample, targets.data());
  return targets;
}

TEST(ReadText, CutsWindowsWhoseTargetsAreTheNextCharacters) {
  const tests::DataFolder folder;
  folder.Write("it.txt", "abcdefghijklmnopqrstabcdefghijklmnopqrstabcdefghij");  // 50.
  const auto data = ReadText(folder.path() + "/it.txt", 2);
  ASSERT_OK(data);
  EXPECT_EQ(data->shape.input.Text(), "1 x 1 x 2");
  EXPECT_EQ(data->shape.classes, 20u);
  EXPECT_EQ(data->shape.targets, 2u);
  EXPECT_EQ(data->train->size(), 43u);  // 45 characters.
  EXPECT_THAT(InputOf(*data->train, 3, 2), ElementsAre(3, 4));
  EXPECT_THAT(TargetsOf(*data->train, 3, 2), ElementsAre(4, 5));
  EXPECT_EQ(data->train->LabelOf(3), 5u);
  EXPECT_EQ(data->train->LabelOf(42), 4u);
  // "fghij", each character but the first a target once.
  EXPECT_EQ(data->test->size(), 2u);
  EXPECT_THAT(TargetsOf(*data->test, 0, 2), ElementsAre(6, 7));
  EXPECT_THAT(TargetsOf(*data->test, 1, 2), ElementsAre(8, 9));
}

TEST(ReadText, CountsCodePointsAndReadsTheTextsOfAFolderInOrder) {
  const tests::DataFolder folder;
  folder.Write("b.txt", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80" + std::string(30, 'b'));  // é, €, 😀.
  folder.Write("a.txt", "aaa");
  folder.Write("c.md", "ccc");
  const auto data = ReadText(folder.path(), 2);
  ASSERT_OK(data);
  EXPECT_EQ(data->shape.classes, 5u);  // a, b, é, €, 😀.
  EXPECT_THAT(InputOf(*data->train, 2, 2), ElementsAre(0, 2));
  EXPECT_THAT(InputOf(*data->train, 4, 2), ElementsAre(3, 4));
}

struct BadText {
  const char* name;
  std::string text;
  std::string message;
};

class BadTextFile : public testing::TestWithParam<BadText> {};

TEST_P(BadTextFile, IsRefusedWithItsFileAndByte) {
  const tests::DataFolder folder;
  folder.Write("it.txt", GetParam().text);
  const absl::Status status = ReadText(folder.path(), 4).status();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(runtime::ToUserError(status).exit, runtime::Exit::kUnreadable);
  EXPECT_THAT(status, tests::HasMessage(GetParam().message));
}

std::string Many(std::uint32_t characters) {
  std::string text;
  for (std::uint32_t code = 0x4E00; code < 0x4E00 + characters; ++code) {
    text += {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3F)),
             static_cast<char>(0x80 | (code & 0x3F))};
  }
  return text;
}

INSTANTIATE_TEST_SUITE_P(
    EachFault, BadTextFile,
    testing::Values(BadText{"Empty", "", "it.txt, byte 0: the file is empty"},
                    BadText{"Latin1", "caf\xE9 au lait", "it.txt, byte 3: this is no UTF-8"},
                    BadText{"CutOffInACharacter", std::string(90, 'a') + "\xE2\x82", "byte 90"},
                    BadText{"Overlong", "ab\xC0\x80", "byte 2"},
                    BadText{"OverlongOfThree", "ab\xE0\x80\x80", "byte 2"},
                    BadText{"Surrogate", "abc\xED\xA0\x80", "byte 3"},
                    BadText{"BeyondUnicode", "abc\xF4\x90\x80\x80", "byte 3"},
                    BadText{"Continuation", "\x80", "byte 0"},
                    BadText{"TooManyCharacters", Many(4097), "4097 different characters"},
                    BadText{"TooShort", std::string(40, 'a'), "40 characters"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(ReadText, RefusesWhatIsNoText) {
  const tests::DataFolder folder;
  EXPECT_THAT(ReadText(folder.path(), 4), tests::HasMessage("no file whose name ends in .txt"));
  EXPECT_THAT(ReadText(folder.path() + "/none", 4), tests::HasMessage("there is no"));
  std::filesystem::create_directory(folder.path() + "/a.txt");
  EXPECT_THAT(ReadText(folder.path(), 4), tests::HasMessage("is no regular file"));
}

TEST(ReadText, ReadsShakespeare) {
  NEEDS_DATA(folder, "tinyshakespeare");
  const auto data = ReadText(folder, 64);
  ASSERT_OK(data);
  EXPECT_EQ(data->shape.classes, 65u);
  EXPECT_EQ(data->train->size() + 64, 1115394u - 111539u);
}

}  // namespace
}  // namespace actors
