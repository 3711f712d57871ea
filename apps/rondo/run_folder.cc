#include "apps/rondo/run_folder.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace apps {
namespace {

absl::Status Failed(const std::string& what, const std::string& path, const std::string& why) {
  return runtime::MakeError("OUTPUT_FAILED", runtime::Exit::kRunFailed,
                            absl::StrCat("cannot ", what, " ", path, ": ", why),
                            "give a writable folder with space in run.out (--out DIR)");
}

absl::Status WriteAll(int file, const std::string& text, const std::string& path) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = write(file, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Failed("write", path, std::strerror(errno));
    done += static_cast<std::size_t>(count);
  }
  return absl::OkStatus();
}

absl::Status WriteFile(const std::string& path, const std::string& text) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) return Failed("write", path, std::strerror(errno));
  absl::Status written = WriteAll(file, text, path);
  // Some file systems tell of a full disk only here.
  if (close(file) != 0 && written.ok()) written = Failed("write", path, std::strerror(errno));
  return written;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RunFolder>> RunFolder::Create(const std::string& out,
                                                             const std::string& run_id,
                                                             const actors::RunConfig& config) {
  const std::string path = absl::StrCat(out, "/", run_id);
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) return Failed("make the folder", out, error.message());
  const bool is_new = std::filesystem::create_directory(path, error);
  if (error) return Failed("make the folder", path, error.message());
  if (!is_new) return Failed("make the folder", path, "it is there already");
  std::filesystem::create_directory(path + "/logs", error);
  if (error) return Failed("make the folder", path + "/logs", error.message());
  RETURN_IF_ERROR(WriteFile(path + "/config.toml", actors::ToToml(config)));
  const std::string metrics_path = path + "/metrics.jsonl";
  const int metrics = open(metrics_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (metrics < 0) return Failed("write", metrics_path, std::strerror(errno));
  return std::unique_ptr<RunFolder>(new RunFolder(path, metrics));
}

RunFolder::~RunFolder() { close(metrics_); }

std::string RunFolder::LogPath(std::uint32_t slot) const {
  return absl::StrCat(path_, "/logs/slot-", slot, ".log");
}

absl::Status RunFolder::Append(const actors::RunEvent& event) {
  return WriteAll(metrics_, actors::ToJson(event) + "\n", MetricsPath());
}

}  // namespace apps
