#include "apps/rondo/progress.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "apps/rondo/format.h"

namespace apps {
namespace {

constexpr runtime::Duration kLeastBetweenDraws = std::chrono::milliseconds(200);
constexpr char kEraseLine[] = "\r\x1b[K";

int TerminalWidth() {
  winsize size{};
  const bool is_known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return is_known ? size.ws_col : 80;
}

std::string VarianceOf(const std::optional<double>& estimate, const std::optional<double>& theta) {
  if (!estimate.has_value() || !theta.has_value()) return "";
  return absl::StrCat("variance ", FormatNumber(*estimate), "/", FormatNumber(*theta));
}

std::string SentOf(std::uint64_t bytes, std::uint64_t bytes_synchronous) {
  const std::string ratio = FormatRatio(bytes_synchronous, bytes);
  return absl::StrCat("sent ", FormatBytes(bytes),
                      ratio.empty() ? "" : absl::StrCat(" (synchronous: ", ratio, ")"));
}

std::string Joined(const std::vector<std::string>& parts) {
  std::string line;
  for (const std::string& part : parts) {
    if (!part.empty()) absl::StrAppend(&line, line.empty() ? "" : "  ", part);
  }
  return line;
}

// Names and reasons come from other machines: no control codes reach the terminal.
std::string Printable(const std::string& text) {
  std::string clean = text;
  std::replace_if(
      clean.begin(), clean.end(),
      [](char letter) { return static_cast<unsigned char>(letter) < 0x20 || letter == 0x7F; }, ' ');
  return clean;
}

template <typename Event>
std::string Member(const Event& event) {
  return absl::StrCat("worker ", event.slot,
                      event.node.empty() ? "" : " on " + Printable(event.node));
}

// What each event adds to the state.
struct Taker {
  ProgressState& state;
  const std::uint64_t parameters;

  void TakeStep(std::uint64_t step) {
    if (step <= state.step) return;
    const std::uint64_t others = state.workers > 0 ? state.workers - 1 : 0;
    state.bytes_synchronous += (step - state.step) * 2 * others * 4 * parameters;
    state.step = step;
  }
  void operator()(const actors::StepEvent& event) {
    state.workers = event.workers;
    TakeStep(event.step);
    state.syncs = event.syncs;
    state.bytes_total = event.bytes_total;
    state.variance_estimate = event.variance_estimate;
    state.theta = event.theta;
  }
  void operator()(const actors::SyncEvent& event) {
    TakeStep(event.step);
    state.syncs = event.syncs;
    state.bytes_total = event.bytes_total;
  }
  void operator()(const actors::EvaluationEvent& event) { state.accuracy = event.accuracy; }
  void operator()(const actors::JoinEvent& event) { state.workers = event.workers; }
  void operator()(const actors::LeaveEvent& event) { state.workers = event.workers; }
  void operator()(const actors::DeathEvent& event) { state.workers = event.workers; }
  void operator()(const actors::AbortEvent&) {}
  void operator()(const actors::RollbackEvent& event) {
    state.step = event.step;
    state.syncs = event.to;
  }
  void operator()(const actors::NoteEvent&) {}
  void operator()(const actors::EndEvent&) {}
};

struct LineOf {
  const ProgressState& state;
  using Line = std::optional<std::string>;

