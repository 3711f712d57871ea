#include "actors/training/dataset.h"

#include <absl/strings/str_cat.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "actors/training/digits.h"
#include "runtime/base/error.h"
#include "runtime/base/hash.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

bool IsCifar10(const DataOptions& options) { return options.source == "cifar10"; }

// What a source whose files nothing fetches wants in data.dir.
std::string HintFor(const std::string& source) {
  if (source == "cifar10") {
    return "set data.dir to a folder with data_batch_*.bin and test_batch*.bin of CIFAR-10's "
           "binary version";
  }
  if (source == "text") return "set data.dir to a file of text, or to a folder with *.txt";
  if (source == "libsvm") {
    return "set data.dir to a file whose test file, NAME.t, lies beside it, or to a folder with "
           "train.svm and test.svm";
  }
  if (source == "tensors") return "set data.dir to a folder with train.pt and test.pt";
  return "deploy/fetch-data " + source;
}

absl::StatusOr<Dataset> ReadDataset(const DataOptions& options, const std::string& directory) {
  return IsCifar10(options) ? ReadCifar10Dataset(directory) : ReadIdxDataset(directory);
}
absl::Status AboutOwnData(const DataOptions& options, const std::string& code,
                          const std::string& message, const std::string& hint) {
  return runtime::MakeError(code, runtime::Exit::kUnreadable,
                            absl::StrCat("the own data of ", options.node, ": ", message), hint);
}

absl::StatusOr<Dataset> LoadOwnDataset(const DataOptions& options) {
  const std::string hint = absl::StrCat(
      "give each node a folder with ",
      IsCifar10(options) ? "data_batch_*.bin and test_batch*.bin" : "the four IDX files",
      " of its data: rondo join --data DIR");
  const char* const root = std::getenv("RONDO_DATA");
  if (root == nullptr || *root == '\0') {
    return AboutOwnData(options, "DATA_NOT_FOUND",
                        "it was given no folder, and the run has data.placement = \"own\"", hint);
  }
  std::error_code ignored;
  std::filesystem::path folder = std::filesystem::absolute(root, ignored);
  if (!options.dir.empty()) folder /= options.dir;
  if (!std::filesystem::is_directory(folder, ignored)) {
    return AboutOwnData(options, "DATA_NOT_FOUND",
                        absl::StrCat("there is no folder ", folder.string()), hint);
  }
  absl::StatusOr<Dataset> dataset = ReadDataset(options, folder.string());
  if (dataset.ok()) return dataset;
  const runtime::UserError error = runtime::ToUserError(dataset.status());
  return AboutOwnData(options, error.code, error.message, hint);
}

}  // namespace

absl::StatusOr<std::string> FindData(const DataOptions& options) {
  const std::string name = options.dir.empty() ? options.source : options.dir;
  std::vector<std::filesystem::path> candidates = {name};
  if (const char* const data = std::getenv("RONDO_DATA"); data != nullptr && *data != '\0') {
    candidates.push_back(std::filesystem::path(data) / name);
  }
  candidates.push_back(std::filesystem::path("data") / name);
  const bool may_be_file = options.source == "text" || options.source == "libsvm";
  std::string looked_at;
  for (const std::filesystem::path& candidate : candidates) {
    std::error_code ignored;
    if (std::filesystem::is_directory(candidate, ignored)) return candidate.string();
    if (may_be_file && std::filesystem::exists(candidate, ignored)) return candidate.string();
    looked_at += (looked_at.empty() ? "" : ", ") + candidate.string();
  }
  return runtime::MakeError("DATA_NOT_FOUND", runtime::Exit::kUnreadable,
                            std::string(may_be_file ? "no file or directory" : "no directory") +
                                " holds the data set \"" + options.source + "\"; looked at " +
                                looked_at,
                            HintFor(options.source));
}

absl::Status CheckOwnPart(const DataOptions& options, std::size_t samples, std::uint32_t batch) {
  if (batch <= samples) return absl::OkStatus();
  return AboutOwnData(
      options, "DATA_TOO_SMALL",
      absl::StrCat("a worker's part has ", samples, " samples, fewer than a batch of ", batch),
      "take a smaller optimizer.batch, or fewer workers on that node");
}

std::optional<ImageShape> ShapeOf(const std::string& source) {
  if (source == "text" || source == "libsvm" || source == "tensors") return std::nullopt;
  return source == "cifar10" ? kCifar10Shape : ImageShape{1, kImageRows, kImageColumns};
}

std::uint64_t Fingerprint(const ImageSet& images) {
  const std::array<std::uint64_t, 3> parts = {
      images.size(), runtime::HashBytes(images.pixels.data(), images.pixels.size()),
      runtime::HashBytes(images.labels.data(), images.labels.size())};
  return runtime::HashBytes(parts.data(), sizeof(parts));
}

absl::StatusOr<std::shared_ptr<const Dataset>> LoadDataset(const DataOptions& options) {
  if (options.source == "digits") return std::make_shared<const Dataset>(DrawDigitsDataset());
  Dataset dataset;
  if (options.own) {
    ASSIGN_OR_RETURN(dataset, LoadOwnDataset(options));
  } else {
    ASSIGN_OR_RETURN(const std::string directory, FindData(options));
    ASSIGN_OR_RETURN(dataset, ReadDataset(options, directory));
  }
  return std::make_shared<const Dataset>(std::move(dataset));
}

}  // namespace actors
