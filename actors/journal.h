// The head's journal: records that are on the disk before anybody acts on them (protocol.md 9).
#ifndef RONDO_ACTORS_JOURNAL_H_
#define RONDO_ACTORS_JOURNAL_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>

#include "actors/journal_record.h"

namespace actors {

// The code of kDataLoss, below.
inline constexpr char kJournalBroken[] = "JOURNAL_BROKEN";

class Journal {
 public:
  virtual ~Journal() = default;
  // OK: the record outlives this process and this machine's power. Else it is in no later state,
  // and the journal can be appended to again, perhaps; but with kDataLoss (exit 8) nobody can tell
  // whether it is, before the journal was read anew.
  virtual absl::Status Append(const JournalRecord& record) = 0;
};

// A file that one process at a time appends to. One thread.
class FileJournal final : public Journal {
 public:
  struct Opened {
    std::unique_ptr<FileJournal> journal;
    JournalState state;
    std::string note;  // For people: a record that was torn, and is ignored. Or "".
  };
  // `folder` is there. STATE_DIR_IN_USE, exit 2, with the holder's process: another head has it.
  // JOURNAL_DAMAGED, exit 8, with the offset; a torn last record is no damage.
  static absl::StatusOr<Opened> Open(const std::string& folder);
  // Whether a head kept a journal there.
  static bool IsIn(const std::string& folder);

  ~FileJournal() override;
  absl::Status Append(const JournalRecord& record) override;

 private:
  FileJournal(std::string path, int lock, int file)
      : path_(std::move(path)), lock_(lock), file_(file) {}
  absl::Status Load(JournalState& state, std::string& note);
  absl::Status TakeBack(const std::string& why);

  const std::string path_;
  const int lock_;  // Descriptors.
  const int file_;
  std::uint64_t length_ = 0;  // Of all whole records.
  bool broken_ = false;
};

}  // namespace actors

#endif  // RONDO_ACTORS_JOURNAL_H_
