// What every writer of files here needs. Any thread.
#ifndef RONDO_RUNTIME_BASE_FILE_IO_H_
#define RONDO_RUNTIME_BASE_FILE_IO_H_

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string_view>

namespace runtime {

// Writes `bytes` to the descriptor `file`. 0, or the errno of what failed, after which part of them
// may be written.
inline int WriteAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

}  // namespace runtime

#endif  // RONDO_RUNTIME_BASE_FILE_IO_H_
