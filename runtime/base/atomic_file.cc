#include "runtime/base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace runtime {
namespace {

absl::Status Failed(const char* what, const std::string& path, int error) {
  return absl::UnavailableError(std::string("cannot ") + what + " " + path + ": " +
                                std::strerror(error));
}

// 0, or the errno of what failed.
int WriteAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return fsync(file) == 0 ? 0 : errno;
}

}  // namespace

absl::Status ReplaceFile(const std::string& path, std::string_view bytes) {
  // The process id keeps two processes that save to one path apart.
  const std::string temporary = path + ".tmp-" + std::to_string(getpid());
  const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return Failed("create", temporary, errno);
  int error = WriteAll(file, bytes);
  if (close(file) != 0 && error == 0) error = errno;
  if (error == 0 && rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return absl::OkStatus();
  unlink(temporary.c_str());
  return Failed("write", path, error);
}

}  // namespace runtime
