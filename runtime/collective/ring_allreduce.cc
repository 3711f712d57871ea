#include "runtime/collective/ring_allreduce.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#include "runtime/base/failpoint.h"
#include "runtime/base/kernels.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace runtime {
namespace {

void Copy(std::span<const float> from, std::span<float> to) {
  if (!from.empty()) std::memcpy(to.data(), from.data(), from.size_bytes());
}

std::string RankName(std::span<const RingMember> members, std::uint32_t rank) {
  return absl::StrCat("rank ", rank, " (node ", members[rank].node.ShortName(), ")");
}

}  // namespace

float TotalWeight(std::span<const RingMember> members) {
  double total = 0;
  for (const RingMember& member : members) total += member.weight;
  return static_cast<float>(total);
}

RingAllreduce::RingAllreduce(NodeId self, RingLink& link, const Clock& clock)
    : self_(self), link_(link), clock_(clock) {}

RingAllreduce::~RingAllreduce() = default;

absl::Status RingAllreduce::Check(const RingJob& job, NodeId self) {
  if (job.members.empty() || job.members.size() > kMaxWorldSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("a ring has 1 to ", kMaxWorldSize, " members, not ", job.members.size()));
  }
  if (job.rank >= job.members.size() || job.members[job.rank].node != self) {
    return absl::InvalidArgumentError(
        absl::StrCat("rank ", job.rank, " of the ring is not this node"));
  }
  const RingOptions& options = job.options;
  if (options.chunk_bytes == 0 || options.chunk_bytes % kLeafBytes != 0 ||
      options.chunk_bytes > kMaxChunkBytes) {
    return absl::InvalidArgumentError(absl::StrCat("chunks of ", options.chunk_bytes, " bytes"));
  }
  if (options.credits < 1 || options.credits > kMaxCredits) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.credits, " credits; a ring takes 1 to ", kMaxCredits));
  }
  for (std::size_t i = 0; i < job.members.size(); ++i) {
    if (!std::isfinite(job.members[i].weight) || job.members[i].weight < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("weight ", job.members[i].weight, " of rank ", i, " of the ring"));
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (job.members[i].node == job.members[j].node) {
        return absl::InvalidArgumentError(absl::StrCat("ranks ", j, " and ", i, " are one node"));
      }
    }
  }
  const float total = TotalWeight(job.members);
  if (!(total > 0) || !std::isfinite(total)) {
    return absl::InvalidArgumentError(absl::StrCat("weights of the ring sum to ", total));
  }
  return absl::OkStatus();
}

void RingAllreduce::Start(RingJob job, Ring::Done done) {
  REQUIRE(!job.local.empty() && job.local.size() == job.base.size() &&
          job.local.size() == job.shadow.size());
  DropPending(absl::AbortedError("a newer ring was started"));
  if (!job_) {
    Begin(std::move(job), std::move(done));
    return;
  }
  pending_ = {.job = std::move(job), .done = std::move(done)};
  if (Live()) Fail(absl::AbortedError("a newer ring was started"));
}

void RingAllreduce::DropPending(const absl::Status& why) {
  if (!pending_) return;
  Ring::Done done = std::move(pending_->done);
  pending_.reset();
  done(why);
}

void RingAllreduce::Begin(RingJob job, Ring::Done done) {
  if (absl::Status checked = Check(job, self_); !checked.ok()) {
    done(std::move(checked));
    return;
  }
  ++jobs_;
  job_ = std::make_unique<RingJob>(std::move(job));
  done_ = std::move(done);
  started_ = clock_.Now();
  total_weight_ = TotalWeight(job_->members);
  result_ = {.fence = job_->fence};
  if (job_->members.size() == 1) {
    RunAlone();
  } else {
    Arm();
  }
}

void RingAllreduce::RunAlone() {
  Copy(job_->local, job_->shadow);
  result_.root = RootOf(job_->layout_hash, job_->shadow);
  result_.elapsed = clock_.Now() - started_;
  CallDone(result_);
}

void RingAllreduce::Arm() {
  plan_.emplace(job_->local.size(), static_cast<std::uint32_t>(job_->members.size()),
                job_->options.chunk_bytes);
  tree_.emplace(job_->layout_hash, job_->shadow);
  incoming_.emplace(*plan_, plan_->PreviousRank(job_->rank));
  outgoing_.emplace(*plan_, job_->rank);
  part_hashes_.assign(plan_->parts().size(), 0);
  leased_.assign(plan_->chunks().size(), false);
  incoming_length_ = StreamLength(*plan_, plan_->PreviousRank(job_->rank));
  outgoing_length_ = StreamLength(*plan_, job_->rank);
  if (early_credit_ && early_credit_->fence == job_->fence && early_credit_->from == Next().node) {
    credit_limit_ = early_credit_->credit.limit;
    armed_ = true;
  }
  early_credit_.reset();
  result_.total_bytes += link_.Connect(*job_, Previous(), Next());
  ReturnCredit();
}

