// The binary format of CIFAR-10 (Krizhevsky 2009): samples without a header, each a label byte and
// an image of 32 x 32, row after row: 1,024 bytes of red, then as many of green and of blue.
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "actors/training/dataset.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSampleBytes = 1 + kCifar10Shape.pixels();
// As for IDX files: bounds what a folder can make us read.
constexpr std::uint64_t kMostBytes = 1000000 * kSampleBytes;
constexpr char kFiles[] =
    "give data.dir a folder with data_batch_*.bin and test_batch*.bin of CIFAR-10's binary version";

absl::Status NotFound(const std::string& why) {
  return runtime::MakeError("DATA_NOT_FOUND", runtime::Exit::kUnreadable, why, kFiles);
}

absl::Status Corrupt(const fs::path& file, std::uint64_t offset, const std::string& why) {
  return runtime::MakeError("DATA_CORRUPT", runtime::Exit::kUnreadable,
                            absl::StrCat(file.string(), ", byte ", offset, ": ", why),
                            "fetch the file again; a sample is a label byte and 3,072 of pixels");
}

// The files prefix*.bin of `folder`, by name, so that every member reads the same sequence.
absl::StatusOr<std::vector<fs::path>> FilesOf(const std::string& folder,
                                              const std::string& prefix) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (absl::StartsWith(name, prefix) && absl::EndsWith(name, ".bin")) {
      files.push_back(entry->path());
    }
  }
  if (error) return NotFound(absl::StrCat("cannot list ", folder, ": ", error.message()));
  if (files.empty()) return NotFound(absl::StrCat(folder, " holds no ", prefix, "*.bin"));
  std::sort(files.begin(), files.end());
  return files;
}

// Appends the samples of `file` to `set`.
absl::Status ReadFile(const fs::path& file, ImageSet& set) {
  std::error_code error;
  // A pipe, say, would keep us waiting for whoever writes into it.
  if (!fs::is_regular_file(file, error)) return NotFound(file.string() + " is no regular file");
  const std::uintmax_t bytes = fs::file_size(file, error);
  std::ifstream stream(file, std::ios::binary);
  if (error || !stream) return NotFound("cannot open " + file.string());
  if (bytes == 0) return Corrupt(file, 0, "the file is empty");
  if (bytes % kSampleBytes != 0) {
    return Corrupt(file, bytes / kSampleBytes * kSampleBytes,
                   absl::StrCat("the last sample has ", bytes % kSampleBytes, " bytes, expected ",
                                kSampleBytes));
  }
  if (bytes + set.size() * kSampleBytes > kMostBytes) {
    return Corrupt(file, 0, "there are more than the bound of 1,000,000 samples");
  }
  std::vector<char> sample(kSampleBytes);
  for (std::uint64_t offset = 0; offset < bytes; offset += kSampleBytes) {
    if (!stream.read(sample.data(), static_cast<std::streamsize>(kSampleBytes))) {
      return Corrupt(file, offset, "the file cannot be read on");
    }
    const auto label = static_cast<std::uint8_t>(sample[0]);
    if (label >= kImageClasses) {
      return Corrupt(file, offset,
                     absl::StrCat("label ", label, " of sample ", offset / kSampleBytes,
                                  " is out of range, expected 0 to ", kImageClasses - 1));
    }
    set.labels.push_back(label);
    set.pixels.insert(set.pixels.end(), sample.begin() + 1, sample.end());
  }
  return absl::OkStatus();
}

absl::StatusOr<ImageSet> ReadImageSet(const std::string& folder, const std::string& prefix) {
  ASSIGN_OR_RETURN(const std::vector<fs::path> files, FilesOf(folder, prefix));
  ImageSet set;
  set.shape = kCifar10Shape;
  for (const fs::path& file : files) RETURN_IF_ERROR(ReadFile(file, set));
  return set;
}

}  // namespace

absl::StatusOr<Dataset> ReadCifar10Dataset(const std::string& directory) {
  Dataset dataset;
  ASSIGN_OR_RETURN(dataset.train, ReadImageSet(directory, "data_batch_"));
  ASSIGN_OR_RETURN(dataset.test, ReadImageSet(directory, "test_batch"));
  return dataset;
}

}  // namespace actors
