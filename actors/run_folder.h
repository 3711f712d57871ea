// The folder that a run leaves: run.out/ID with the resolved config, metrics.jsonl, the workers'
// logs and the model. One thread.
#ifndef RONDO_ACTORS_RUN_FOLDER_H_
#define RONDO_ACTORS_RUN_FOLDER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "actors/run_config.h"
#include "actors/run_event.h"

namespace actors {

// What of it others may fetch.
enum class RunFile : std::uint8_t { kConfig, kMetrics, kModel };
// "config.toml", "metrics.jsonl", "model.pt".
const char* FileName(RunFile file);

// Up to `most` bytes of a file.
struct FilePiece {
  std::uint64_t size = 0;  // Of the whole file, as it is now.
  std::vector<std::uint8_t> data;
};
// What stands at `offset`; empty at the end and behind it. FILE_NOT_FOUND, exit 6: no such file
// (yet); FILE_UNREADABLE, exit 8.
absl::StatusOr<FilePiece> ReadPiece(const std::string& path, std::uint64_t offset,
                                    std::size_t most);

class RunFolder {
 public:
  // Makes `out`/`run_id` with its parents and writes config.toml. OUTPUT_FAILED, exit 1, with the
  // path and the reason: not writable, full disk. A folder of that name must not be there.
  static absl::StatusOr<std::unique_ptr<RunFolder>> Create(const std::string& out,
                                                           const std::string& run_id,
                                                           const RunConfig& config);
  // Goes on in the folder of an earlier head, behind the last whole line of its metrics.
  static absl::StatusOr<std::unique_ptr<RunFolder>> Reopen(const std::string& path);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string PathOf(RunFile file) const { return path_ + "/" + FileName(file); }
  std::string LogPath(std::uint32_t slot) const;

  // Appends one line to metrics.jsonl in one write: a crash leaves whole lines, at worst a torn
  // last one. OUTPUT_FAILED: the run can go on without.
  absl::Status Append(const RunEvent& event);

 private:
  RunFolder(std::string path, int metrics) : path_(std::move(path)), metrics_(metrics) {}

  const std::string path_;
  const int metrics_;  // Descriptor.
};

}  // namespace actors

#endif  // RONDO_ACTORS_RUN_FOLDER_H_
