#include "actors/averaging/quantum_worker.h"

#include <utility>

namespace actors {

std::optional<QuantumReport> QuantumWorker::AfterStep(LocalState state) {
  state_ = std::move(state);
  return ReportIfPastTheMark();
}

std::optional<QuantumReport> QuantumWorker::OnPoll(const QuantumPoll& poll) {
  if (poll.poll < poll_) return std::nullopt;
  if (poll.poll > poll_) {
    poll_ = poll.poll;
    answer_ = state_;
    number_ = 0;
    marks_.reset();
  }
  return QuantumReport{.poll = poll_, .number = 0, .state = answer_};
}

std::optional<QuantumReport> QuantumWorker::OnQuanta(const Quanta& quanta) {
  if (quanta.poll != poll_ || marks_.has_value()) return std::nullopt;
  Hold(quanta);
  return ReportIfPastTheMark();
}

std::optional<QuantumReport> QuantumWorker::OnCommit(const Quanta& quanta, LocalState state) {
  if (quanta.poll <= poll_) return std::nullopt;
  poll_ = quanta.poll;
  answer_ = {};
  number_ = 0;
  state_ = std::move(state);
  Hold(quanta);
  return ReportIfPastTheMark();
}

std::optional<QuantumReport> QuantumWorker::Say() {
  if (!marks_.has_value()) return std::nullopt;
  return QuantumReport{.poll = poll_, .number = ++number_, .state = state_};
}

void QuantumWorker::Hold(const Quanta& quanta) {
  marks_.emplace(quanta, answer_);
  mark_ = marks_->First();
}

std::optional<QuantumReport> QuantumWorker::ReportIfPastTheMark() {
  if (!marks_.has_value()) return std::nullopt;
  const double phi = marks_->Phi(state_);
  // Written so that NaN, which the monitor must hear of, is past every mark.
  if (phi <= mark_) return std::nullopt;
  mark_ = marks_->Above(phi);
  return QuantumReport{.poll = poll_, .number = ++number_, .state = state_};
}

}  // namespace actors
