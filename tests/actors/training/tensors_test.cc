#include "actors/training/tensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "actors/training/random.h"
#include "runtime/base/error.h"
#include "tests/support/data_folder.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

using testing::ElementsAre;

std::string Little(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

std::string Unicode(const std::string& text) { return "X" + Little(text.size(), 4) + text; }

std::string TupleOf(const std::vector<std::int64_t>& numbers) {
  std::string text = "(";
  for (const std::int64_t number : numbers) {
    text += "J" + Little(static_cast<std::uint64_t>(number), 4);
  }
  return text + "t";
}

// A tensor as torch.save describes it (pickletools.dis of a real file shows the program).
struct Tensor {
  std::string type;  // "Float".
  std::vector<std::int64_t> sizes;
  std::string bytes;
  std::int64_t offset = 0;
  std::vector<std::int64_t> strides = {};  // Empty: contiguous.

  std::string Pickle(const std::string& key) const {
    std::vector<std::int64_t> steps = strides;
    if (steps.empty()) {
      steps.assign(sizes.size(), 1);
      for (std::size_t i = sizes.size(); i-- > 1;) steps[i - 1] = steps[i] * sizes[i];
    }
    return "ctorch._utils\n_rebuild_tensor_v2\n((" + Unicode("storage") + "ctorch\n" + type +
           "Storage\n" + Unicode(key) + Unicode("cpu") + "K\x07tQJ" +
           Little(static_cast<std::uint64_t>(offset), 4) + TupleOf(sizes) + TupleOf(steps) +
           "\x89"
           "ccollections\nOrderedDict\n)RtR";
  }
};

std::string Dict(const Tensor& inputs, const Tensor& targets) {
  return "\x80\x02}q" + std::string(1, '\0') + "(" + Unicode("inputs") + inputs.Pickle("0") +
         Unicode("targets") + targets.Pickle("1") + "u.";
}

// A ZIP archive of stored entries.
std::string Archive(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string file, directory;
  for (const auto& [name, bytes] : entries) {
    const auto sum =
        crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size()));
    const std::string common = Little(0, 4) + Little(0, 2) + Little(0, 4) + Little(sum, 4) +
                               Little(bytes.size(), 4) + Little(bytes.size(), 4) +
                               Little(name.size(), 2);
    directory += Little(0x02014b50, 4) + Little(0, 2) + common + Little(0, 2) + Little(0, 2) +
                 Little(0, 8) + Little(file.size(), 4) + name;
    file += Little(0x04034b50, 4) + common + Little(0, 2) + name + bytes;
  }
  const std::size_t begin = file.size();
  return file + directory + Little(0x06054b50, 4) + Little(0, 4) + Little(entries.size(), 2) +
         Little(entries.size(), 2) + Little(directory.size(), 4) + Little(begin, 4) + Little(0, 2);
}

std::string FileOf(const Tensor& inputs, const Tensor& targets) {
  return Archive({{"train/data.pkl", Dict(inputs, targets)},
                  {"train/data/0", inputs.bytes},
                  {"train/data/1", targets.bytes}});
}

std::string Floats(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

std::string Longs(const std::vector<std::int64_t>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(std::int64_t)};
}

const Tensor kInputs{"Float", {2, 3}, Floats({1, 2, 3, 4, 5, 6})};
const Tensor kTargets{"Long", {2}, Longs({1, 0})};

std::vector<float> InputOf(const LabelledData& data, const Samples& samples, std::size_t sample) {
  std::vector<float> input(data.shape.input.pixels());
  samples.PutInput(sample, input.data());
  return input;
}

TEST(ReadTensors, ReadsFloatsAsTheyAre) {
  const tests::DataFolder folder;
  folder.Write("train.pt", FileOf(kInputs, kTargets));
  // A view into a larger storage, with targets of another type.
  Tensor part{"Float", {1, 3}, Floats({9, 9, 7, 8, 9})};
  part.offset = 2;
  folder.Write("test.pt", FileOf(part, {"Int", {1}, std::string("\1\0\0\0", 4)}));
  const auto data = ReadTensors(folder.path());
  ASSERT_OK(data);
  EXPECT_EQ(data->shape.input.Text(), "1 x 1 x 3");
  EXPECT_EQ(data->shape.classes, 2u);
  EXPECT_THAT(LabelsOf(*data->train), ElementsAre(1, 0));
  EXPECT_THAT(InputOf(*data, *data->train, 1), ElementsAre(4, 5, 6));
  EXPECT_THAT(InputOf(*data, *data->test, 0), ElementsAre(7, 8, 9));
  EXPECT_THAT(LabelsOf(*data->test), ElementsAre(1));
}