bool RingAllreduce::WaitsForLeases() const {
  if (Draining() || !parked_.empty()) return true;
  return leases_ != 0 && incoming_->AtEnd() && outgoing_->AtEnd();
}

bool RingAllreduce::WaitsForFirstCredit() const { return Live() && !armed_; }

bool RingAllreduce::WaitsForFirstChunk() const { return Live() && incoming_->sequence() == 0; }

void RingAllreduce::RepeatCredit() {
  if (!Live()) return;
  result_.total_bytes += link_.SendCredit(Previous().node, job_->fence, {.limit = granted_});
}

std::span<float> RingAllreduce::Shadow(FloatRange range) const {
  return job_->shadow.subspan(range.begin, range.size());
}

std::string RingAllreduce::EdgeFromPrevious() const {
  return absl::StrCat(RankName(job_->members, plan_->PreviousRank(job_->rank)), " to ",
                      RankName(job_->members, job_->rank));
}

bool RingAllreduce::Accepts(NodeId from, const RingHello& hello, const Fence& fence) const {
  if (hello.to != self_ || hello.from != from || from == self_) return false;
  if (!job_) return true;
  if (fence == job_->fence) {
    return job_->members.size() > 1 && from == (hello.from_next ? Next() : Previous()).node;
  }
  return fence.run == job_->fence.run && fence > job_->fence;
}

void RingAllreduce::OnHello(NodeId from, const Fence& fence) {
  if (!Live() || fence != job_->fence || from != Previous().node) return;
  result_.total_bytes += link_.SendCredit(from, fence, {.limit = granted_});
}

bool RingAllreduce::OnCredit(NodeId from, const Fence& fence, RingCredit credit) {
  if (job_ && fence == job_->fence) {
    if (!Live() || from != Next().node) return false;
    credit_limit_ = std::max(credit_limit_, credit.limit);
    armed_ = true;
    return true;
  }
  if (job_ && fence.run == job_->fence.run && fence < job_->fence) return false;
  early_credit_ = {.from = from, .fence = fence, .credit = credit};
  return true;
}

ChunkFate RingAllreduce::OnChunk(NodeId from, const Fence& fence, const ChunkHeader& header,
                                 std::span<const float> floats) {
  if (!Live() || fence != job_->fence || from != Previous().node) return ChunkFate::kStale;
  if (absl::Status expected = CheckExpected(header, floats); !expected.ok()) {
    Fail(std::move(expected));
    return ChunkFate::kCorrupt;
  }
  const std::uint32_t chunk = incoming_->chunk();
  if (incoming_->phase() == RingPhase::kReduceScatter) {
    return OnConsumed(Reduce(chunk, header, floats), header);
  }
  if (leased_[chunk] || !parked_.empty()) {
    parked_.push_back({chunk, header, std::vector<float>(floats.begin(), floats.end())});
    incoming_->Advance();
    return ChunkFate::kTaken;
  }
  return OnConsumed(Store(chunk, header, floats), header);
}

// The stream is known in advance, so whatever differs from it is a gap, a duplicate or a fault.
absl::Status RingAllreduce::CheckExpected(const ChunkHeader& header,
                                          std::span<const float> floats) const {
  const auto refuse = [&](std::string_view what) {
    return absl::DataLossError(absl::StrCat("chunk from ", EdgeFromPrevious(), " ",
                                            std::string(what), ", fence ", job_->fence.ToString()));
  };
  if (incoming_->AtEnd()) return refuse("after the last one");
  if (header.sequence != incoming_->sequence()) {
    return refuse(
        absl::StrCat(header.sequence < incoming_->sequence() ? "is a duplicate" : "follows a gap",
                     ": number ", header.sequence, " instead of ", incoming_->sequence()));
  }
  const Chunk& chunk = plan_->chunks()[incoming_->chunk()];
  if (header.phase != incoming_->phase() || header.segment != chunk.segment ||
      header.index != chunk.index || header.floats != chunk.range.size() ||
      floats.size() != chunk.range.size() ||
      header.checksums.span().size() != plan_->PartCount(incoming_->chunk())) {
    return refuse(absl::StrCat("does not fit the plan: number ", header.sequence, ", ",
                               floats.size(), " floats instead of ", chunk.range.size()));
  }
  return absl::OkStatus();
}

