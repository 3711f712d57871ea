// Reports, answers and statuses: what a worker says to its monitor.
#include <cmath>
#include <utility>

#include "actors/message_parts.h"
#include "actors/messages.h"
#include "runtime/base/status.h"

namespace actors {

void StateReport::Encode(Wire::Builder wire) const {
  Write(fence, wire.initFence());
  wire.setNumber(number);
  wire.setSequence(sequence);
  wire.setStep(step);
  wire.setSquaredNorm(state.squared_norm);
  wire.setProjection(state.projection);
  if (!state.xi_id.IsNull()) {
    Write(state.xi_id.newer_base, wire.initXiNew());
    Write(state.xi_id.older_base, wire.initXiOld());
  }
  if (!state.sketch_or_vector.empty()) {
    const std::size_t bytes = state.sketch_or_vector.size() * sizeof(float);
    Write(state.sketch_or_vector, wire.initVector(static_cast<unsigned>(bytes)));
  }
  wire.setDue(due);
}

absl::StatusOr<StateReport> StateReport::Decode(Wire::Reader wire) {
  StateReport report{.fence = Read(wire.getFence()),
                     .number = wire.getNumber(),
                     .sequence = wire.getSequence(),
                     .step = wire.getStep(),
                     .state = {.squared_norm = wire.getSquaredNorm(),
                               .projection = wire.getProjection(),
                               .xi_id = {.newer_base = Read(wire.getXiNew()),
                                         .older_base = Read(wire.getXiOld())}},
                     .due = wire.getDue()};
  ASSIGN_OR_RETURN(report.state.sketch_or_vector, ReadFloats(wire.getVector()));
  return report;
}

void Answer::Encode(Wire::Builder wire) const {
  Write(fence, wire.initFence());
  wire.setNumber(number);
  std::visit(Overload{
                 [&](const Ready& ready) {
                   auto group = wire.initReady();
                   group.setPurpose(Write(ready.purpose));
                   group.setStep(ready.step);
                   group.setWeight(ready.weight);
                   Write(ready.root, group.initRoot());
                   group.setLoss(ready.loss);
                   Write(ready.predictions, group.initPredictions());
                   if (!ready.drift.has_value()) return;
                   group.setDriftRound(ready.drift->round);
                   group.setSquaredDrift(ready.drift->reading.squared_norm);
                   group.setDriftAlongMean(ready.drift->reading.along_mean);
                   group.setSquaredMean(ready.drift->reading.squared_mean);
                   group.setSquaredEnd(ready.drift->squared_end);
                   group.setProjectionEnd(ready.drift->projection_end);
                 },
                 [&](const Done& done) {
                   auto group = wire.initDone();
                   Write(done.root, group.initRoot());
                   group.setSeconds(done.seconds);
                   Write(done.sent, group.initSent());
                 },
                 [&](const Fail& fail) {
                   auto group = wire.initFail();
                   group.setCode(fail.code);
                   group.setMessage(fail.message);
                 },
                 [&](const Evaluated& evaluated) {
                   auto group = wire.initEvaluated();
                   group.setCorrect(evaluated.correct);
                   group.setSamples(evaluated.samples);
                   group.setLossSum(evaluated.loss_sum);
                 },
                 [&](const Finished& finished) {
                   auto group = wire.initFinished();
                   Write(finished.sent, group.initSent());
                   Write(finished.dropped, group.initDropped());
                   group.setComputeSeconds(finished.compute_seconds);
                   group.setWaitSeconds(finished.wait_seconds);
                   group.setRingSeconds(finished.ring_seconds);
                   group.setEvaluateSeconds(finished.evaluate_seconds);
                   group.setSamples(finished.samples);
                   Write(finished.predictions, group.initPredictions());
                 },
             },
             body);
}

namespace {

absl::StatusOr<Ready> ReadReady(schema::Answer::Ready::Reader group) {
  ASSIGN_OR_RETURN(const RingPurpose purpose, Read(group.getPurpose()));
  if (!std::isfinite(group.getWeight()) || group.getWeight() < 0) {
    return absl::InvalidArgumentError("READY with a weight that is negative or not finite");
  }
  ASSIGN_OR_RETURN(const PredictionCounts predictions, Read(group.getPredictions()));
  Ready ready{.purpose = purpose,
              .step = group.getStep(),
              .weight = group.getWeight(),
              .root = Read(group.getRoot()),
              .loss = group.getLoss(),
              .predictions = predictions};
  if (group.getDriftRound() == 0) return ready;
  if (group.getSquaredDrift() < 0 || group.getSquaredMean() < 0 || group.getSquaredEnd() < 0) {
    return absl::InvalidArgumentError("a square is negative");
  }
  ready.drift = {.round = group.getDriftRound(),
                 .reading = {.squared_norm = group.getSquaredDrift(),
                             .along_mean = group.getDriftAlongMean(),
                             .squared_mean = group.getSquaredMean()},
                 .squared_end = group.getSquaredEnd(),
                 .projection_end = group.getProjectionEnd()};
  return ready;
}

}  // namespace

absl::StatusOr<Answer> Answer::Decode(Wire::Reader wire) {
  Answer answer{.fence = Read(wire.getFence()), .number = wire.getNumber()};
  switch (wire.which()) {
    case Wire::READY: {
      ASSIGN_OR_RETURN(answer.body, ReadReady(wire.getReady()));
      return answer;
    }
    case Wire::DONE: {
      const auto group = wire.getDone();
      ASSIGN_OR_RETURN(const double seconds, ReadSeconds(group.getSeconds()));
      answer.body =
          Done{.root = Read(group.getRoot()), .seconds = seconds, .sent = Read(group.getSent())};
      return answer;
    }
    case Wire::FAIL: {
      ASSIGN_OR_RETURN(std::string code, ReadText(wire.getFail().getCode(), kMaxEndpointBytes));
      ASSIGN_OR_RETURN(std::string message, ReadText(wire.getFail().getMessage(), kMaxTextBytes));
      answer.body = Fail{.code = std::move(code), .message = std::move(message)};
      return answer;
    }
    case Wire::EVALUATED: {
      const auto group = wire.getEvaluated();
      if (group.getCorrect() > group.getSamples()) {
        return absl::InvalidArgumentError("more correct samples than samples");
      }
      answer.body = Evaluated{.correct = group.getCorrect(),
                              .samples = group.getSamples(),
                              .loss_sum = group.getLossSum()};
      return answer;
    }
    case Wire::FINISHED: {
      const auto group = wire.getFinished();
      ASSIGN_OR_RETURN(const double compute, ReadSeconds(group.getComputeSeconds()));
      ASSIGN_OR_RETURN(const double wait, ReadSeconds(group.getWaitSeconds()));
      ASSIGN_OR_RETURN(const double ring, ReadSeconds(group.getRingSeconds()));
      ASSIGN_OR_RETURN(const double evaluate, ReadSeconds(group.getEvaluateSeconds()));
      ASSIGN_OR_RETURN(const PredictionCounts predictions, Read(group.getPredictions()));
      answer.body = Finished{.sent = Read(group.getSent()),
                             .dropped = Read(group.getDropped()),
                             .compute_seconds = compute,
                             .wait_seconds = wait,
                             .ring_seconds = ring,
                             .evaluate_seconds = evaluate,
                             .samples = group.getSamples(),
                             .predictions = predictions};
      return answer;
    }
  }
  return absl::InvalidArgumentError("unknown answer");
}

void PullBase::Encode(Wire::Builder wire) const {
  wire.setRun(run);
  Write(root, wire.initRoot());
  Write(donors, wire.initDonors(static_cast<unsigned>(donors.size())));
  wire.setSeconds(seconds);
  wire.setKeepDrift(keep_drift);
}

absl::StatusOr<PullBase> PullBase::Decode(Wire::Reader wire) {
  std::vector<Member> donors;
  if (wire.getDonors().size() > 0) {
    ASSIGN_OR_RETURN(donors, Read(wire.getDonors()));
  }
  ASSIGN_OR_RETURN(const double seconds, ReadSeconds(wire.getSeconds()));
  return PullBase{.run = wire.getRun(),
                  .root = Read(wire.getRoot()),
                  .donors = std::move(donors),
                  .seconds = seconds,
                  .keep_drift = wire.getKeepDrift()};
}

void Pulled::Encode(Wire::Builder wire) const {
  Write(root, wire.initRoot());
  wire.setFailure(failure);
  wire.setFreshMoments(fresh_moments);
}

absl::StatusOr<Pulled> Pulled::Decode(Wire::Reader wire) {
  ASSIGN_OR_RETURN(std::string fresh_moments, ReadText(wire.getFreshMoments(), kMaxTextBytes));
  ASSIGN_OR_RETURN(std::string failure, ReadText(wire.getFailure(), kMaxTextBytes));
  return Pulled{.root = Read(wire.getRoot()),
                .failure = std::move(failure),
                .fresh_moments = std::move(fresh_moments)};
}

void LendMoments::Encode(Wire::Builder wire) const { wire.setRun(run); }

absl::StatusOr<LendMoments> LendMoments::Decode(Wire::Reader wire) {
  return LendMoments{.run = wire.getRun()};
}

void Loan::Encode(Wire::Builder wire) const {
  Write(root, wire.initRoot());
  wire.setFloats(floats);
}

absl::StatusOr<Loan> Loan::Decode(Wire::Reader wire) {
  return Loan{.root = Read(wire.getRoot()), .floats = wire.getFloats()};
}

void Leave::Encode(Wire::Builder wire) const { wire.setRun(run); }

absl::StatusOr<Leave> Leave::Decode(Wire::Reader wire) { return Leave{.run = wire.getRun()}; }

void MemberStatusReply::Encode(Wire::Builder wire) const { wire.setLastAnswer(last_answer); }

absl::StatusOr<MemberStatusReply> MemberStatusReply::Decode(Wire::Reader wire) {
  return MemberStatusReply{.last_answer = wire.getLastAnswer()};
}

void MemberStatus::Encode(Wire::Builder wire) const {
  Write(fence, wire.initFence());
  wire.setLastOrder(last_order);
  wire.setLastAnswer(last_answer);
  wire.setStep(step);
  Write(dropped, wire.initDropped());
  wire.setDriftSquared(drift_squared);
  Write(sent, wire.initSent());
  wire.setSamples(samples);
  wire.setOrphan(orphan);
  wire.setRingReceived(ring_received);
  wire.setRingForNext(ring_for_next);
  wire.setStepSeconds(step_seconds);
  Write(predictions, wire.initPredictions());
}

absl::StatusOr<MemberStatus> MemberStatus::Decode(Wire::Reader wire) {
  ASSIGN_OR_RETURN(const double step_seconds, ReadSeconds(wire.getStepSeconds()));
  ASSIGN_OR_RETURN(const PredictionCounts predictions, Read(wire.getPredictions()));
  return MemberStatus{.fence = Read(wire.getFence()),
                      .last_order = wire.getLastOrder(),
                      .last_answer = wire.getLastAnswer(),
                      .step = wire.getStep(),
                      .dropped = Read(wire.getDropped()),
                      .drift_squared = wire.getDriftSquared(),
                      .sent = Read(wire.getSent()),
                      .samples = wire.getSamples(),
                      .predictions = predictions,
                      .orphan = wire.getOrphan(),
                      .ring_received = wire.getRingReceived(),
                      .ring_for_next = wire.getRingForNext(),
                      .step_seconds = step_seconds};
}

}  // namespace actors