TEST(ReadTensors, ScalesBytesAsPixels) {
  const tests::DataFolder folder;
  const std::string file = FileOf({"Byte", {1, 1, 2, 2}, std::string("\0\x33\x66\xFF", 4)},
                                  {"Byte", {1}, std::string(1, '\0')});
  folder.Write("train.pt", file);
  folder.Write("test.pt", file);
  const auto data = ReadTensors(folder.path());
  ASSERT_OK(data);
  EXPECT_EQ(data->shape.input.Text(), "1 x 2 x 2");
  EXPECT_THAT(InputOf(*data, *data->train, 0), ElementsAre(0.0f, 0.2f, 0.4f, 1.0f));
}

struct BadTensors {
  const char* name;
  std::string train;
  std::string message;
};

class BadTensorFile : public testing::TestWithParam<BadTensors> {};

TEST_P(BadTensorFile, IsRefusedWithItsFileAndByte) {
  const tests::DataFolder folder;
  folder.Write("train.pt", GetParam().train);
  folder.Write("test.pt", FileOf(kInputs, kTargets));
  const absl::Status status = ReadTensors(folder.path()).status();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(runtime::ToUserError(status).exit, runtime::Exit::kUnreadable);
  EXPECT_THAT(status, tests::HasMessage(GetParam().message));
  EXPECT_THAT(status, tests::HasMessage("train.pt, byte "));
}

Tensor With(Tensor tensor, std::vector<std::int64_t> sizes) {
  tensor.sizes = std::move(sizes);
  return tensor;
}

Tensor WithOffset(Tensor tensor, std::int64_t offset) {
  tensor.offset = offset;
  return tensor;
}

Tensor WithStrides(Tensor tensor, std::vector<std::int64_t> strides) {
  tensor.strides = std::move(strides);
  return tensor;
}

// The whole file with one byte of the inputs changed.
std::string Damaged() {
  std::string file = FileOf(kInputs, kTargets);
  file[file.find(kInputs.bytes) + 5] ^= 1;
  return file;
}

std::string ThatSaysOfItsSize(std::uint32_t bytes) {
  std::string file = FileOf(kInputs, kTargets);
  const std::size_t line = file.find("PK\x01\x02");
  file.replace(line + 20, 8, Little(bytes, 4) + Little(bytes, 4));
  return file;
}

