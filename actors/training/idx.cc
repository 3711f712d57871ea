// The IDX format of MNIST and Fashion-MNIST: a big-endian magic number 0x000008DD (08 = bytes, DD =
// dimensions), one 32-bit size per dimension, then the bytes. Usually gzipped.
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "actors/training/dataset.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

constexpr std::uint32_t kImagesMagic = 0x00000803;
constexpr std::uint32_t kLabelsMagic = 0x00000801;
constexpr std::uint64_t kLabelsHeader = 8;  // Bytes before the first label.
// Bounds what a header can make us read: 784 MB of pixels.
constexpr std::uint32_t kMostSamples = 1000000;
constexpr std::size_t kReadAtOnce = 1 << 20;

struct CloseGzip {
  void operator()(gzFile_s* file) const { gzclose_r(file); }
};

// One file, gzipped or not, read from front to back. Memory grows with what was really read, never
// with what the header promises.
class IdxFile {
 public:
  static absl::StatusOr<IdxFile> Open(const std::string& path) {
    std::string found = path + ".gz";
    std::error_code ignored;
    if (!std::filesystem::exists(found, ignored)) found = path;
    // A pipe, say, would keep us waiting for whoever writes into it.
    const bool special = std::filesystem::exists(found, ignored) &&
                         !std::filesystem::is_regular_file(found, ignored);
    std::unique_ptr<gzFile_s, CloseGzip> file(special ? nullptr : gzopen(found.c_str(), "rb"));
    if (file == nullptr) {
      return runtime::MakeError(
          "DATA_NOT_FOUND", runtime::Exit::kUnreadable,
          special ? found + " is no regular file" : "cannot open " + path + " nor " + path + ".gz",
          "check data.dir, or fetch the set with deploy/fetch-data");
    }
    gzbuffer(file.get(), 1 << 17);
    return IdxFile(std::move(found), std::move(file));
  }

  // `offset` counts bytes of the uncompressed contents.
  absl::Status Corrupt(std::uint64_t offset, const std::string& why) const {
    return runtime::MakeError("DATA_CORRUPT", runtime::Exit::kUnreadable,
                              absl::StrCat(path_, ", byte ", offset, ": ", why),
                              "fetch the file again with deploy/fetch-data");
  }

  // A big-endian number of 32 bits.
  absl::StatusOr<std::uint32_t> ReadNumber() {
    std::vector<std::uint8_t> bytes;
    RETURN_IF_ERROR(ReadBytes(4, bytes));
    return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
           std::uint32_t{bytes[2]} << 8 | std::uint32_t{bytes[3]};
  }

  // Appends exactly `count` bytes.
  absl::Status ReadBytes(std::size_t count, std::vector<std::uint8_t>& bytes) {
    while (count > 0) {
      const std::size_t wanted = std::min(count, kReadAtOnce);
      const std::size_t before = bytes.size();
      bytes.resize(before + wanted);
      const int got = gzread(file_.get(), bytes.data() + before, static_cast<unsigned>(wanted));
      const std::size_t read = got > 0 ? static_cast<std::size_t>(got) : 0;
      bytes.resize(before + read);
      count -= read;
      if (read < wanted) return EndsEarly();
    }
    return absl::OkStatus();
  }

  // The declared contents must be all: a gzip bomb is stopped here, after one byte too many. Also
  // reads the gzip trailer, whose checksum is over everything before it.
  absl::Status ExpectEnd() {
    const std::uint64_t declared = Offset();
    std::uint8_t extra = 0;
    const int got = gzread(file_.get(), &extra, 1);
    if (got > 0) return Corrupt(declared, "the file goes on after what its header declares");
    int code = Z_OK;
    gzerror(file_.get(), &code);
    return got == 0 && code == Z_OK ? absl::OkStatus() : EndsEarly();
  }

 private:
  IdxFile(std::string path, std::unique_ptr<gzFile_s, CloseGzip> file)
      : path_(std::move(path)), file_(std::move(file)) {}

  // How far it could be read, the bytes before an error included.
  std::uint64_t Offset() const { return static_cast<std::uint64_t>(gztell(file_.get())); }

