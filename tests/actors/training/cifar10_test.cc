#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "actors/training/dataset.h"
#include "runtime/base/error.h"
#include "tests/support/data_folder.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_data.h"

namespace actors {
namespace {

constexpr std::size_t kSample = 3073;

// `count` samples of labels from `label` on, whose red, green and blue are 1, 2 and 3.
std::string Samples(int count, int label = 0) {
  std::string bytes;
  for (int i = 0; i < count; ++i) {
    bytes += static_cast<char>((label + i) % 10);
    for (const char colour : {'\1', '\2', '\3'}) bytes += std::string(1024, colour);
  }
  return bytes;
}

// A sound small set.
class CifarFolder : public tests::DataFolder {
 public:
  CifarFolder() {
    Write("data_batch_2.bin", Samples(2, 7));
    Write("data_batch_1.bin", Samples(3));
    Write("test_batch.bin", Samples(2));
    Write("batches.meta.txt", "airplane\n");
  }
};

TEST(ReadCifar10Dataset, ReadsWhateverBatchesAreThereInTheOrderOfTheirNames) {
  const CifarFolder folder;
  const auto dataset = ReadCifar10Dataset(folder.path());
  ASSERT_OK(dataset);
  EXPECT_THAT(dataset->train.labels, testing::ElementsAre(0, 1, 2, 7, 8));
  EXPECT_THAT(dataset->test.labels, testing::ElementsAre(0, 1));
  EXPECT_EQ(dataset->train.shape.Text(), "3 x 32 x 32");
  ASSERT_EQ(dataset->train.pixels.size(), 5 * (kSample - 1));
  const std::uint8_t* const image = dataset->train.image(4);
  EXPECT_THAT(std::vector<int>({image[0], image[1023], image[1024], image[2048], image[3071]}),
              testing::ElementsAre(1, 1, 2, 3, 3));
}

struct Damage {
  const char* name;
  std::function<void(const CifarFolder&)> inflict;
  const char* code;
  const char* message;  // Part of it.
};

void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

std::vector<Damage> Damages() {
  const auto train = [](const std::string& bytes) {
    return [bytes](const CifarFolder& folder) { folder.Write("data_batch_2.bin", bytes); };
  };
  std::string wrong_label = Samples(3);
  wrong_label[2 * kSample] = '\x0a';
  return {
      {"NoTraining",
       [](const CifarFolder& folder) {
         folder.Remove("data_batch_1.bin");
         folder.Remove("data_batch_2.bin");
       },
       "DATA_NOT_FOUND", "holds no data_batch_*.bin"},
      {"NoTest", [](const CifarFolder& folder) { folder.Remove("test_batch.bin"); },
       "DATA_NOT_FOUND", "holds no test_batch*.bin"},
      {"NoFolder", [](const CifarFolder& folder) { std::filesystem::remove_all(folder.path()); },
       "DATA_NOT_FOUND", "cannot list"},
      {"Pipe",
       [](const CifarFolder& folder) {
         folder.Remove("test_batch.bin");
         ASSERT_EQ(mkfifo((folder.path() + "/test_batch.bin").c_str(), 0600), 0);
       },
       "DATA_NOT_FOUND", "test_batch.bin is no regular file"},
      {"Empty", train(""), "DATA_CORRUPT", "data_batch_2.bin, byte 0: the file is empty"},
      {"Cut", train(Samples(2).substr(0, 5000)), "DATA_CORRUPT",
       "data_batch_2.bin, byte 3073: the last sample has 1927 bytes"},
      {"GoesOn", train(Samples(1) + "x"), "DATA_CORRUPT",
       "data_batch_2.bin, byte 3073: the last sample has 1 bytes"},
      {"LabelOutOfRange", train(wrong_label), "DATA_CORRUPT",
       "data_batch_2.bin, byte 6146: label 10 of sample 2 is out of range"},
      {"NotCifarAtAll", train(std::string(kSample, '<')), "DATA_CORRUPT",
       "data_batch_2.bin, byte 0: label 60 of sample 0"},
      {"TooLarge",
       [](const CifarFolder& folder) {
         std::filesystem::resize_file(folder.path() + "/data_batch_2.bin", 1000000 * kSample);
       },
       "DATA_CORRUPT", "data_batch_2.bin, byte 0: there are more than the bound"},
  };
}

class BrokenCifar10 : public testing::TestWithParam<Damage> {};

TEST_P(BrokenCifar10, IsRefusedWithFileOffsetAndReason) {
  const CifarFolder folder;
  GetParam().inflict(folder);
  const absl::Status status = ReadCifar10Dataset(folder.path()).status();
  ASSERT_FALSE(status.ok());
  const runtime::UserError error = runtime::ToUserError(status);
  EXPECT_EQ(error.exit, runtime::Exit::kUnreadable);
  EXPECT_EQ(error.code, GetParam().code);
  EXPECT_THAT(error.message, testing::HasSubstr(GetParam().message));
  EXPECT_FALSE(error.hint.empty());
}

INSTANTIATE_TEST_SUITE_P(Table, BrokenCifar10, testing::ValuesIn(Damages()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(LoadDataset, ReadsCifar10ByItsName) {
  const CifarFolder folder;
  DataOptions options;
  options.source = "cifar10";
  options.dir = folder.path();
  const auto dataset = LoadDataset(options);
  ASSERT_OK(dataset);
  EXPECT_EQ((*dataset)->train.size(), 5u);
  options.dir = "no/such/place";
  const absl::Status status = LoadDataset(options).status();
  ASSERT_FALSE(status.ok());
  const runtime::UserError error = runtime::ToUserError(status);
  EXPECT_EQ(error.code, "DATA_NOT_FOUND");
  EXPECT_EQ(error.exit, runtime::Exit::kUnreadable);
  EXPECT_THAT(error.hint, testing::HasSubstr("data_batch_*.bin"));
}

TEST(RealData, Cifar10HasItsKnownFirstLabels) {
  NEEDS_DATA(folder, "cifar10");
  const auto dataset = ReadCifar10Dataset(folder);
  ASSERT_OK(dataset);
  ASSERT_GE(dataset->train.size(), 10000u);
  // Of data_batch_1.bin and test_batch.bin: frog, truck, truck, deer, automobile; cat, ship.
  EXPECT_THAT(
      std::vector<std::uint8_t>(dataset->train.labels.begin(), dataset->train.labels.begin() + 5),
      testing::ElementsAre(6, 9, 9, 4, 1));
  EXPECT_EQ(dataset->test.labels[0], 3);
  EXPECT_EQ(dataset->test.labels[1], 8);
}

}  // namespace
}  // namespace actors
