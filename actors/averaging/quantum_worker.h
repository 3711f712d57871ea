// The worker half of the policy `quantum` (quantum_marks.h): when a member speaks, and what it
// says. Pure; used by the thread of the worker actor.
#ifndef RONDO_ACTORS_AVERAGING_QUANTUM_WORKER_H_
#define RONDO_ACTORS_AVERAGING_QUANTUM_WORKER_H_

#include <cstdint>
#include <optional>

#include "actors/averaging/local_state.h"
#include "actors/averaging/quantum_marks.h"

namespace actors {

// What a call returns is to be sent to the monitor. A lost report is made good by the next one.
//
// The drift changes at step boundaries only, so the state of the last boundary is exact while the
// next step is computed: polls and marks are answered at once and need not wait for it.
class QuantumWorker {
 public:
  // `state` is that of the drift as the member enters: zero for one that joins.
  explicit QuantumWorker(LocalState state) : state_(std::move(state)) {}

  // A step was taken. Also for a drift that changed without one (a re-set).
  std::optional<QuantumReport> AfterStep(LocalState state);
  // Always answered, unless it is older than what the member knows. A poll that comes again gets
  // the same answer again: marks count from it.
  std::optional<QuantumReport> OnPoll(const QuantumPoll& poll);
  // Marks made from this member's answer; others are ignored.
  std::optional<QuantumReport> OnQuanta(const Quanta& quanta);
  // Word of the drift as it is, though no mark was passed; none between an answer and its marks.
  std::optional<QuantumReport> Say();
  // The base changed. `state` is of the drift that is left, on the new direction: zero for a
  // contributor.
  std::optional<QuantumReport> OnCommit(const Quanta& quanta, LocalState state);

 private:
  void Hold(const Quanta& quanta);
  std::optional<QuantumReport> ReportIfPastTheMark();

  LocalState state_;   // At the last boundary.
  PollId poll_ = 0;    // The last one answered, or the last COMMIT.
  LocalState answer_;  // To `poll_`; no drift after a COMMIT.
  std::uint64_t number_ = 0;
  std::optional<QuantumMarks> marks_;  // None between an answer and its marks: silent.
  double mark_ = 0;                    // The next one to pass.
};

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_QUANTUM_WORKER_H_
