// A model that is a TorchScript file: how a config names it and where it is looked up. Its content
// is for torch (script_model.h). C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_MODEL_FILE_H_
#define RONDO_ACTORS_TRAINING_MODEL_FILE_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

namespace actors {

struct ModelFile {
  std::string path;  // Where it was found.
  std::string bytes;
  std::uint64_t hash = 0;  // XXH3 of `bytes`: members of a run compare it.
};

// Whether a model.name is the path of a file: it ends in ".pt".
bool IsModelFile(const std::string& name);

// Reads the file `name`, looked up as given, then under $RONDO_DATA. MODEL_NOT_FOUND and
// MODEL_UNREADABLE (no regular file, empty, not readable), both exit 8, with what was looked at.
absl::StatusOr<ModelFile> ReadModelFile(const std::string& name);

// MODEL_UNREADABLE, exit 8: "the model PATH WHY".
absl::Status ModelUnreadable(const std::string& path, const std::string& why,
                             const std::string& hint);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_MODEL_FILE_H_
