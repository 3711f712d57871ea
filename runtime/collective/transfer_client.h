// Fetching a vector, as a state machine without sockets, threads or time of its own: which ranges
// are missing, whom to ask, when to give up.
//
// The vector is cut into chunks. A few requests are on the way at once; each answer makes room for
// the next. A donor that is gone, that no longer holds the vector, that sends what fails its
// checksum or nothing for a while is left for the next one, who is asked for what is still missing
// and for nothing else. One thread.
#ifndef RONDO_RUNTIME_COLLECTIVE_TRANSFER_CLIENT_H_
#define RONDO_RUNTIME_COLLECTIVE_TRANSFER_CLIENT_H_

#include <absl/status/status.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/collective/transfer.h"
#include "runtime/collective/transfer_message.h"

namespace runtime {

// The way to the present donor. None of these calls back into the client.
class TransferLink {
 public:
  virtual ~TransferLink() = default;
  // Begins a fresh connection, on which nothing of an older one arrives. kUnavailable: there is no
  // way there.
  virtual absl::Status Connect(const TransferDonor& donor) = 0;
  virtual absl::Status SendRequest(const Hash128& root, const TransferRequest& request) = 0;
  virtual void Disconnect() = 0;
};

struct TransferClientOptions {
  std::uint32_t chunk_floats = kMaxTransferFloats;  // 1 to kMaxTransferFloats.
  std::uint32_t window = 8;                         // Requests on the way, at least 1.
  // Without a chunk for so long, a donor is left.
  Duration progress_timeout = std::chrono::seconds(2);
};

enum class TransferFate {
  kTaken,
  kStale,    // Nobody asked for it, or no longer.
  kCorrupt,  // Failed its checksum; the donor was left.
};

class TransferClient {
 public:
  // `link` and `clock` outlive it.
  TransferClient(TransferLink& link, const Clock& clock, TransferClientOptions options = {});

  // As Transfer::Fetch says. `done` may be called during the call, and may call Start.
  void Start(TransferJob job, Transfer::Done done);
  // Ends an unfinished job with `why`.
  void Abort(absl::Status why);
  bool HasJob() const { return job_.has_value(); }

  // From the present donor. `body` is valid during the call, at any address.
  TransferFate OnChunk(const Hash128& root, const TransferChunk& chunk,
                       std::span<const std::byte> body);
  TransferFate OnNotHeld(const Hash128& root);
  // It said what is no message, or no answer.
  void OnCorrupt(const std::string& what);
  void OnUnavailable(const std::string& why);
  // Time passed; due at NextDeadline, harmless at any other moment.
  void OnTime();
  Time NextDeadline() const;  // Max: there is no job.

 private:
  enum class Range : std::uint8_t { kMissing, kAsked, kHere };

  TransferRequest RangeOf(std::size_t index) const;
  void LeaveDonor(absl::StatusCode code, const std::string& why);
  void TryDonors();
  absl::Status Ask();
  void NoteFailure(absl::StatusCode code, const std::string& why);
  void CheckRoot();
  void Finish(absl::StatusOr<TransferResult> result);

  TransferLink& link_;
  const Clock& clock_;
  const TransferClientOptions options_;
  std::uint64_t starts_ = 0;

  // Of the present job.
  std::optional<TransferJob> job_;
  Transfer::Done done_;
  Time began_{};
  std::vector<Range> ranges_;
  std::size_t missing_ = 0;   // Ranges that are not here.
  std::size_t asked_ = 0;     // Of the present donor, as is all that follows.
  std::size_t next_ = 0;      // None before it is missing and not asked for.
  Time progress_deadline_{};  // When it is left.
  std::size_t donor_ = 0;     // Its place in the list.
  TransferResult result_;
  std::string failures_;                                    // Why the donors before it were left.
  absl::StatusCode code_ = absl::StatusCode::kUnavailable;  // What `failures_` amount to.
};

}  // namespace runtime

#endif  // RONDO_RUNTIME_COLLECTIVE_TRANSFER_CLIENT_H_
