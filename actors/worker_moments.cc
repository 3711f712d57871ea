// A newcomer's optimizer begins with what a member's remembers: with fresh moments its first steps
// take it further away than the members' steps do (LeNet-5 on digits, Adam, 20 steps: 1.26 times as
// far; with a member's moments 1.09). They are a hint, no part of the model: whoever cannot have
// them soon begins anew, and says so. They come before the base, so that the base is not replaced
// meanwhile.
#include <memory>
#include <utility>

#include "actors/worker.h"
#include "runtime/base/aligned_buffer.h"
#include "runtime/base/status.h"

namespace actors {

void Worker::BorrowMoments() {
  run_->moments = Run::Moments::kBorrowing;
  const Member& donor = pulling_->order.donors.front();
  const runtime::ActorRef<WorkerProtocol> lender{
      .address = {.node = donor.node, .actor = runtime::ActorIdOf(kWorkerName)}};
  context_->Ask(lender, LendMoments{.run = run_->fence.run}, kLendTimeout,
                [this, run = run_, donor](const absl::StatusOr<Loan>& loan) {
                  if (run == run_) OnLent(donor, loan);
                });
}

void Worker::OnLent(const Member& donor, const absl::StatusOr<Loan>& loan) {
  if (!pulling_.has_value()) return SettleMoments(absl::AbortedError("not wanted any more"));
  if (!loan.ok()) return SettleMoments(loan.status());
  if (loan->floats != run_->replica->MomentFloats()) {
    return SettleMoments(absl::InvalidArgumentError("moments of another optimizer"));
  }
  auto moments = std::make_shared<runtime::AlignedBuffer>(loan->floats);
  runtime::TransferJob job{
      .root = loan->root,
      .layout_hash = run_->replica->layout_hash(),
      .donors = {{donor.node, donor.endpoint}},
      .into = moments->span(),
      .deadline = context_->Now() + 2 * runtime::FromSeconds(pulling_->order.seconds)};
  parts_.transfer.Fetch(std::move(job), [this, run = run_, moments, &training = parts_.training,
                                         poster = context_->poster()](auto result) {
    training.Run([this, run, moments, poster, fetched = result.status()] {
      absl::Status taken = fetched.ok() ? run->replica->TakeMoments(moments->span()) : fetched;
      poster.Post([this, run, taken = std::move(taken)] {
        if (run == run_) SettleMoments(taken);
      });
    });
  });
}

void Worker::SettleMoments(const absl::Status& taken) {
  run_->moments = Run::Moments::kSettled;
  if (!taken.ok()) run_->fresh_moments = runtime::MessageOf(taken);
  if (pulling_.has_value()) FetchBase();
}

absl::Status Worker::On(runtime::Context& /*context*/, const LendMoments& lend,
                        runtime::Responder<Loan> responder) {
  if (run_ == nullptr || run_->fence.run != lend.run || run_->ending || run_->members.empty() ||
      IsOrphan()) {
    responder.Answer(absl::FailedPreconditionError("it is no member of that run any more"));
    return absl::OkStatus();
  }
  if (borrowers_.size() >= kMaxMembers) {
    responder.Answer(absl::ResourceExhaustedError("too many ask at once"));
    return absl::OkStatus();
  }
  borrowers_.push_back(std::move(responder));
  if (run_->loan.has_value()) {
    AnswerBorrowers();
  } else if (borrowers_.size() == 1) {
    // Between two steps: the training thread does one thing after the other.
    parts_.training.Run(
        [this, run = run_, &transfer = parts_.transfer, poster = context_->poster()] {
          runtime::TransferOffer copy = run->replica->CopyOfMoments();
          const Loan loan{.root = copy.root, .floats = copy.floats.size()};
          transfer.Lend(std::move(copy));
          poster.Post([this, run, loan, &transfer] {
            if (run != run_) return transfer.Lend({});
            run->loan = loan;
            AnswerBorrowers();
            EndLoanInTime();
          });
        });
  }
  return absl::OkStatus();
}

// One copy serves all who ask while it is there.
void Worker::AnswerBorrowers() {
  run_->loan_ends = context_->Now() + runtime::LongestCarriage(run_->loan->floats);
  for (runtime::Responder<Loan>& borrower : std::exchange(borrowers_, {})) {
    borrower.Answer(*run_->loan);
  }
}

void Worker::EndLoanInTime() {
  context_->After(run_->loan_ends - context_->Now(), [this, run = run_] {
    if (run != run_) return;
    if (context_->Now() < run_->loan_ends) return EndLoanInTime();
    run_->loan.reset();
    parts_.transfer.Lend({});
  });
}

}  // namespace actors
