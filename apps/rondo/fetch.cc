#include "apps/rondo/fetch.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "runtime/base/error.h"
#include "runtime/base/file_io.h"
#include "runtime/base/status.h"

namespace apps {
namespace {

// A file that is removed again unless it was kept.
class PartialFile {
 public:
  explicit PartialFile(const std::string& path)
      : path_(path),
        partial_(absl::StrCat(path, ".part-", getpid())),
        file_(open(partial_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {}
  ~PartialFile() {
    if (file_ < 0) return;
    close(file_);
    if (!kept_) unlink(partial_.c_str());
  }
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  bool is_open() const { return file_ >= 0; }
  absl::Status Failed() const {
    return runtime::MakeError("OUTPUT_FAILED", runtime::Exit::kRunFailed,
                              absl::StrCat("cannot write ", path_, ": ", std::strerror(errno)),
                              "give --fetch a writable folder with space");
  }
  absl::Status Append(const std::vector<std::uint8_t>& bytes, std::size_t count) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), count);
    errno = runtime::WriteAll(file_, text);
    return errno == 0 ? absl::OkStatus() : Failed();
  }
  absl::Status Keep() {
    if (fsync(file_) != 0 || std::rename(partial_.c_str(), path_.c_str()) != 0) return Failed();
    kept_ = true;
    return absl::OkStatus();
  }

 private:
  const std::string path_;
  const std::string partial_;
  const int file_;
  bool kept_ = false;
};

}  // namespace

absl::StatusOr<std::uint64_t> FetchFile(const std::string& run_id, actors::RunFile file,
                                        const std::string& path, AskForPart ask) {
  // Nothing is made here of a file that is not there.
  ASSIGN_OR_RETURN(actors::FilePart part, ask({.run_id = run_id, .file = file}));
  const std::uint64_t size = part.size;
  PartialFile partial(path);
  if (!partial.is_open()) return partial.Failed();
  for (std::uint64_t done = 0; done < size;) {
    if (done > 0) {
      ASSIGN_OR_RETURN(part, ask({.run_id = run_id, .file = file, .offset = done}));
    }
    // It may have grown meanwhile, by lines that are not wanted; never shrunk.
    if (part.size < size || part.data.empty()) {
      return runtime::MakeError("FETCH_BROKEN", runtime::Exit::kHeadUnreachable,
                                absl::StrCat("the head's ", actors::FileName(file), " had ", size,
                                             " bytes, and after ", done, " of them no more came"),
                                "fetch it again");
    }
    const std::uint64_t count = std::min<std::uint64_t>(part.data.size(), size - done);
    RETURN_IF_ERROR(partial.Append(part.data, static_cast<std::size_t>(count)));
    done += count;
  }
  RETURN_IF_ERROR(partial.Keep());
  return size;
}

}  // namespace apps
