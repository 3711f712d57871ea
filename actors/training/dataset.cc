#include "actors/training/dataset.h"

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

// The directory of the set, or what was looked at in vain and what to do.
absl::StatusOr<std::string> FindDirectory(const DataOptions& options) {
  const std::string name = options.dir.empty() ? options.source : options.dir;
  std::vector<std::filesystem::path> candidates = {name};
  if (const char* const data = std::getenv("RONDO_DATA"); data != nullptr && *data != '\0') {
    candidates.push_back(std::filesystem::path(data) / name);
  }
  candidates.push_back(std::filesystem::path("data") / name);
  std::string looked_at;
  for (const std::filesystem::path& candidate : candidates) {
    std::error_code ignored;
    if (std::filesystem::is_directory(candidate, ignored)) return candidate.string();
    looked_at += (looked_at.empty() ? "" : ", ") + candidate.string();
  }
  return runtime::MakeError(
      "DATA_NOT_FOUND", runtime::Exit::kUnreadable,
      "no directory holds the data set \"" + options.source + "\"; looked at " + looked_at,
      "deploy/fetch-data " + options.source);
}

}  // namespace

std::uint64_t Fingerprint(const ImageSet& images) {
  const std::array<std::uint64_t, 3> parts = {
      images.size(), runtime::HashBytes(images.pixels.data(), images.pixels.size()),
      runtime::HashBytes(images.labels.data(), images.labels.size())};
  return runtime::HashBytes(parts.data(), sizeof(parts));
}

absl::StatusOr<std::shared_ptr<const Dataset>> LoadDataset(const DataOptions& options) {
  if (options.source == "digits") return std::make_shared<const Dataset>(DrawDigitsDataset());
  ASSIGN_OR_RETURN(const std::string directory, FindDirectory(options));
  ASSIGN_OR_RETURN(Dataset dataset, ReadIdxDataset(directory));
  return std::make_shared<const Dataset>(std::move(dataset));
}

}  // namespace actors
