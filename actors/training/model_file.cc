#include "actors/training/model_file.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>
#include <vector>

#include "runtime/base/error.h"
#include "runtime/base/hash.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

namespace fs = std::filesystem;

absl::StatusOr<std::string> FindModelFile(const std::string& name) {
  std::vector<fs::path> candidates = {name};
  if (const char* const data = std::getenv("RONDO_DATA"); data != nullptr && *data != '\0') {
    candidates.push_back(fs::path(data) / name);
  }
  std::string looked_at;
  for (const fs::path& candidate : candidates) {
    std::error_code ignored;
    if (fs::exists(candidate, ignored)) return candidate.string();
    absl::StrAppend(&looked_at, looked_at.empty() ? "" : ", ", candidate.string());
  }
  return runtime::MakeError(
      "MODEL_NOT_FOUND", runtime::Exit::kUnreadable,
      absl::StrCat("there is no file with the model \"", name, "\"; looked at ", looked_at),
      "the file must be on each node: at that path, or below the folder of rondo join --data");
}

}  // namespace

bool IsModelFile(const std::string& name) { return absl::EndsWith(name, ".pt"); }

absl::Status ModelUnreadable(const std::string& path, const std::string& why,
                             const std::string& hint) {
  return runtime::MakeError("MODEL_UNREADABLE", runtime::Exit::kUnreadable,
                            absl::StrCat("the model ", path, " ", why), hint);
}

absl::StatusOr<ModelFile> ReadModelFile(const std::string& name) {
  ModelFile file;
  ASSIGN_OR_RETURN(file.path, FindModelFile(name));
  const std::string hint = "name a file that torch.jit.save wrote";
  std::error_code error;
  // A pipe would be waited for.
  if (!fs::is_regular_file(file.path, error)) {
    return ModelUnreadable(file.path, "is no regular file", hint);
  }
  std::ostringstream bytes;
  std::ifstream stream(file.path, std::ios::binary);
  bytes << stream.rdbuf();
  if (!stream.is_open() || stream.bad()) {
    return ModelUnreadable(file.path, "cannot be read", "check its permissions");
  }
  file.bytes = bytes.str();
  if (file.bytes.empty()) return ModelUnreadable(file.path, "is empty", hint);
  file.hash = runtime::HashText(file.bytes);
  return file;
}

}  // namespace actors
