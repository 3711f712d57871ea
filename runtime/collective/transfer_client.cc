#include "runtime/collective/transfer_client.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace runtime {
namespace {

// That a donor answered "not held" tells most: the vector is gone, the caller asks for a newer one.
// That nobody was reached tells least.
int Weight(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kNotFound: return 2;
    case absl::StatusCode::kDataLoss: return 1;
    default: return 0;
  }
}

}  // namespace

TransferClient::TransferClient(TransferLink& link, const Clock& clock,
                               TransferClientOptions options)
    : link_(link), clock_(clock), options_(options) {
  REQUIRE(options_.window >= 1 && options_.chunk_floats >= 1 &&
          options_.chunk_floats <= kMaxTransferFloats);
}

void TransferClient::Start(TransferJob job, Transfer::Done done) {
  const std::uint64_t start = ++starts_;
  if (HasJob()) link_.Disconnect();
  Transfer::Done older = std::exchange(done_, std::move(done));
  const bool had_job = std::exchange(job_, std::move(job)).has_value();
  began_ = clock_.Now();
  const std::size_t count = (job_->into.size() + options_.chunk_floats - 1) / options_.chunk_floats;
  ranges_.assign(count, Range::kMissing);
  missing_ = count;
  donor_ = 0;
  result_ = {};
  failures_.clear();
  code_ = absl::StatusCode::kUnavailable;
  // It may start a job of its own, which is then the newest.
  if (had_job) older(absl::AbortedError("another fetch began"));
  if (starts_ != start) return;
  if (job_->into.empty() || job_->into.size() > kMaxTransferOffset) {
    Finish(absl::InvalidArgumentError("there is no vector of that length to fetch"));
  } else if (clock_.Now() >= job_->deadline) {
    OnTime();
  } else {
    TryDonors();
  }
}

void TransferClient::Abort(absl::Status why) {
  if (HasJob()) Finish(std::move(why));
}

TransferRequest TransferClient::RangeOf(std::size_t index) const {
  const std::uint64_t offset = std::uint64_t{index} * options_.chunk_floats;
  const std::uint64_t rest = job_->into.size() - offset;
  return {
      .offset = offset,
      .floats = static_cast<std::uint32_t>(std::min<std::uint64_t>(options_.chunk_floats, rest))};
}

void TransferClient::TryDonors() {
  for (; donor_ < job_->donors.size(); ++donor_) {
    std::replace(ranges_.begin(), ranges_.end(), Range::kAsked, Range::kMissing);
    asked_ = next_ = 0;
    progress_deadline_ = clock_.Now() + options_.progress_timeout;
    absl::Status status = link_.Connect(job_->donors[donor_]);
    if (status.ok()) status = Ask();
    if (status.ok()) return;
    NoteFailure(absl::StatusCode::kUnavailable, std::string(status.message()));
  }
  Finish(absl::Status(code_, failures_.empty() ? "there is nobody to fetch from" : failures_));
}

absl::Status TransferClient::Ask() {
  for (; asked_ < options_.window && next_ < ranges_.size(); ++next_) {
    if (ranges_[next_] != Range::kMissing) continue;
    TransferRequest request = RangeOf(next_);
    request.traffic = job_->traffic;
    RETURN_IF_ERROR(link_.SendRequest(job_->root, request));
    ranges_[next_] = Range::kAsked;
    ++asked_;
  }
  return absl::OkStatus();
}

void TransferClient::NoteFailure(absl::StatusCode code, const std::string& why) {
  absl::StrAppend(&failures_, failures_.empty() ? "" : "; ", "node ",
                  job_->donors[donor_].node.ShortName(), ": ", why);
  if (Weight(code) > Weight(code_)) code_ = code;
}

void TransferClient::LeaveDonor(absl::StatusCode code, const std::string& why) {
  if (!HasJob()) return;
  NoteFailure(code, why);
  link_.Disconnect();
  ++donor_;
  TryDonors();
}

TransferFate TransferClient::OnChunk(const Hash128& root, const TransferChunk& chunk,
                                     std::span<const std::byte> body) {
  if (!HasJob() || root != job_->root) return TransferFate::kStale;
  const std::uint64_t index = chunk.range.offset / options_.chunk_floats;
  if (index >= ranges_.size() || ranges_[index] != Range::kAsked || chunk.range != RangeOf(index)) {
    return TransferFate::kStale;
  }
  if (body.size() != chunk.range.floats * sizeof(float) ||
      HashBytes(body.data(), body.size()) != chunk.checksum) {
    LeaveDonor(absl::StatusCode::kDataLoss, "it sent a chunk that fails its checksum");
    return TransferFate::kCorrupt;
  }
  std::memcpy(job_->into.data() + chunk.range.offset, body.data(), body.size());
  ranges_[index] = Range::kHere;
  --asked_;
  --missing_;
  result_.bytes += body.size();
  progress_deadline_ = clock_.Now() + options_.progress_timeout;
  if (missing_ == 0) {
    CheckRoot();
  } else if (const absl::Status asked = Ask(); !asked.ok()) {
    LeaveDonor(absl::StatusCode::kUnavailable, std::string(asked.message()));
  }
  return TransferFate::kTaken;
}

TransferFate TransferClient::OnNotHeld(const Hash128& root) {
  if (!HasJob() || root != job_->root) return TransferFate::kStale;
  LeaveDonor(absl::StatusCode::kNotFound, "it does not hold that vector any more");
  return TransferFate::kTaken;
}

void TransferClient::OnCorrupt(const std::string& what) {
  LeaveDonor(absl::StatusCode::kDataLoss, what);
}

void TransferClient::OnUnavailable(const std::string& why) {
  LeaveDonor(absl::StatusCode::kUnavailable, why);
}

void TransferClient::OnTime() {
  if (!HasJob()) return;
  const Time now = clock_.Now();
  if (now >= job_->deadline) {
    Finish(absl::DeadlineExceededError(absl::StrCat(ranges_.size() - missing_, " of ",
                                                    ranges_.size(), " chunks came in time",
                                                    failures_.empty() ? "" : "; ", failures_)));
  } else if (now >= progress_deadline_) {
    LeaveDonor(absl::StatusCode::kUnavailable,
               absl::StrCat("nothing came for ", ToSeconds(options_.progress_timeout), " s"));
  }
}

Time TransferClient::NextDeadline() const {
  return HasJob() ? std::min(job_->deadline, progress_deadline_) : Time::max();
}

void TransferClient::CheckRoot() {
  const Hash128 root = RootOf(job_->layout_hash, job_->into);
  if (root != job_->root) {
    Finish(absl::DataLossError(
        absl::StrCat("fetched ", job_->root.ToString(), ", but what came is ", root.ToString())));
    return;
  }
  result_.elapsed = clock_.Now() - began_;
  Finish(result_);
}

void TransferClient::Finish(absl::StatusOr<TransferResult> result) {
  link_.Disconnect();
  Transfer::Done done = std::exchange(done_, nullptr);
  job_.reset();
  done(std::move(result));  // May start the next job.
}

}  // namespace runtime
