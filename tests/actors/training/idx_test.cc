#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "actors/training/dataset.h"
#include "runtime/base/error.h"
#include "tests/support/data_folder.h"
#include "tests/support/idx_files.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_data.h"

namespace actors {
namespace {

using tests::BigEndian;

std::string Images(std::uint32_t count) {
  return BigEndian(0x803) + BigEndian(count) + BigEndian(28) + BigEndian(28) +
         std::string(std::size_t{count} * kImagePixels, '\x11');
}

std::string Labels(std::uint32_t count) {
  return BigEndian(0x801) + BigEndian(count) + std::string(count, '\x03');
}

std::string Gzip(const std::string& bytes) {
  z_stream stream = {};
  // 16 asks for gzip's header and trailer.
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

// A sound small set.
class IdxFolder : public tests::DataFolder {
 public:
  IdxFolder() {
    Write("train-images-idx3-ubyte.gz", Gzip(Images(3)));
    Write("train-labels-idx1-ubyte.gz", Gzip(Labels(3)));
    Write("t10k-images-idx3-ubyte.gz", Gzip(Images(2)));
    Write("t10k-labels-idx1-ubyte.gz", Gzip(Labels(2)));
  }
};

TEST(ReadIdxDataset, ReadsASoundSet) {
  const IdxFolder folder;
  const absl::StatusOr<Dataset> dataset = ReadIdxDataset(folder.path());
  ASSERT_OK(dataset);
  EXPECT_EQ(dataset->train.size(), 3u);
  EXPECT_EQ(dataset->test.size(), 2u);
  EXPECT_EQ(dataset->train.pixels.size(), 3 * kImagePixels);
  EXPECT_THAT(dataset->train.pixels, testing::Each(0x11));
  EXPECT_THAT(dataset->test.labels, testing::ElementsAre(3, 3));
}

TEST(ReadIdxDataset, ReadsFilesThatAreNotCompressed) {
  const IdxFolder folder;
  folder.Remove("train-images-idx3-ubyte.gz");
  folder.Write("train-images-idx3-ubyte", Images(3));
  EXPECT_OK(ReadIdxDataset(folder.path()));
}

struct Damage {
  const char* name;
  std::function<void(const IdxFolder&)> inflict;
  const char* file;    // Named in the error...
  const char* offset;  // ...with this place...
  const char* why;     // ...and this reason.
};

void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

std::string FlippedByte(std::string bytes, std::size_t place) {
  bytes[place] = static_cast<char>(bytes[place] ^ 0x40);
  return bytes;
}

constexpr char kImages[] = "train-images-idx3-ubyte.gz";
constexpr char kLabels[] = "train-labels-idx1-ubyte.gz";

std::vector<Damage> Damages() {
  const auto images = [](const std::string& bytes) {
    return [bytes](const IdxFolder& folder) { folder.Write(kImages, bytes); };
  };
  const auto labels = [](const std::string& bytes) {
    return [bytes](const IdxFolder& folder) { folder.Write(kLabels, bytes); };
  };
  const std::string sound = Gzip(Images(3));
  std::string wrong_label = Labels(3);
  wrong_label[9] = '\x0a';
  return {
      {"EmptyFile", images(""), kImages, "byte 0:", "ends early"},
      {"LabelsInPlaceOfImages", images(Gzip(Labels(3))), kImages, "byte 0:", "wrong magic number"},
      {"ImagesInPlaceOfLabels", labels(Gzip(Images(3))), kLabels, "byte 0:", "wrong magic number"},
      {"NotIdxAtAll", images("<html>404 not found</html>"), kImages,
       "byte 0:", "wrong magic number"},
      {"HeaderCut", images(Gzip(Images(3).substr(0, 10))), kImages, "byte 10:", "ends early"},
      {"PixelsCut", images(Gzip(Images(3).substr(0, 1000))), kImages, "byte 1000:", "ends early"},
      {"LabelsCut", labels(Gzip(Labels(3).substr(0, 10))), kLabels, "byte 10:", "ends early"},
      {"GzipCut", images(sound.substr(0, sound.size() - 12)), kImages, "byte",
       "gzip stream ends early"},
      {"GzipTrailerCut", images(sound.substr(0, sound.size() - 4)), kImages,
       "byte 2368:", "gzip stream ends early"},
      {"GzipChecksumWrong", images(FlippedByte(sound, sound.size() - 6)), kImages, "byte",
       "gzip stream is damaged"},
      {"GzipBodyDamaged", images(FlippedByte(sound, 10)), kImages, "byte",
       "gzip stream is damaged"},
      {"GzipBomb", images(Gzip(Images(3) + std::string(50 << 20, '\0'))), kImages,
       "byte 2368:", "goes on after what its header declares"},
      {"LabelsGoOn", labels(Gzip(Labels(3) + "x")), kLabels,
       "byte 11:", "goes on after what its header declares"},
      {"FewerLabelsThanImages", labels(Gzip(Labels(2))), kLabels,
       "byte 4:", "2 labels, but the image file holds 3"},
      {"LabelOutOfRange", labels(Gzip(wrong_label)), kLabels, "byte 9:", "label 10 of sample 1"},
      {"ZeroSamples", images(Gzip(Images(0))), kImages, "byte 4:", "zero samples"},
      {"CountOverflows",
       images(Gzip(BigEndian(0x803) + BigEndian(~0u) + BigEndian(28) + BigEndian(28))), kImages,
       "byte 4:", "more than the bound"},
      {"PromisesMoreThanItHolds",
       images(Gzip(BigEndian(0x803) + BigEndian(1000000) + BigEndian(28) + BigEndian(28))), kImages,
       "byte 16:", "ends early"},
      {"OtherImageSize",
       images(Gzip(BigEndian(0x803) + BigEndian(1) + BigEndian(32) + BigEndian(32) +
                   std::string(1024, '\0'))),
       kImages, "byte 8:", "images of 32 x 32"},
  };
}

class BrokenData : public testing::TestWithParam<Damage> {};

TEST_P(BrokenData, IsRefusedWithFileOffsetAndReason) {
  const IdxFolder folder;
  GetParam().inflict(folder);
  const absl::Status status = ReadIdxDataset(folder.path()).status();
  ASSERT_FALSE(status.ok());
  const runtime::UserError error = runtime::ToUserError(status);
  EXPECT_EQ(error.exit, runtime::Exit::kUnreadable);
  EXPECT_EQ(error.code, "DATA_CORRUPT");
  EXPECT_THAT(error.message, testing::HasSubstr(GetParam().file));
  EXPECT_THAT(error.message, testing::HasSubstr(GetParam().offset));
  EXPECT_THAT(error.message, testing::HasSubstr(GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(Table, BrokenData, testing::ValuesIn(Damages()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(ReadIdxDataset, NamesAMissingFile) {
  const IdxFolder folder;
  folder.Remove(kLabels);
  const absl::Status status = ReadIdxDataset(folder.path()).status();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(runtime::ToUserError(status).exit, runtime::Exit::kUnreadable);
  EXPECT_THAT(status, tests::HasMessage("train-labels-idx1-ubyte"));
}

TEST(ReadIdxDataset, RefusesAPipeWithoutWaitingForIt) {
  const IdxFolder folder;
  folder.Remove(kImages);
  ASSERT_EQ(mkfifo((folder.path() + "/" + kImages).c_str(), 0600), 0);
  EXPECT_THAT(ReadIdxDataset(folder.path()), tests::HasMessage("is no regular file"));
}

// Sets an environment variable and puts it back.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const std::string& value) : name_(name) {
    if (const char* const old = std::getenv(name)) old_ = old;
    setenv(name, value.c_str(), 1);
  }
  ~ScopedVariable() {
    if (old_.empty()) {
      unsetenv(name_);
    } else {
      setenv(name_, old_.c_str(), 1);
    }
  }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  const char* name_;
  std::string old_;
};

TEST(LoadDataset, LooksInTheGivenDirectoryAndThenUnderRondoData) {
  const IdxFolder folder;
  DataOptions options;
  options.source = "mnist";
  options.dir = folder.path();
  EXPECT_OK(LoadDataset(options));
  const std::filesystem::path path(folder.path());
  const ScopedVariable variable("RONDO_DATA", path.parent_path().string());
  options.dir = path.filename().string();
  EXPECT_OK(LoadDataset(options));
}

TEST(LoadDataset, AMissNamesTheLineThatFetchesTheSet) {
  DataOptions options;
  options.source = "fashion-mnist";
  options.dir = "no/such/place";
  const absl::Status status = LoadDataset(options).status();
  ASSERT_FALSE(status.ok());
  const runtime::UserError error = runtime::ToUserError(status);
  EXPECT_EQ(error.code, "DATA_NOT_FOUND");
  EXPECT_EQ(error.exit, runtime::Exit::kUnreadable);
  EXPECT_THAT(error.message, testing::HasSubstr("no/such/place"));
  EXPECT_THAT(error.hint, testing::HasSubstr("deploy/fetch-data fashion-mnist"));
}

DataOptions OwnOptions() {
  DataOptions options;
  options.source = "mnist";
  options.own = true;
  options.node = "north-0";
  return options;
}

// Of loading `options` with RONDO_DATA = `folder`; names the node, and says what to do.
runtime::UserError OwnDataError(const DataOptions& options, const std::string& folder) {
  const ScopedVariable variable("RONDO_DATA", folder);
  const absl::Status status = LoadDataset(options).status();
  EXPECT_FALSE(status.ok());
  if (status.ok()) return {};
  const runtime::UserError error = runtime::ToUserError(status);
  EXPECT_EQ(error.exit, runtime::Exit::kUnreadable);
  EXPECT_THAT(error.message, testing::HasSubstr("north-0"));
  EXPECT_THAT(error.hint, testing::HasSubstr("rondo join --data DIR"));
  return error;
}

TEST(OwnData, LieInTheFolderItselfOrOneBelowIt) {
  const IdxFolder folder;
  const std::filesystem::path path(folder.path());
  DataOptions options = OwnOptions();
  const ScopedVariable variable("RONDO_DATA", folder.path());
  EXPECT_OK(LoadDataset(options));
  options.dir = path.filename().string();
  const ScopedVariable above("RONDO_DATA", path.parent_path().string());
  EXPECT_OK(LoadDataset(options));
}

TEST(OwnData, OfANodeThatWasGivenNoFolderAreNotLookedForElsewhere) {
  const runtime::UserError error = OwnDataError(OwnOptions(), "");
  EXPECT_EQ(error.code, "DATA_NOT_FOUND");
  EXPECT_THAT(error.message, testing::HasSubstr("was given no folder"));
}

TEST(OwnData, ThatAreNotThereNameTheFolder) {
  const IdxFolder folder;
  EXPECT_THAT(OwnDataError(OwnOptions(), "/no/such/place").message,
              testing::HasSubstr("there is no folder /no/such/place"));
  DataOptions options = OwnOptions();
  options.dir = "below";
  EXPECT_THAT(OwnDataError(options, folder.path()).message,
              testing::HasSubstr("there is no folder " + folder.path() + "/below"));
  folder.Remove(kLabels);
  EXPECT_THAT(OwnDataError(OwnOptions(), folder.path()).message,
              testing::HasSubstr(folder.path() + "/train-labels-idx1-ubyte"));
}

TEST(OwnData, OfAnotherShapeNameFileAndShape) {
  const IdxFolder folder;
  folder.Write(kImages, BigEndian(0x803) + BigEndian(1) + BigEndian(32) + BigEndian(32));
  const runtime::UserError error = OwnDataError(OwnOptions(), folder.path());
  EXPECT_EQ(error.code, "DATA_CORRUPT");
  EXPECT_THAT(error.message, testing::HasSubstr(folder.path() + "/" + kImages));
  EXPECT_THAT(error.message, testing::HasSubstr("32 x 32, expected 28 x 28"));
}

TEST(OwnData, MayBeFilesOfCifar10) {
  const IdxFolder folder;
  DataOptions options = OwnOptions();
  options.source = "cifar10";
  const runtime::UserError error = OwnDataError(options, folder.path());
  EXPECT_EQ(error.code, "DATA_NOT_FOUND");
  EXPECT_THAT(error.message, testing::HasSubstr("holds no data_batch_*.bin"));
  EXPECT_THAT(error.hint, testing::HasSubstr("test_batch*.bin of its data"));
  const std::string sample = std::string(1, '\3') + std::string(3072, '\x20');
  folder.Write("data_batch_1.bin", sample + sample);
  folder.Write("test_batch.bin", sample);
  const ScopedVariable variable("RONDO_DATA", folder.path());
  const auto dataset = LoadDataset(options);
  ASSERT_OK(dataset);
  EXPECT_EQ((*dataset)->train.size(), 2u);
}

TEST(OwnData, AreTooFewForABatchThatIsLarger) {
  EXPECT_OK(CheckOwnPart(OwnOptions(), 32, 32));
  const absl::Status status = CheckOwnPart(OwnOptions(), 31, 32);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(runtime::ToUserError(status).code, "DATA_TOO_SMALL");
  EXPECT_EQ(runtime::ToUserError(status).exit, runtime::Exit::kUnreadable);
  EXPECT_THAT(status, tests::HasMessage("north-0"));
}

TEST(RealData, MnistHasItsKnownFirstLabelsAndSizes) {
  NEEDS_DATA(folder, "mnist");
  DataOptions options;
  options.source = "mnist";
  options.dir = folder;
  const auto dataset = LoadDataset(options);
  ASSERT_OK(dataset);
  EXPECT_EQ((*dataset)->train.size(), 60000u);
  EXPECT_EQ((*dataset)->test.size(), 10000u);
  EXPECT_THAT(std::vector<std::uint8_t>((*dataset)->train.labels.begin(),
                                        (*dataset)->train.labels.begin() + 5),
              testing::ElementsAre(5, 0, 4, 1, 9));
}

}  // namespace
}  // namespace actors