void RingAllreduce::StartChunk(std::uint32_t chunk) {
  const std::size_t first = plan_->chunks()[chunk].first_part;
  const float weight = job_->members[job_->rank].weight;
  for (std::size_t i = first; i < first + plan_->PartCount(chunk); ++i) {
    const FloatRange part = plan_->parts()[i];
    const std::span<float> out = Shadow(part);
    if (weight == 0) {
      std::fill(out.begin(), out.end(), 0.0F);
    } else {
      WeightedDrift(job_->local.subspan(part.begin, part.size()),
                    job_->base.subspan(part.begin, part.size()), weight, out);
    }
    part_hashes_[i] = HashFloats(out);
  }
}

void RingAllreduce::AddOwnDrift(FloatRange part, std::span<const float> received) {
  const float weight = job_->members[job_->rank].weight;
  if (weight == 0) {
    Copy(received, Shadow(part));  // Never multiplied: 0 x NaN is NaN.
  } else {
    AddWeightedDrift(received, job_->local.subspan(part.begin, part.size()),
                     job_->base.subspan(part.begin, part.size()), weight, Shadow(part));
  }
}

// Part by part, so that a part is still in the cache when it is hashed again.
bool RingAllreduce::Reduce(std::uint32_t chunk, const ChunkHeader& header,
                           std::span<const float> floats) {
  HitFailpoint("ring.reduce");
  const Chunk& place = plan_->chunks()[chunk];
  const bool owner = plan_->Owner(place.segment) == job_->rank;
  const std::span<const std::uint64_t> checksums = header.checksums.span();
  for (std::size_t i = 0; i < checksums.size(); ++i) {
    const FloatRange part = plan_->parts()[place.first_part + i];
    const std::span<const float> received =
        floats.subspan(part.begin - place.range.begin, part.size());
    if (HashFloats(received) != checksums[i]) return false;
    AddOwnDrift(part, received);
    const std::span<float> out = Shadow(part);
    if (owner) Finalize(job_->base.subspan(part.begin, part.size()), out, total_weight_, out);
    const std::uint64_t hash = HashFloats(out);
    part_hashes_[place.first_part + i] = hash;
    if (owner) tree_->Arrived(part, hash);
  }
  return true;
}

bool RingAllreduce::Store(std::uint32_t chunk, const ChunkHeader& header,
                          std::span<const float> floats) {
  HitFailpoint("ring.store");
  const Chunk& place = plan_->chunks()[chunk];
  const std::span<const std::uint64_t> checksums = header.checksums.span();
  for (std::size_t i = 0; i < checksums.size(); ++i) {
    const FloatRange part = plan_->parts()[place.first_part + i];
    const std::span<const float> received =
        floats.subspan(part.begin - place.range.begin, part.size());
    if (HashFloats(received) != checksums[i]) return false;
    Copy(received, Shadow(part));
    part_hashes_[place.first_part + i] = checksums[i];
    tree_->Arrived(part, checksums[i]);
  }
  return true;
}

ChunkFate RingAllreduce::OnConsumed(bool intact, const ChunkHeader& header) {
  if (!intact) {
    Fail(absl::DataLossError(absl::StrCat(
        "chunk from ", EdgeFromPrevious(), " failed its checksum: segment ", header.segment,
        ", chunk ", header.index, ", fence ", job_->fence.ToString())));
    return ChunkFate::kCorrupt;
  }
  ++consumed_;
  incoming_->Advance();
  ReturnCredit();
  FinishIfComplete();
  return ChunkFate::kTaken;
}

void RingAllreduce::Unpark() {
  while (!parked_.empty() && !leased_[parked_.front().chunk]) {
    const Parked first = std::move(parked_.front());
    parked_.pop_front();
    if (!Store(first.chunk, first.header, first.floats)) {
      OnConsumed(false, first.header);
      return;
    }
    ++consumed_;
  }
  ReturnCredit();
}

void RingAllreduce::ReturnCredit() {
  const std::uint32_t limit = std::min(incoming_length_, consumed_ + job_->options.credits);
  if (limit == granted_) return;
  // Each wakes the predecessor, which meanwhile has the other half of its window to send.
  if (limit != incoming_length_ && limit - granted_ < (job_->options.credits + 1) / 2) return;
  granted_ = limit;
  result_.total_bytes += link_.SendCredit(Previous().node, job_->fence, {.limit = limit});
}

// What goes out after the own segment is what came in, in the same order.
std::uint32_t RingAllreduce::ReadyForNext() const {
  return std::min(outgoing_length_, plan_->ChunkCount(job_->rank) + consumed_);
}

RingFlow RingAllreduce::Flow() const {
  if (!Live() || !plan_) return {};
  return {.fence = job_->fence, .received = consumed_, .for_next = ReadyForNext()};
}

