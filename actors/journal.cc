#include "actors/journal.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

#include "runtime/base/error.h"
#include "runtime/base/failpoint.h"
#include "runtime/base/file_io.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

using runtime::Exit;
using runtime::MakeError;

std::string JournalPath(const std::string& folder) { return folder + "/journal"; }

std::string ReadAll(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return std::move(text).str();
}

absl::Status Unreadable(const std::string& path, const std::string& why) {
  return MakeError("JOURNAL_UNREADABLE", Exit::kUnreadable,
                   absl::StrCat("cannot open ", path, ": ", why));
}

// Holds the folder for this process; -1 and errno if another one has it.
int Lock(const std::string& path) {
  const int lock = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock < 0) return -1;
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    const int why = errno;
    close(lock);
    errno = why;
    return -1;
  }
  const std::string self = absl::StrCat(getpid(), "\n");
  // Who holds it is told only to people: if the disk takes no more, they see an older one.
  if (ftruncate(lock, 0) == 0) (void)runtime::WriteAll(lock, self);
  return lock;
}

// That the file is there must outlive the power, too.
bool SyncFolder(const std::string& folder) {
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool synced = fsync(descriptor) == 0;
  close(descriptor);
  return synced;
}

}  // namespace

bool FileJournal::IsIn(const std::string& folder) {
  std::error_code error;
  return std::filesystem::exists(JournalPath(folder), error);
}

absl::StatusOr<FileJournal::Opened> FileJournal::Open(const std::string& folder) {
  const std::string lock_path = folder + "/lock";
  const int lock = Lock(lock_path);
  if (lock < 0 && errno == EWOULDBLOCK) {
    std::string holder = ReadAll(lock_path);
    while (!holder.empty() && holder.back() == '\n') holder.pop_back();
    return MakeError(
        "STATE_DIR_IN_USE", Exit::kUsage,
        absl::StrCat("another head, process ", holder, ", has the state directory ", folder),
        "stop it first: rondo down; or give this one another --state-dir");
  }
  if (lock < 0) return Unreadable(lock_path, std::strerror(errno));
  const std::string path = JournalPath(folder);
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0 || !SyncFolder(folder)) {
    const std::string why = std::strerror(errno);
    if (file >= 0) close(file);
    close(lock);
    return Unreadable(path, why);
  }
  Opened opened{.journal = std::unique_ptr<FileJournal>(new FileJournal(path, lock, file))};
  RETURN_IF_ERROR(opened.journal->Load(opened.state, opened.note));
  return opened;
}

FileJournal::~FileJournal() {
  close(file_);
  close(lock_);
}

absl::Status FileJournal::Load(JournalState& state, std::string& note) {
  const std::string text = ReadAll(path_);
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = text.find('\n', at);
    const bool is_last = end == std::string::npos || end + 1 == text.size();
    absl::StatusOr<JournalRecord> record = ParseLine(std::string_view(text).substr(at, end - at));
    absl::Status read = record.status();
    if (read.ok() && end == std::string::npos) read = absl::DataLossError("its end is missing");
    if (!read.ok() && is_last) {
      // A record that was never acknowledged: nobody has acted on it.
      note = absl::StrCat("the last record of ", path_, ", at byte ", at,
                          ", is torn and ignored: ", read.message());
      break;
    }
    if (read.ok()) read = state.Apply(*record);
    if (!read.ok()) {
      return MakeError("JOURNAL_DAMAGED", Exit::kUnreadable,
                       absl::StrCat(path_, " is damaged at byte ", at, ": ", read.message()),
                       "bring back the file from a copy, or start a new head elsewhere");
    }
    at = end + 1;
  }
  length_ = at;
  if (at == text.size()) return absl::OkStatus();
  return ftruncate(file_, static_cast<off_t>(at)) == 0 && fsync(file_) == 0
             ? absl::OkStatus()
             : Unreadable(path_, std::strerror(errno));
}

absl::Status FileJournal::Append(const JournalRecord& record) {
  if (broken_) {
    return MakeError(kJournalBroken, Exit::kUnreadable,
                     absl::StrCat(path_, " could not be written, and its end is unknown"));
  }
  const bool commit = std::holds_alternative<CommitRecord>(record);
  if (commit) runtime::HitFailpoint("head.commit");
  const std::string line = ToLine(record) + "\n";
  int error = lseek(file_, static_cast<off_t>(length_), SEEK_SET) < 0 ? errno : 0;
  if (error == 0) error = runtime::WriteAll(file_, line);
  if (error == 0 && fdatasync(file_) != 0) error = errno;
  if (error != 0) return TakeBack(std::strerror(error));
  length_ += line.size();
  if (commit) runtime::HitFailpoint("head.committed");
  return absl::OkStatus();
}

// The disk must not hold half of a record, or one that nobody was told of.
absl::Status FileJournal::TakeBack(const std::string& why) {
  if (ftruncate(file_, static_cast<off_t>(length_)) == 0 && fsync(file_) == 0) {
    return MakeError("JOURNAL_FULL", Exit::kRunFailed,
                     absl::StrCat("cannot write to ", path_, ": ", why), "free some space");
  }
  broken_ = true;
  return MakeError(
      kJournalBroken, Exit::kUnreadable,
      absl::StrCat("cannot write to ", path_, ": ", why, "; nor undo it: ", std::strerror(errno)),
      "free some space, then rondo head --resume");
}

}  // namespace actors
