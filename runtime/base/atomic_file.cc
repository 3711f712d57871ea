#include "runtime/base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "runtime/base/file_io.h"

namespace runtime {
namespace {

absl::Status Failed(const char* what, const std::string& path, int error) {
  return absl::UnavailableError(std::string("cannot ") + what + " " + path + ": " +
                                std::strerror(error));
}

}  // namespace

absl::Status ReplaceFile(const std::string& path, std::initializer_list<std::string_view> pieces) {
  // The process id keeps two processes that save to one path apart.
  const std::string temporary = path + ".tmp-" + std::to_string(getpid());
  const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return Failed("create", temporary, errno);
  int error = 0;
  for (const std::string_view piece : pieces) {
    if (error == 0) error = WriteAll(file, piece);
  }
  if (error == 0 && fsync(file) != 0) error = errno;
  if (close(file) != 0 && error == 0) error = errno;
  if (error == 0 && rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return absl::OkStatus();
  unlink(temporary.c_str());
  return Failed("write", path, error);
}

}  // namespace runtime
