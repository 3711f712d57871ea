// A journal that outlives its head in a simulation, and may refuse, or be the last that a head
// does.
#ifndef RONDO_TESTS_SUPPORT_MEMORY_JOURNAL_H_
#define RONDO_TESTS_SUPPORT_MEMORY_JOURNAL_H_

#include <absl/status/status.h>

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "actors/journal.h"
#include "runtime/base/require.h"

namespace tests {

class MemoryJournal final : public actors::Journal {
 public:
  absl::Status Append(const actors::JournalRecord& record) override {
    if (refuse) {
      if (absl::Status refused = refuse(record); !refused.ok()) return refused;
    }
    // By way of its line, as from a disk.
    const auto read = actors::ParseLine(actors::ToLine(record));
    REQUIRE(read.ok());
    REQUIRE(state_.Apply(*read).ok());
    if (const auto* commit = std::get_if<actors::CommitRecord>(&*read)) commits_.push_back(*commit);
    if (const auto* back = std::get_if<actors::RollbackRecord>(&*read)) {
      undone_.insert(undone_.end(),
                     commits_.begin() + static_cast<std::ptrdiff_t>(Number(back->to)),
                     commits_.end());
      commits_.resize(Number(back->to));
    }
    if (after) after(record);
    return absl::OkStatus();
  }

  // As a disk that loses what it had taken: the last commit was never there.
  void LoseLastCommit() {
    REQUIRE(!commits_.empty());
    actors::RunPosition& position = *state_.runs.back().position;
    commits_.pop_back();
    position.commits.pop_back();
    position.round = runtime::RoundId{commits_.size()};
    position.root = commits_.empty() ? runtime::Hash128{} : commits_.back().root;
    position.step = commits_.empty() ? 0 : commits_.back().step;
  }

  const actors::JournalState& state() const { return state_; }
  // One for each round of the run, as it is now; and those that were rolled back.
  const std::vector<actors::CommitRecord>& commits() const { return commits_; }
  const std::vector<actors::CommitRecord>& undone() const { return undone_; }

  // Asked before a record is taken; absent: all are.
  std::function<absl::Status(const actors::JournalRecord&)> refuse;
  // Told once it is taken.
  std::function<void(const actors::JournalRecord&)> after;

 private:
  actors::JournalState state_;
  std::vector<actors::CommitRecord> commits_, undone_;
};

}  // namespace tests

#endif  // RONDO_TESTS_SUPPORT_MEMORY_JOURNAL_H_
