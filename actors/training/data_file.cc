#include "actors/training/data_file.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "runtime/base/error.h"

namespace actors {

namespace fs = std::filesystem;

absl::Status DataNotFound(const std::string& why, const std::string& hint) {
  return runtime::MakeError("DATA_NOT_FOUND", runtime::Exit::kUnreadable, why, hint);
}

absl::Status DataCorrupt(const std::string& path, std::string_view where, const std::string& why,
                         const std::string& hint) {
  return runtime::MakeError("DATA_CORRUPT", runtime::Exit::kUnreadable,
                            path + ", " + std::string(where) + ": " + why, hint);
}

absl::StatusOr<std::string> ReadDataFile(const std::string& path, std::uint64_t most_bytes,
                                         const std::string& hint) {
  std::error_code error;
  if (!fs::exists(path, error)) return DataNotFound("there is no " + path, hint);
  if (!fs::is_regular_file(path, error)) return DataNotFound(path + " is no regular file", hint);
  const std::uintmax_t bytes = fs::file_size(path, error);
  std::ifstream stream(path, std::ios::binary);
  if (error || !stream) return DataNotFound("cannot open " + path, hint);
  if (bytes == 0) return DataCorrupt(path, "byte 0", "the file is empty", hint);
  if (bytes > most_bytes) {
    return DataCorrupt(
        path, "byte 0",
        absl::StrCat("the file has ", bytes, " bytes, more than the bound of ", most_bytes), hint);
  }
  std::string contents(static_cast<std::size_t>(bytes), '\0');
  if (!stream.read(contents.data(), static_cast<std::streamsize>(bytes))) {
    return DataCorrupt(path, absl::StrCat("byte ", stream.gcount()), "the file cannot be read on",
                       hint);
  }
  return contents;
}

absl::StatusOr<std::vector<std::string>> DataFilesIn(const std::string& folder,
                                                     std::string_view ending,
                                                     const std::string& hint) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.size() >= ending.size() &&
        name.compare(name.size() - ending.size(), ending.size(), ending) == 0) {
      files.push_back(entry->path().string());
    }
  }
  if (error) {
    return DataNotFound(absl::StrCat("cannot list ", folder, ": ", error.message()), hint);
  }
  if (files.empty()) {
    return DataNotFound(folder + " holds no file whose name ends in " + std::string(ending), hint);
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace actors