  Line operator()(const actors::StepEvent&) { return std::nullopt; }
  Line operator()(const actors::SyncEvent& event) {
    const std::string variance =
        event.variance_estimate.has_value() && event.theta.has_value()
            ? absl::StrCat("variance ", FormatNumber(*event.variance_estimate),
                           *event.variance_estimate > *event.theta ? " > " : " of ",
                           FormatNumber(*event.theta))
            : "";
    return Joined({absl::StrCat("sync ", FormatCount(event.syncs)),
                   absl::StrCat("step ", FormatCount(event.step)), variance,
                   absl::StrCat(FormatBytes(event.ring_bytes), " between ", event.contributors,
                                event.contributors == 1 ? " worker" : " workers")});
  }
  Line operator()(const actors::EvaluationEvent& event) {
    return Joined({absl::StrCat("evaluation  step ", FormatCount(event.step)),
                   absl::StrCat("accuracy ", FormatPercent(event.accuracy)),
                   SentOf(state.bytes_total, state.bytes_synchronous)});
  }
  Line operator()(const actors::JoinEvent& event) {
    return absl::StrCat(Member(event), " joined, ", event.workers, " up");
  }
  Line operator()(const actors::LeaveEvent& event) {
    return absl::StrCat(Member(event), " left, ", event.workers, " up");
  }
  Line operator()(const actors::DeathEvent& event) {
    return absl::StrCat(Member(event), " is lost, ", event.workers,
                        " up: ", Printable(event.reason));
  }
  Line operator()(const actors::AbortEvent& event) {
    return absl::StrCat("synchronization at step ", FormatCount(event.step),
                        " is tried again: ", Printable(event.reason));
  }
  Line operator()(const actors::RollbackEvent& event) {
    return absl::StrCat("no worker is left who holds the model of synchronization ",
                        FormatCount(event.from), ": back to synchronization ",
                        FormatCount(event.to), ", step ", FormatCount(event.step));
  }
  Line operator()(const actors::NoteEvent& event) {
    return absl::StrCat("note: ", Printable(event.message));
  }
  Line operator()(const actors::EndEvent&) { return std::nullopt; }
};

}  // namespace

void ProgressState::Take(const actors::RunEvent& event, std::uint64_t parameters) {
  time = std::max(time, event.time);
  std::visit(Taker{*this, parameters}, event.what);
}

std::string RenderLive(const ProgressOptions& options, const ProgressState& state, int width) {
  std::string eta;
  if (state.step > 0 && state.step < options.max_steps) {
    const double seconds_per_step = state.time / static_cast<double>(state.step);
    const auto left = static_cast<double>(options.max_steps - state.step);
    eta = "eta " + FormatSeconds(seconds_per_step * left);
  }
  std::string line =
      Joined({absl::StrCat("run ", options.run_id),
              absl::StrCat("step ", FormatCount(state.step), "/", FormatCount(options.max_steps)),
              state.accuracy.has_value() ? "accuracy " + FormatPercent(*state.accuracy) : "",
              VarianceOf(state.variance_estimate, state.theta),
              absl::StrCat("syncs ", FormatCount(state.syncs)),
              SentOf(state.bytes_total, state.bytes_synchronous),
              absl::StrCat(state.workers, " up"), eta});
  // Only ASCII stands here: a byte is a column.
  line.resize(
      std::min<std::size_t>(line.size(), width > 1 ? static_cast<std::size_t>(width - 1) : 0));
  return line;
}

std::optional<std::string> RenderEvent(const actors::RunEvent& event, const ProgressState& state) {
  return std::visit(LineOf{state}, event.what);
}

std::string RenderResult(const actors::RunResult& result) {
  using runtime::Traffic;
  const auto bytes = [&](const char* name, Traffic kind) {
    const std::uint64_t count = result.bytes.Of(kind);
    return count == 0 ? "" : absl::StrCat(name, " ", FormatBytes(count));
  };
  std::string text = absl::StrCat(
      "run ", result.run_id, ": ", result.model, " (", FormatCount(result.parameters),
      " parameters) on ", result.data, ", ", result.workers, " workers, ", result.strategy,
      result.estimator.empty() ? "" : " " + result.estimator,
      result.theta.has_value() ? absl::StrCat(", theta ", FormatNumber(*result.theta)) : "", "\n");
  absl::StrAppend(&text, "time ", FormatSeconds(result.seconds), ", ",
                  FormatNumber(result.StepsPerSecond()), " steps/s (compute ",
                  FormatSeconds(result.seconds_by.compute), ", decisions ",
                  FormatSeconds(result.seconds_by.wait_decision), ", ring ",
                  FormatSeconds(result.seconds_by.ring), ", evaluation ",
                  FormatSeconds(result.seconds_by.evaluate), ")\n");
  if (!result.model_path.empty()) absl::StrAppend(&text, "model ", result.model_path, "\n");
  if (result.accuracy.has_value()) {
    absl::StrAppend(&text, "accuracy ", FormatPercent(*result.accuracy), "\n");
  }
  absl::StrAppend(&text, "steps ", FormatCount(result.steps), "\n");
  absl::StrAppend(&text, "synchronizations ", FormatCount(result.syncs), "\n");
  absl::StrAppend(
      &text, "bytes ", FormatBytes(result.bytes.Total()), ": ",
      Joined({bytes("ring", Traffic::kRing), bytes("state", Traffic::kState),
              bytes("decision", Traffic::kDecision), bytes("evaluation", Traffic::kEvaluation),
              bytes("join", Traffic::kJoin), bytes("checkpoint", Traffic::kCheckpoint),
              bytes("control", Traffic::kControl)}),
      "\n");
  const std::string ratio = FormatRatio(result.SynchronousBytes(), result.TrainingBytes());
  if (!ratio.empty()) {
    absl::StrAppend(&text, "synchronous would send ", FormatBytes(result.SynchronousBytes()), ", ",
                    ratio, "\n");
  }
  return text + "replicas equal: " + (result.replicas_equal ? "yes" : "no") + "\n";
}

Progress::Progress(ProgressOptions options, Output& output, const runtime::Clock& clock)
    : options_(std::move(options)), output_(output), clock_(clock) {}

Progress::~Progress() { Clear(); }

void Progress::Clear() {
  if (is_live_) output_.Raw(kEraseLine);
  is_live_ = false;
}

void Progress::Note(const std::string& text) {
  Clear();
  output_.Note(text);
}

void Progress::Show(const actors::RunEvent& event) {
  state_.Take(event, options_.parameters);
  output_.Event(actors::ToJson(event));
  if (output_.is_quiet() || output_.format() == OutputFormat::kJsonl) return;
  if (const std::optional<std::string> line = RenderEvent(event, state_)) Note(*line);
  if (!output_.is_terminal() || std::holds_alternative<actors::EndEvent>(event.what)) return;
  const runtime::Time now = clock_.Now();
  if (drawn_.has_value() && now - *drawn_ < kLeastBetweenDraws) return;
  drawn_ = now;
  output_.Raw(kEraseLine + RenderLive(options_, state_, TerminalWidth()));
  is_live_ = true;
}

}  // namespace apps
