#include "actors/training/libsvm.h"

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

std::vector<float> InputOf(const LabelledData& data, const Samples& samples, std::size_t sample) {
  std::vector<float> input(data.shape.input.pixels(), -1.0f);
  samples.PutInput(sample, input.data());
  return input;
}

TEST(ReadLibsvm, ReadsRowsLabelsAndTheFeaturesOfBothFiles) {
  const tests::DataFolder folder;
  // Blanks and carriage returns at the ends, empty lines, a row of zeros.
  folder.Write("set", "+1 1:0.5 3:-2 \n-1\t2:1e-1\r\n\n-1\n");
  folder.Write("set.t", "1 4:8");
  const auto data = ReadLibsvm(folder.path() + "/set");
  ASSERT_OK(data);
  EXPECT_EQ(data->shape.input.Text(), "1 x 1 x 4");
  EXPECT_EQ(data->shape.classes, 2u);
  EXPECT_THAT(LabelsOf(*data->train), ElementsAre(1, 0, 0));
  EXPECT_THAT(InputOf(*data, *data->train, 0), ElementsAre(0.5f, 0, -2, 0));
  EXPECT_THAT(InputOf(*data, *data->train, 1), ElementsAre(0, 0.1f, 0, 0));
  EXPECT_THAT(InputOf(*data, *data->train, 2), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(InputOf(*data, *data->test, 0), ElementsAre(0, 0, 0, 8));
  std::int64_t target = -1;
  data->test->PutTargets(0, &target);
  EXPECT_EQ(target, 1);
}

TEST(ReadLibsvm, FindsItsFilesInAFolder) {
  const tests::DataFolder folder;
  folder.Write("train", "7 1:1\n-3 1:2\n0 1:3\n");
  folder.Write("test", "0 1:1\n");
  const auto plain = ReadLibsvm(folder.path());
  ASSERT_OK(plain);
  EXPECT_THAT(LabelsOf(*plain->train), ElementsAre(2, 0, 1));
  EXPECT_THAT(LabelsOf(*plain->test), ElementsAre(1));
  folder.Write("train.svm", "1 1:1\n");
  folder.Write("test.svm", "1 2:1\n");
  EXPECT_EQ(ReadLibsvm(folder.path())->shape.classes, 1u);
}

TEST(ReadLibsvm, TheFingerprintKnowsValuesLabelsAndFeatures) {
  const tests::DataFolder folder;
  const auto print = [&](const char* train, const char* test) {
    folder.Write("train", train);
    folder.Write("test", test);
    return ReadLibsvm(folder.path()).value().train->Fingerprint();
  };
  const std::uint64_t first = print("1 1:1\n2 2:1\n", "1 1:1\n");
  EXPECT_EQ(print("1 1:1 \n2 2:1.0\n", "2 1:3\n"), first);
  EXPECT_NE(print("1 1:1\n2 2:2\n", "1 1:1\n"), first);
  EXPECT_NE(print("2 1:1\n1 2:1\n", "1 1:1\n"), first);
  EXPECT_NE(print("1 1:1\n2 2:1\n", "1 9:1\n"), first);
}

struct BadFile {
  const char* name;
  std::string train;
  std::string test;
  std::string message;  // What the error must name.
};

class BadLibsvm : public testing::TestWithParam<BadFile> {};

TEST_P(BadLibsvm, IsRefusedWithItsFileAndLine) {
  const tests::DataFolder folder;
  folder.Write("set.svm", GetParam().train);
  folder.Write("set.svm.t", GetParam().test);
  const absl::Status status = ReadLibsvm(folder.path() + "/set.svm").status();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(runtime::ToUserError(status).exit, runtime::Exit::kUnreadable);
  EXPECT_THAT(status, tests::HasMessage(GetParam().message));
}

const char kGood[] = "1 1:1\n-1 2:1\n";

INSTANTIATE_TEST_SUITE_P(
    EachFault, BadLibsvm,
    testing::Values(
        BadFile{"Empty", "", kGood, "set.svm, byte 0: the file is empty"},
        BadFile{"OnlyEmptyLines", "\n \n\n", kGood, "set.svm, line 1: there is no sample"},
        BadFile{"EmptyTest", kGood, "", "set.svm.t, byte 0"},
        BadFile{"IndexZero", "1 1:1\n1 0:1\n", kGood, "set.svm, line 2: \"0:1\" has index 0"},
        BadFile{"IndicesFall", "1 5:1 3:1\n", kGood, "line 1: \"3:1\" follows index 5"},
        BadFile{"IndexTwice", "1 5:1 5:1\n", kGood, "follows index 5"},
        BadFile{"IndexThatLies", "1 4000000000:1\n", kGood, "beyond the bound"},
        BadFile{"IndexBeyond32Bits", "1 99999999999999:1\n", kGood, "is no index:value"},
        BadFile{"NegativeIndex", "1 -2:1\n", kGood, "is no index:value"},
        BadFile{"NoColon", "1 1:1 17\n", kGood, "\"17\" is no index:value"},
        BadFile{"NoValue", "1 1:\n", kGood, "is no index:value"},
        BadFile{"Nan", "1 1:nan\n", kGood, "finite"},
        BadFile{"Infinite", "1 1:inf\n", kGood, "finite"},
        BadFile{"TooLargeForAFloat", "1 1:1e300\n", kGood, "finite"},
        BadFile{"LabelNoNumber", kGood, "x 1:1\n", "set.svm.t, line 1: the label \"x\""},
        BadFile{"LabelNoInteger", "0.5 1:1\n", kGood, "the label \"0.5\" is no integer"},
        BadFile{"LabelNan", "nan 1:1\n", kGood, "the label \"nan\""},
        BadFile{"LabelUnknown", kGood, "1 1:1\n\n3 1:1\n",
                "line 3: the training file has no label 3"},
        BadFile{"NoFeatures", "1\n2\n", "1\n", "no sample has a feature"},
        BadFile{"Binary",
                std::string("\x7f"
                            "ELF\0\1\2\3\n",
                            9),
                kGood, "set.svm, line 1"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(ReadLibsvm, RefusesWhatIsNotThereOrNoFile) {
  const tests::DataFolder folder;
  EXPECT_THAT(ReadLibsvm(folder.path() + "/set"), tests::HasMessage("there is no"));
  folder.Write("set", kGood);
  EXPECT_THAT(ReadLibsvm(folder.path() + "/set"), tests::HasMessage("/set.t"));
  std::filesystem::create_directory(folder.path() + "/set.t");
  EXPECT_THAT(ReadLibsvm(folder.path() + "/set"), tests::HasMessage("is no regular file"));
}

TEST(ReadLibsvm, ReadsTheRealOnes) {
  NEEDS_DATA(folder, "libsvm");
  const auto a9a = ReadLibsvm(folder + "/a9a");
  ASSERT_OK(a9a);
  EXPECT_EQ(a9a->train->size(), 32561u);
  EXPECT_EQ(a9a->test->size(), 16281u);
  EXPECT_EQ(a9a->shape.input.columns, 123u);  // a9a.t has 122.
  const auto rcv1 = ReadLibsvm(folder + "/rcv1_small");
  ASSERT_OK(rcv1);
  EXPECT_EQ(rcv1->shape.input.columns, 47117u);  // The largest that occurs, of 47,236.
}

}  // namespace
}  // namespace actors
