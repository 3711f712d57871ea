// Files that are either the old one or the new one, never half of either.
#ifndef RONDO_RUNTIME_BASE_ATOMIC_FILE_H_
#define RONDO_RUNTIME_BASE_ATOMIC_FILE_H_

#include <absl/status/status.h>

#include <initializer_list>
#include <string>
#include <string_view>

namespace runtime {

// Writes `pieces`, one after the other, to a temporary file beside `path`, flushes it to the disk
// and renames it. On failure the old file stays and the temporary one is removed. kUnavailable with
// the path and the system's reason. Any thread; two writers of one path in one process must take
// turns.
absl::Status ReplaceFile(const std::string& path, std::initializer_list<std::string_view> pieces);
inline absl::Status ReplaceFile(const std::string& path, std::string_view bytes) {
  return ReplaceFile(path, std::initializer_list<std::string_view>{bytes});
}

}  // namespace runtime

#endif  // RONDO_RUNTIME_BASE_ATOMIC_FILE_H_
