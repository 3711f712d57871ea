#include "apps/rondo/report/read_trials.h"

#include <absl/strings/str_cat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "actors/run_config.h"
#include "actors/run_folder.h"
#include "apps/rondo/report/metrics_reader.h"
#include "apps/rondo/report/sweep_reader.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace apps::report {
namespace {

namespace fs = std::filesystem;
using actors::RunFile;
using runtime::Exit;
using runtime::MakeError;

constexpr char kSweepFile[] = "results.jsonl";
// Of a line. The longest is a sweep's with its curve: about 100 bytes an evaluation.
constexpr std::size_t kMostLine = std::size_t{64} << 20;
constexpr char kWhatRunIs[] =
    "name a run's folder, its metrics.jsonl, a sweep's folder, or its results.jsonl";

bool IsFile(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

absl::Status NotFound(const std::string& what) {
  return MakeError("FILE_NOT_FOUND", Exit::kNotFound, what, kWhatRunIs);
}

absl::Status Unreadable(const std::string& path, const std::string& why) {
  return MakeError("FILE_UNREADABLE", Exit::kUnreadable,
                   absl::StrCat("cannot read ", path, ": ", why), kWhatRunIs);
}

// The status of a line with the name of its file, for people.
absl::Status Explain(const std::string& path, const absl::Status& status) {
  if (status.ok() || runtime::HasUserError(status)) return status;
  if (absl::IsFailedPrecondition(status)) {
    return MakeError("SCHEMA_UNKNOWN", Exit::kIncompatible,
                     absl::StrCat("cannot read ", path, ", ", status.message()),
                     "make the report with the version that made the sweep");
  }
  return MakeError("FILE_UNREADABLE", Exit::kUnreadable,
                   absl::StrCat("cannot read ", path, ", ", status.message()),
                   "a last line that a crash tore off is passed over; this is another one");
}

// The file that holds the runs of `path`, which may be a folder.
absl::StatusOr<std::string> FileOf(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return NotFound(absl::StrCat("there is no ", path));
  if (fs::is_regular_file(status)) return path;
  if (!fs::is_directory(status)) return Unreadable(path, "it is neither a file nor a folder");
  for (const char* const name : {kSweepFile, actors::FileName(RunFile::kMetrics)}) {
    const std::string file = (fs::path(path) / name).string();
    if (IsFile(file)) return file;
  }
  return NotFound(absl::StrCat(path, " holds neither ", actors::FileName(RunFile::kMetrics),
                               " nor ", kSweepFile));
}

// The config beside a run's metrics, if there is one.
absl::StatusOr<Trial> WithConfig(MetricsReader& reader, const std::string& metrics) {
  const std::string path =
      (fs::path(metrics).parent_path() / actors::FileName(RunFile::kConfig)).string();
  if (!IsFile(path)) return reader.Take(metrics);
  const auto config = [&path]() -> absl::StatusOr<actors::RunConfig> {
    ASSIGN_OR_RETURN(const std::string text, actors::ReadConfigFile(path));
    return actors::ParseRunConfig(text, path);
  }();
  if (!config.ok()) return Unreadable(path, runtime::ToUserError(config.status()).message);
  return reader.Take(*config);
}

std::string NameOf(const std::string& metrics) {
  std::error_code ignored;
  const fs::path folder = fs::absolute(metrics, ignored).lexically_normal().parent_path();
  return fs::path(metrics).filename() == actors::FileName(RunFile::kMetrics)
             ? folder.filename().string()
             : fs::path(metrics).filename().string();
}

absl::Status ReadFile(const std::string& path, std::vector<Trial>& trials) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return Unreadable(path, std::strerror(errno));
  bool is_sweep = fs::path(path).filename() == kSweepFile;
  bool is_first = true;
  MetricsReader metrics(NameOf(path));
  // Of a run that was made again the last line counts.
  std::map<std::pair<std::string, std::uint64_t>, std::size_t> places;
  const absl::Status read =
      ForEachLine(stream, kMostLine, [&](const std::string& line, bool is_whole) -> absl::Status {
        is_sweep = is_first ? is_sweep || IsSweepLine(line) : is_sweep;
        is_first = false;
        if (!is_sweep) {
          const absl::Status added = metrics.Add(line);
          return is_whole ? added : absl::OkStatus();
        }
        absl::StatusOr<Trial> trial = ReadSweepLine(line);
        if (!trial.ok()) return is_whole ? trial.status() : absl::OkStatus();
        // Points of another sweep differ in what is no axis of either.
        trial->point = absl::StrCat("sweep=", path, "\n", trial->point);
        const auto [place, is_new] = places.try_emplace({trial->point, trial->seed}, trials.size());
        if (is_new) trials.emplace_back();
        trials[place->second] = *std::move(trial);
        return absl::OkStatus();
      });
  if (stream.bad()) return Unreadable(path, std::strerror(errno));
  RETURN_IF_ERROR(Explain(path, read));
  if (is_sweep) return absl::OkStatus();
  ASSIGN_OR_RETURN(Trial trial, WithConfig(metrics, path));
  trials.push_back(std::move(trial));
  return absl::OkStatus();
}

}  // namespace

absl::Status ForEachLine(
    std::istream& stream, std::size_t most,
    absl::FunctionRef<absl::Status(const std::string& line, bool is_whole)> take) {
  std::string line;
  std::size_t number = 1;
  const auto give = [&](bool is_whole) -> absl::Status {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    const absl::Status taken = line.empty() ? absl::OkStatus() : take(line, is_whole);
    line.clear();
    if (taken.ok()) return taken;
    return absl::Status(taken.code(), absl::StrCat("line ", number, ": ", taken.message()));
  };
  std::array<char, 65536> buffer;
  while (stream) {
    stream.read(buffer.data(), buffer.size());
    std::string_view piece(buffer.data(), static_cast<std::size_t>(stream.gcount()));
    for (std::size_t end = piece.find('\n'); end != std::string_view::npos;
         end = piece.find('\n')) {
      line += piece.substr(0, end);
      piece.remove_prefix(end + 1);
      RETURN_IF_ERROR(give(/*is_whole=*/true));
      ++number;
    }
    line += piece;
    if (line.size() > most) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, ": it is longer than ", most, " bytes"));
    }
  }
  return give(/*is_whole=*/false);
}

absl::StatusOr<std::vector<Trial>> ReadTrials(const std::vector<std::string>& paths) {
  std::vector<Trial> trials;
  std::set<std::string> seen;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(const std::string file, FileOf(path));
    std::error_code ignored;
    if (!seen.insert(fs::weakly_canonical(file, ignored).string()).second) continue;
    RETURN_IF_ERROR(ReadFile(file, trials));
  }
  return trials;
}

}  // namespace apps::report
