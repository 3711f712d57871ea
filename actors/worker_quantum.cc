// How a worker trains where nobody waits for a decision (strategy.decision = "quantum"): step after
// step, while QuantumWorker watches its drift and says when the monitor has to hear of it. It stops
// at a boundary only for PREPARE and for a new view; with strategy.overlap only for the latter: the
// ring works on a copy of its model, and at COMMIT it adopts the mean, local = mean + what it has
// trained since (protocol.md 7).
//
// Its `step` is a count of its own. The run's step, which is the mean of all, comes with orders and
// decisions; in between a worker adds its own to it.
#include <algorithm>
#include <cmath>
#include <utility>

#include "actors/worker.h"

namespace actors {

void Worker::NoteRunStep(std::uint64_t step) {
  run_->told_step = step;
  // While a ring runs the monitor counts no steps beyond READY.
  run_->step_when_told = run_->overlapping ? run_->step_at_ready : run_->step;
  run_->due_told = false;
}

void Worker::ObeyWithoutBarrier(const Decision& decision) {
  run_->overlapping = false;
  NoteRunStep(decision.step);
  if (!run_->quantum.has_value()) return;  // No monitor decides before the view is open.
  run_->trains_freely = true;
  Speak(decision.poll
            ? run_->quantum->OnPoll({.poll = decision.sequence})
            : run_->quantum->OnQuanta(
                  {.poll = decision.sequence, .xhat = decision.xhat, .quantum = decision.quantum}));
  if (!run_->stepping) TrainOn();
}

// In lockstep and of a fixed schedule the worker's own count is the run's.
std::uint64_t Worker::RunStep() const {
  if (!WithoutBarrier()) return run_->step;
  return run_->told_step + (run_->step - run_->step_when_told);
}

// By this worker's count; the monitor asks all of them whether it is so.
bool Worker::SomethingIsDue() const {
  const RunSection& run = run_->config.run;
  std::uint64_t due = run.max_steps;
  if (run.evaluate == EvaluateWhat::kMean && run.evaluate_every > 0) {
    due = std::min(due, (run_->told_step / run.evaluate_every + 1) * run.evaluate_every);
  }
  if (run_->max_interval > 0) due = std::min(due, run_->synchronized_step + run_->max_interval);
  return RunStep() >= due;
}

void Worker::OnFreeStep(const Stepped& stepped) {
  if (stepped.action == BoundaryAction::kReport && run_->quantum.has_value()) {
    NoteDrift(stepped.state);
    std::optional<QuantumReport> report = run_->quantum->AfterStep(stepped.state);
    if (run_->overlapping) return GoOnThroughRing();
    const bool due = !run_->due_told && SomethingIsDue();
    if (due && !report.has_value()) report = run_->quantum->Say();
    run_->due_told = run_->due_told || (due && report.has_value());
    Speak(report, due);
    // A model that is no number trains no more, and waits for the next base.
    if (!std::isfinite(stepped.state.squared_norm)) run_->trains_freely = false;
  }
  if (run_->trains_freely) TrainOn();
}

void Worker::DropMark() {
  if (!std::exchange(run_->marked, false)) return;
  parts_.training.Run([run = run_] { run->replica->Unmark(); });
}

// The run ends with a ring that has all steps.
void Worker::GoOnThroughRing() {
  const bool enough = RunStep() >= run_->config.run.max_steps;
  const bool finite = std::isfinite(run_->drift_squared);
  if (run_->trains_freely && finite && !enough) TrainOn();
}

void Worker::TrainOnThroughRing() {
  run_->overlapping = run_->trains_freely = true;
  run_->step_at_ready = run_->step;
  run_->waiting_since.reset();
  if (!run_->stepping) TrainOn();
}

void Worker::Speak(const std::optional<QuantumReport>& report, bool due) {
  if (!report.has_value()) return;
  run_->sequence = report->poll;
  SendReport(report->state, due);
}

}  // namespace actors
