#include "apps/rondo/head_registry.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "runtime/base/error.h"

namespace apps {
namespace {

namespace fs = std::filesystem;

fs::path Folder() {
  const char* runtime_folder = std::getenv("XDG_RUNTIME_DIR");
  if (runtime_folder != nullptr && *runtime_folder != '\0') {
    return fs::path(runtime_folder) / "rondo-heads";
  }
  return fs::temp_directory_path() / absl::StrCat("rondo-heads-", getuid());
}

bool Runs(const fs::path& file) {
  int pid = 0;
  return absl::SimpleAtoi(file.filename().string(), &pid) && kill(pid, 0) == 0;
}

}  // namespace

HeadRegistration::HeadRegistration(const std::string& address)
    : path_((Folder() / std::to_string(getpid())).string()) {
  std::error_code error;
  fs::create_directories(Folder(), error);
  fs::permissions(Folder(), fs::perms::owner_all, error);
  std::ofstream(path_) << address << "\n";
}

HeadRegistration::~HeadRegistration() {
  std::error_code error;
  fs::remove(path_, error);
}

absl::StatusOr<std::string> ChooseHead(const std::optional<std::string>& chosen) {
  if (chosen.has_value()) return *chosen;
  std::error_code error;
  fs::path newest;
  fs::file_time_type newest_time{};
  for (const fs::directory_entry& entry : fs::directory_iterator(Folder(), error)) {
    if (!Runs(entry.path())) {
      fs::remove(entry.path(), error);
      continue;
    }
    const fs::file_time_type time = entry.last_write_time(error);
    if (newest.empty() || time > newest_time) {
      newest = entry.path();
      newest_time = time;
    }
  }
  std::string address;
  if (!newest.empty()) std::getline(std::ifstream(newest), address);
  if (!address.empty()) return address;
  return runtime::MakeError(
      "NO_HEAD", runtime::Exit::kHeadUnreachable, "no head of yours runs on this machine",
      "name one with --head HOST:PORT or RONDO_HEAD, or start one: rondo head");
}

}  // namespace apps
