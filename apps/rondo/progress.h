// How a run is shown while it goes on and when it has ended.
#ifndef RONDO_APPS_RONDO_PROGRESS_H_
#define RONDO_APPS_RONDO_PROGRESS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "actors/run_event.h"
#include "actors/run_result.h"
#include "apps/rondo/output.h"
#include "runtime/base/clock.h"

namespace apps {

// What the live line needs besides the events.
struct ProgressOptions {
  std::string run_id;
  std::uint64_t max_steps = 0;
  std::uint64_t parameters = 0;  // d, for the bytes that synchronous training would send.
};

// What is known of a run so far. Pure.
struct ProgressState {
  double time = 0;  // Seconds since the run began.
  std::uint64_t step = 0;
  std::uint64_t syncs = 0;
  std::uint64_t bytes_total = 0;
  // Of synchronous training, summed over the steps with the workers of each.
  std::uint64_t bytes_synchronous = 0;
  std::uint32_t workers = 0;
  std::optional<double> accuracy;
  std::optional<double> variance_estimate;
  std::optional<double> theta;

  void Take(const actors::RunEvent& event, std::uint64_t parameters);
};

// "run 7f3a  step 1,240/4,000  accuracy 88.1 %  variance 0.42/0.5  syncs 9  sent 61.2 MB (65x less)
// 8 up  eta 2m10s", without control codes, cut to `width` - 1 columns so that it never wraps.
std::string RenderLive(const ProgressOptions& options, const ProgressState& state, int width);
// The line of an event where there is no terminal, and above the live line where there is one; none
// for steps and the end. `state` has taken the event.
std::optional<std::string> RenderEvent(const actors::RunEvent& event, const ProgressState& state);
// The summary of a run; its last lines are accuracy, steps, synchronizations, bytes and replicas.
std::string RenderResult(const actors::RunResult& result);

// Shows events as they come: JSON lines under --jsonl, else on stderr as above. Main thread only.
class Progress {
 public:
  // Borrows both.
  Progress(ProgressOptions options, Output& output, const runtime::Clock& clock);
  // Clears the live line.
  ~Progress();

  void Show(const actors::RunEvent& event);
  // A note of another kind, above the live line.
  void Note(const std::string& text);
  const ProgressState& state() const { return state_; }

 private:
  void Clear();

  const ProgressOptions options_;
  Output& output_;
  const runtime::Clock& clock_;
  ProgressState state_;
  bool is_live_ = false;  // A live line stands on the terminal.
  std::optional<runtime::Time> drawn_;
};

}  // namespace apps

#endif  // RONDO_APPS_RONDO_PROGRESS_H_
