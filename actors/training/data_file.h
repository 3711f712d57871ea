// Files of data as a whole, with the errors that all formats share. C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_DATA_FILE_H_
#define RONDO_ACTORS_TRAINING_DATA_FILE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace actors {

// Both with exit code 8. DATA_NOT_FOUND; DATA_CORRUPT with the file and `where` in it, "byte 12" or
// "line 3".
absl::Status DataNotFound(const std::string& why, const std::string& hint);
absl::Status DataCorrupt(const std::string& path, std::string_view where, const std::string& why,
                         const std::string& hint);

// All bytes of a regular file of 1 to `most_bytes`; others are refused unread. (A pipe, say, would
// keep us waiting for whoever writes into it.) DATA_NOT_FOUND, DATA_CORRUPT.
absl::StatusOr<std::string> ReadDataFile(const std::string& path, std::uint64_t most_bytes,
                                         const std::string& hint);

// The paths of `folder` whose names end in `ending`, by name, so that every member reads the same
// sequence. DATA_NOT_FOUND: it cannot be listed, or there is none.
absl::StatusOr<std::vector<std::string>> DataFilesIn(const std::string& folder,
                                                     std::string_view ending,
                                                     const std::string& hint);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_DATA_FILE_H_
