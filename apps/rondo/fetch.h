// Brings a file of a run from the head, part by part.
#ifndef RONDO_APPS_RONDO_FETCH_H_
#define RONDO_APPS_RONDO_FETCH_H_

#include <absl/functional/function_ref.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

#include "actors/client_messages.h"

namespace apps {

using AskForPart =
    absl::FunctionRef<absl::StatusOr<actors::FilePart>(const actors::FetchPart& question)>;

// Writes the file to `path`, as long as it was when the first part came, and returns its length in
// bytes. It is written beside `path` and takes its place when it is complete and on the disk; on
// failure an older file stays as it was. FETCH_BROKEN, exit 3: the parts make no such file;
// OUTPUT_FAILED, exit 1; else what `ask` says.
absl::StatusOr<std::uint64_t> FetchFile(const std::string& run_id, actors::RunFile file,
                                        const std::string& path, AskForPart ask);

}  // namespace apps

#endif  // RONDO_APPS_RONDO_FETCH_H_