const char kLegacy[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
const float kNan = std::numeric_limits<float>::quiet_NaN();

INSTANTIATE_TEST_SUITE_P(
    EachFault, BadTensorFile,
    testing::Values(
        BadTensors{"Empty", "", "the file is empty"},
        BadTensors{"OfAnOldTorch", kLegacy, "this is no ZIP archive"},
        BadTensors{"CutOff", FileOf(kInputs, kTargets).substr(0, 300), "cut off"},
        BadTensors{"Damaged", Damaged(), "do not have their checksum"},
        BadTensors{"EntryThatLies", ThatSaysOfItsSize(0x7FFFFFFF), "does not fit into the file"},
        BadTensors{"NoPickle", Archive({{"x/data", "1"}}), "no data.pkl"},
        BadTensors{"EmptyPickle", Archive({{"x/data.pkl", ""}}), "the pickle is cut off"},
        BadTensors{"LongPickle", Archive({{"x/data.pkl", std::string(5000, '(')}}),
                   "bound of 4096"},
        BadTensors{"CallsSomething", Archive({{"x/data.pkl", "cos\nsystem\n(X\x02\0\0\0lstR."}}),
                   "byte"},
        BadTensors{"NoDict", Archive({{"x/data.pkl", "\x80\x02K\x01."}}), "no dict of tensors"},
        BadTensors{"UnknownInstruction", Archive({{"x/data.pkl", "\x80\x02\x93."}}), "0x93"},
        BadTensors{"NoTargets",
                   Archive({{"x/data.pkl", "}(" + Unicode("inputs") + kInputs.Pickle("0") + "u."},
                            {"x/data/0", kInputs.bytes}}),
                   "no \"targets\""},
        BadTensors{"SizesThatLie", FileOf(With(kInputs, {2, 300}), kTargets),
                   "should have 600 elements from 0 on, but 6 are here"},
        BadTensors{"SizesThatOverflow",
                   FileOf(With(kInputs, {2, 0x7FFFFFFF, 0x7FFFFFFF, 0x7FFFFFFF}), kTargets),
                   "a size that cannot be"},
        BadTensors{"NegativeSize", FileOf(With(kInputs, {2, -3}), kTargets), "cannot be"},
        BadTensors{"OffsetThatLies", FileOf(WithOffset(kInputs, 1), kTargets), "from 1 on"},
        BadTensors{"NegativeOffset", FileOf(WithOffset(kInputs, -1), kTargets), "from -1 on"},
        BadTensors{"Transposed", FileOf(WithStrides(kInputs, {1, 2}), kTargets), "not contiguous"},
        BadTensors{"OneDimension", FileOf(With(kInputs, {6}), kTargets), "2 to 4 dimensions"},
        BadTensors{"Doubles", FileOf({"Double", {2, 3}, std::string(48, '\0')}, kTargets),
                   "torch DoubleStorage"},
        BadTensors{"TooFewTargets", FileOf(kInputs, {"Long", {1}, Longs({1})}),
                   "targets must be 2 integers"},
        BadTensors{"TargetsOfFloats", FileOf(kInputs, {"Float", {2}, Floats({0, 1})}),
                   "targets must be 2 integers"},
        BadTensors{"NegativeTarget", FileOf(kInputs, {"Long", {2}, Longs({0, -1})}),
                   "target -1 of sample 1"},
        BadTensors{"TargetOutOfRange", FileOf(kInputs, {"Long", {2}, Longs({0, 1 << 20})}),
                   "expected 0 to 4095"},
        BadTensors{"Nan", FileOf({"Float", {2, 3}, Floats({1, 2, 3, 4, kNan, 6})}, kTargets),
                   "an input is nan"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(ReadTensors, TheTestMustHaveTheShapeAndTheClassesOfTheTraining) {
  const tests::DataFolder folder;
  folder.Write("train.pt", FileOf(kInputs, kTargets));
  EXPECT_THAT(ReadTensors(folder.path()), tests::HasMessage("/test.pt"));
  folder.Write("test.pt", FileOf(With(kInputs, {2, 1, 3}), kTargets));
  EXPECT_OK(ReadTensors(folder.path()));
  folder.Write("test.pt", FileOf(With(kInputs, {2, 3, 1}), kTargets));
  EXPECT_THAT(ReadTensors(folder.path()), tests::HasMessage("1 x 3 x 1"));
  folder.Write("test.pt", FileOf(kInputs, {"Long", {2}, Longs({0, 2})}));
  EXPECT_THAT(ReadTensors(folder.path()), tests::HasMessage("expected 0 to 1"));
  std::filesystem::remove(folder.path() + "/test.pt");
  std::filesystem::create_directory(folder.path() + "/test.pt");
  EXPECT_THAT(ReadTensors(folder.path()), tests::HasMessage("is no regular file"));
}

// Whatever a byte becomes, the file is read or refused: never a crash. (Checksums would hide most
// of it, so each file gets new ones.)
TEST(ReadTensors, SurvivesEveryChangeOfAByteOfThePickle) {
  const std::string pickle = Dict(kInputs, kTargets);
  RandomStream random(1, Purpose::kDigit);
  const tests::DataFolder folder;
  folder.Write("test.pt", FileOf(kInputs, kTargets));
  int refused = 0;
  for (std::size_t place = 0; place < pickle.size(); ++place) {
    std::string changed = pickle;
    changed[place] = static_cast<char>(random.NextBelow(256));
    folder.Write("train.pt", Archive({{"train/data.pkl", changed},
                                      {"train/data/0", kInputs.bytes},
                                      {"train/data/1", kTargets.bytes}}));
    refused += ReadTensors(folder.path()).ok() ? 0 : 1;
  }
  EXPECT_GT(refused, static_cast<int>(pickle.size()) / 2);
}

}  // namespace
}  // namespace actors