bool RingAllreduce::SendOne() {
  if (!Live() || outgoing_->AtEnd() || outgoing_->sequence() >= credit_limit_) return false;
  if (outgoing_->sequence() >= ReadyForNext()) return false;
  const std::uint32_t index = outgoing_->chunk();
  if (outgoing_->step() == 0) StartChunk(index);
  const Chunk& chunk = plan_->chunks()[index];
  ChunkHeader header = {.sequence = outgoing_->sequence(),
                        .phase = outgoing_->phase(),
                        .segment = chunk.segment,
                        .index = chunk.index,
                        .floats = static_cast<std::uint32_t>(chunk.range.size())};
  for (std::size_t i = 0; i < plan_->PartCount(index); ++i) {
    header.checksums.Append(part_hashes_[chunk.first_part + i]);
  }
  REQUIRE(!leased_[index]);
  leased_[index] = true;
  ++leases_;
  outgoing_->Advance();
  result_.payload_bytes += chunk.range.size() * sizeof(float);
  result_.total_bytes +=
      link_.SendChunk(job_->fence, header, Shadow(chunk.range), {.job = jobs_, .chunk = index});
  return true;
}

void RingAllreduce::OnReleased(RingLease lease) {
  if (!job_ || lease.job != jobs_) return;
  REQUIRE(leased_[lease.chunk]);
  leased_[lease.chunk] = false;
  --leases_;
  if (Draining()) {
    if (leases_ == 0) CallDone(failure_);
    return;
  }
  if (!parked_.empty()) Unpark();
  if (Live()) FinishIfComplete();
}

void RingAllreduce::FinishIfComplete() {
  if (leases_ != 0 || !parked_.empty() || !incoming_->AtEnd() || !outgoing_->AtEnd()) return;
  result_.root = tree_->Root();
  result_.elapsed = clock_.Now() - started_;
  CallDone(result_);
}

void RingAllreduce::OnCorrupt(NodeId from, std::string_view what) {
  if (!Live() || from != Previous().node) return;
  Fail(absl::DataLossError(absl::StrCat("message from ", EdgeFromPrevious(), ": ",
                                        std::string(what), ", fence ", job_->fence.ToString())));
}

void RingAllreduce::OnNextUnavailable(std::string_view why) {
  if (!Live()) return;
  if (outgoing_->AtEnd()) {
    // It has all that it gets from us, or will be missed by others.
    link_.DisconnectNext();
    return;
  }
  Fail(absl::UnavailableError(
      absl::StrCat("connection from ", RankName(job_->members, job_->rank), " to ",
                   RankName(job_->members, plan_->NextRank(job_->rank)), ": ", std::string(why))));
}

void RingAllreduce::OnPreviousUnavailable(std::string_view why) {
  if (!Live() || incoming_->AtEnd()) return;
  Fail(absl::UnavailableError(
      absl::StrCat("connection of ", EdgeFromPrevious(), ": ", std::string(why))));
}

void RingAllreduce::Abort(const Fence& fence) {
  const absl::Status why = absl::AbortedError(absl::StrCat("ring ", fence.ToString(), " aborted"));
  if (pending_ && pending_->job.fence == fence) {
    DropPending(why);
  } else if (job_ && job_->fence == fence) {
    if (Live()) Fail(why);
  } else if (!job_ && last_fence_ == fence) {
    link_.Disconnect();
  }
}

void RingAllreduce::AbortAll(const absl::Status& why) {
  DropPending(why);
  if (Live()) Fail(why);
}

void RingAllreduce::Fail(absl::Status why) {
  failure_ = std::move(why);
  parked_.clear();
  link_.Disconnect();
  if (leases_ == 0) CallDone(failure_);
}

void RingAllreduce::StopWaitingForLeases() {
  if (Draining() && job_->shadow_owner) CallDone(MarkShadowInUse(failure_));
}

// The last thing that any function does: a next job may begin in it.
void RingAllreduce::CallDone(absl::StatusOr<RingResult> result) {
  Ring::Done done = std::move(done_);
  last_fence_ = job_->fence;
  job_.reset();
  done_ = nullptr;
  failure_ = absl::OkStatus();
  tree_.reset();
  incoming_.reset();
  outgoing_.reset();
  plan_.reset();
  parked_.clear();
  leases_ = incoming_length_ = outgoing_length_ = consumed_ = granted_ = credit_limit_ = 0;
  armed_ = false;
  done(std::move(result));
  if (!job_ && pending_) {
    Pending next = *std::move(pending_);
    pending_.reset();
    Begin(std::move(next.job), std::move(next.done));
  }
}

}  // namespace runtime