  absl::Status EndsEarly() const {
    int code = Z_OK;
    const std::string message = gzerror(file_.get(), &code);
    if (code == Z_OK || code == Z_STREAM_END) return Corrupt(Offset(), "the file ends early");
    if (code == Z_BUF_ERROR) return Corrupt(Offset(), "the gzip stream ends early");
    // zlib puts the path before its reason.
    const std::size_t reason = message.rfind(": ");
    return Corrupt(Offset(), "the gzip stream is damaged: " +
                                 message.substr(reason == std::string::npos ? 0 : reason + 2));
  }

  std::string path_;
  std::unique_ptr<gzFile_s, CloseGzip> file_;
};

absl::Status ExpectMagic(IdxFile& file, std::uint32_t expected) {
  ASSIGN_OR_RETURN(const std::uint32_t magic, file.ReadNumber());
  if (magic == expected) return absl::OkStatus();
  return file.Corrupt(0,
                      absl::StrFormat("wrong magic number %08x, expected %08x", magic, expected));
}

absl::StatusOr<std::uint32_t> ReadSampleCount(IdxFile& file) {
  ASSIGN_OR_RETURN(const std::uint32_t count, file.ReadNumber());
  if (count == 0) return file.Corrupt(4, "zero samples");
  if (count > kMostSamples) {
    return file.Corrupt(
        4, absl::StrCat(count, " samples are declared, more than the bound of ", kMostSamples));
  }
  return count;
}

absl::Status ReadImages(const std::string& path, ImageSet& images, std::uint32_t& count) {
  ASSIGN_OR_RETURN(IdxFile file, IdxFile::Open(path));
  RETURN_IF_ERROR(ExpectMagic(file, kImagesMagic));
  ASSIGN_OR_RETURN(count, ReadSampleCount(file));
  ASSIGN_OR_RETURN(const std::uint32_t rows, file.ReadNumber());
  ASSIGN_OR_RETURN(const std::uint32_t columns, file.ReadNumber());
  if (rows != kImageRows || columns != kImageColumns) {
    return file.Corrupt(8, absl::StrCat("images of ", rows, " x ", columns, ", expected ",
                                        kImageRows, " x ", kImageColumns));
  }
  RETURN_IF_ERROR(file.ReadBytes(std::size_t{count} * kImagePixels, images.pixels));
  return file.ExpectEnd();
}

absl::Status ReadLabels(const std::string& path, std::uint32_t images, ImageSet& set) {
  ASSIGN_OR_RETURN(IdxFile file, IdxFile::Open(path));
  RETURN_IF_ERROR(ExpectMagic(file, kLabelsMagic));
  ASSIGN_OR_RETURN(const std::uint32_t count, ReadSampleCount(file));
  if (count != images) {
    return file.Corrupt(
        4, absl::StrCat(count, " labels, but the image file holds ", images, " images"));
  }
  RETURN_IF_ERROR(file.ReadBytes(count, set.labels));
  const auto wrong = std::find_if(set.labels.begin(), set.labels.end(),
                                  [](std::uint8_t label) { return label >= kImageClasses; });
  if (wrong != set.labels.end()) {
    const auto sample = static_cast<std::uint64_t>(wrong - set.labels.begin());
    return file.Corrupt(kLabelsHeader + sample,
                        absl::StrCat("label ", *wrong, " of sample ", sample,
                                     " is out of range, expected 0 to ", kImageClasses - 1));
  }
  return file.ExpectEnd();
}

absl::StatusOr<ImageSet> ReadImageSet(const std::string& prefix) {
  ImageSet set;
  std::uint32_t count = 0;
  RETURN_IF_ERROR(ReadImages(prefix + "-images-idx3-ubyte", set, count));
  RETURN_IF_ERROR(ReadLabels(prefix + "-labels-idx1-ubyte", count, set));
  return set;
}

}  // namespace

absl::StatusOr<Dataset> ReadIdxDataset(const std::string& directory) {
  const std::filesystem::path base(directory);
  Dataset dataset;
  ASSIGN_OR_RETURN(dataset.train, ReadImageSet((base / "train").string()));
  ASSIGN_OR_RETURN(dataset.test, ReadImageSet((base / "t10k").string()));
  return dataset;
}

}  // namespace actors
