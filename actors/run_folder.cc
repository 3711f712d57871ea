#include "actors/run_folder.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "runtime/base/error.h"
#include "runtime/base/file_io.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

absl::Status Failed(const std::string& what, const std::string& path, const std::string& why) {
  return runtime::MakeError("OUTPUT_FAILED", runtime::Exit::kRunFailed,
                            absl::StrCat("cannot ", what, " ", path, ": ", why),
                            "give a writable folder with space in run.out (--out DIR)");
}

absl::Status WriteTo(int file, const std::string& text, const std::string& path) {
  const int error = runtime::WriteAll(file, text);
  return error == 0 ? absl::OkStatus() : Failed("write", path, std::strerror(error));
}

absl::Status WriteFile(const std::string& path, const std::string& text) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) return Failed("write", path, std::strerror(errno));
  absl::Status written = WriteTo(file, text, path);
  // Some file systems tell of a full disk only here.
  if (close(file) != 0 && written.ok()) written = Failed("write", path, std::strerror(errno));
  return written;
}

absl::Status Unreadable(const std::string& path, int error) {
  return runtime::MakeError("FILE_UNREADABLE", runtime::Exit::kUnreadable,
                            absl::StrCat("cannot read ", path, ": ", std::strerror(error)),
                            "look at it on the head's machine");
}

// Until `data` is full or the file ends. 0, or the errno of what failed.
int ReadFrom(int file, std::uint64_t offset, std::vector<std::uint8_t>& data) {
  std::size_t done = 0;
  while (done < data.size()) {
    const ssize_t count =
        pread(file, data.data() + done, data.size() - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  data.resize(done);
  return 0;
}

// What a crash has left behind the last whole line would spoil the next one. 0 or errno.
int CutTornLine(int file) {
  constexpr std::uint64_t kLongestLine = std::uint64_t{16} << 20;
  struct stat status {};
  if (fstat(file, &status) != 0) return errno;
  const auto size = static_cast<std::uint64_t>(status.st_size);
  const std::uint64_t begin = size - std::min(size, kLongestLine);
  std::vector<std::uint8_t> tail(static_cast<std::size_t>(size - begin));
  if (const int error = ReadFrom(file, begin, tail); error != 0) return error;
  while (!tail.empty() && tail.back() != '\n') tail.pop_back();
  const std::uint64_t whole = begin + tail.size();
  return whole == size || ftruncate(file, static_cast<off_t>(whole)) == 0 ? 0 : errno;
}

}  // namespace

const char* FileName(RunFile file) {
  switch (file) {
    case RunFile::kConfig: return "config.toml";
    case RunFile::kMetrics: return "metrics.jsonl";
    case RunFile::kModel: return "model.pt";
  }
  REQUIRE(false);
}

absl::StatusOr<FilePiece> ReadPiece(const std::string& path, std::uint64_t offset,
                                    std::size_t most) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 && errno == ENOENT) {
    return runtime::MakeError("FILE_NOT_FOUND", runtime::Exit::kNotFound,
                              absl::StrCat("there is no ", path, " on the head's machine"));
  }
  if (file < 0) return Unreadable(path, errno);
  struct stat status {};
  FilePiece piece;
  int error = fstat(file, &status) == 0 ? 0 : errno;
  if (error == 0) {
    piece.size = static_cast<std::uint64_t>(status.st_size);
    const std::uint64_t left = offset < piece.size ? piece.size - offset : 0;
    piece.data.resize(static_cast<std::size_t>(std::min<std::uint64_t>(left, most)));
    error = ReadFrom(file, offset, piece.data);
  }
  close(file);
  if (error != 0) return Unreadable(path, error);
  return piece;
}

absl::StatusOr<std::unique_ptr<RunFolder>> RunFolder::Create(const std::string& out,
                                                             const std::string& run_id,
                                                             const RunConfig& config) {
  const std::string path = absl::StrCat(out, "/", run_id);
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) return Failed("make the folder", out, error.message());
  const bool is_new = std::filesystem::create_directory(path, error);
  if (error) return Failed("make the folder", path, error.message());
  if (!is_new) return Failed("make the folder", path, "it is there already");
  std::filesystem::create_directory(path + "/logs", error);
  if (error) return Failed("make the folder", path + "/logs", error.message());
  RETURN_IF_ERROR(WriteFile(absl::StrCat(path, "/", FileName(RunFile::kConfig)), ToToml(config)));
  return Reopen(path);
}

absl::StatusOr<std::unique_ptr<RunFolder>> RunFolder::Reopen(const std::string& path) {
  const std::string metrics_path = absl::StrCat(path, "/", FileName(RunFile::kMetrics));
  const int metrics = open(metrics_path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (metrics < 0) return Failed("write", metrics_path, std::strerror(errno));
  if (const int error = CutTornLine(metrics); error != 0) {
    close(metrics);
    return Failed("mend", metrics_path, std::strerror(error));
  }
  return std::unique_ptr<RunFolder>(new RunFolder(path, metrics));
}

RunFolder::~RunFolder() { close(metrics_); }

std::string RunFolder::LogPath(std::uint32_t slot) const {
  return absl::StrCat(path_, "/logs/slot-", slot, ".log");
}

absl::Status RunFolder::Append(const RunEvent& event) {
  return WriteTo(metrics_, ToJson(event) + "\n", PathOf(RunFile::kMetrics));
}

}  // namespace actors
