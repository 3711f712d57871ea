// What a head must know again when it is started anew, as records that are only ever appended.
//
// One record is one line of JSON behind the hash of that line (actors/journal.h). Replaying them in
// order gives JournalState. Pure.
#ifndef RONDO_ACTORS_JOURNAL_RECORD_H_
#define RONDO_ACTORS_JOURNAL_RECORD_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/base/hash.h"
#include "runtime/base/ids.h"
#include "runtime/group/fence.h"

namespace actors {

// A head was started: the epoch of all its fences.
struct EpochRecord {
  std::uint32_t epoch = 0;
};
// Where it listens, "tcp://HOST:PORT": where its nodes look for the next one.
struct AddressRecord {
  std::string listen;
};
// A run was accepted.
struct RunRecord {
  std::uint64_t run = 0;
  std::string id;
  std::string config;  // TOML, resolved.
  std::string folder;
};
// Its members, from now on.
struct Seat {
  runtime::NodeId node;
  std::uint32_t slot = 0;
};
struct ViewRecord {
  std::uint64_t run = 0;
  runtime::ViewId view{0};
  runtime::RoundId round{0};
  runtime::Hash128 root;  // Of the base of that round.
  std::uint64_t step = 0;
  std::vector<Seat> seats;
};
// A round was committed. It is on the disk before any member hears of it (invariant I6).
struct CommitRecord {
  runtime::Fence fence;  // Of the attempt; its base is that of the round after fence.round.
  runtime::Hash128 root;
  std::uint64_t step = 0;
  std::vector<runtime::NodeId> contributors;
};
// The base of a round is in a file (actors/checkpoint.h).
struct CheckpointRecord {
  std::uint64_t run = 0;
  runtime::RoundId round{0};
  runtime::Hash128 root;
  std::uint64_t step = 0;
  std::string path;
};
// No worker held the base of the present round any more: the run went on from an older one.
struct RollbackRecord {
  std::uint64_t run = 0;
  runtime::RoundId from{0};
  runtime::RoundId to{0};
  runtime::Hash128 root;  // Of the older one, as the next.
  std::uint64_t step = 0;
};
// It is over; JSON, as `rondo runs` tells it.
struct EndRecord {
  std::uint64_t run = 0;
  std::string status;
  std::string result;
};
using JournalRecord = std::variant<EpochRecord, AddressRecord, RunRecord, ViewRecord, CommitRecord,
                                   CheckpointRecord, RollbackRecord, EndRecord>;

// One line without its end.
std::string ToLine(const JournalRecord& record);
// kDataLoss: no line of ours, or a damaged one.
absl::StatusOr<JournalRecord> ParseLine(std::string_view line);

// Where a run stands that goes on after its head was started anew.
struct RunPosition {
  runtime::ViewId view{0};
  runtime::RoundId round{0};
  runtime::Hash128 root;  // Null: of the initial model.
  std::uint64_t step = 0;
  std::map<runtime::NodeId, std::uint32_t> members;  // Of the last view, with their slots.
  std::deque<CommitRecord> commits;                  // The last ones; bounded.
  std::optional<CheckpointRecord> checkpoint;        // The last one.
};
// As many commits back a worker may still ask what became of a ring.
inline constexpr std::size_t kCommitsKept = 256;
void Append(const CommitRecord& commit, std::deque<CommitRecord>& commits);

struct JournalState {
  struct Run {
    RunRecord record;
    std::optional<RunPosition> position;  // None: it has not begun.
    std::optional<EndRecord> end;
  };

  // kDataLoss: it does not follow from what was before.
  absl::Status Apply(const JournalRecord& record);

  std::uint32_t epoch = 0;
  std::string listen;
  std::vector<Run> runs;  // Oldest first; all but the last one have ended. Bounded.
};

}  // namespace actors

#endif  // RONDO_ACTORS_JOURNAL_RECORD_H_
