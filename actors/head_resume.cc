// What a head knows of the one before it, by the journal.
#include <utility>

#include "actors/head.h"
#include "runtime/base/error.h"
#include "runtime/base/status.h"

namespace actors {

void Head::TakeOver() {
  if (absl::Status recorded = Record(AddressRecord{.listen = options_.listen}); !recorded.ok()) {
    options_.quit(recorded);
  }
  for (const JournalState::Run& run : options_.known.runs) {
    if (!run.end.has_value()) {
      if (absl::Status taken = TakeUp(run); !taken.ok()) options_.quit(taken);
      continue;
    }
    ended_runs_.push_back({.id = run.record.id,
                           .folder = run.record.folder,
                           .submitted = started_,
                           .status = run.end->status,
                           .result = run.end->result});
  }
}

absl::Status Head::TakeUp(const JournalState::Run& known) {
  ASSIGN_OR_RETURN(RunConfig config, ParseRunConfig(known.record.config, "the journal's config"));
  RunBook run{.number = known.record.run, .id = known.record.id, .config = std::move(config)};
  ASSIGN_OR_RETURN(run.folder, RunFolder::Reopen(known.record.folder));
  run.submitted = started_;
  run.dropped_before = options_.dropped();
  run_ = std::move(run);
  if (!known.position.has_value()) {
    WaitForWorkers();
    return absl::OkStatus();
  }
  run_->synchronizations = Number(known.position->round);
  run_->step = run_->last_sync_step = known.position->step;
  StartMonitor({}, known.position);
  return absl::OkStatus();
}

absl::Status Head::Record(const JournalRecord& record) {
  return options_.journal == nullptr ? absl::OkStatus() : options_.journal->Append(record);
}

}  // namespace actors
