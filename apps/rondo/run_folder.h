// The folder that a run leaves: run.out/ID with the resolved config, metrics.jsonl, the workers'
// logs and the model. Main thread only.
#ifndef RONDO_APPS_RONDO_RUN_FOLDER_H_
#define RONDO_APPS_RONDO_RUN_FOLDER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>

#include "actors/run_config.h"
#include "actors/run_event.h"

namespace apps {

class RunFolder {
 public:
  // Makes `out`/`run_id` with its parents and writes config.toml. OUTPUT_FAILED, exit 1, with the
  // path and the reason: not writable, full disk. A folder of that name must not be there.
  static absl::StatusOr<std::unique_ptr<RunFolder>> Create(const std::string& out,
                                                           const std::string& run_id,
                                                           const actors::RunConfig& config);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string ConfigPath() const { return path_ + "/config.toml"; }
  std::string MetricsPath() const { return path_ + "/metrics.jsonl"; }
  std::string ModelPath() const { return path_ + "/model.pt"; }
  std::string LogPath(std::uint32_t slot) const;

  // Appends one line to metrics.jsonl in one write: a crash leaves whole lines, at worst a torn
  // last one. OUTPUT_FAILED: the run can go on without.
  absl::Status Append(const actors::RunEvent& event);

 private:
  RunFolder(std::string path, int metrics) : path_(std::move(path)), metrics_(metrics) {}

  const std::string path_;
  const int metrics_;  // Descriptor.
};

}  // namespace apps

#endif  // RONDO_APPS_RONDO_RUN_FOLDER_H_
