#include "actors/messages.h"

#include <cmath>
#include <utility>

#include "actors/message_parts.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

// One overload per alternative of a variant.
template <typename... Fs>
struct Overload : Fs... {
  using Fs::operator()...;
};
template <typename... Fs>
Overload(Fs...) -> Overload<Fs...>;

}  // namespace

// ---------------------------------------------------------------------------------- messages ----

void Nothing::Encode(Wire::Builder) const {}
absl::StatusOr<Nothing> Nothing::Decode(Wire::Reader) { return Nothing{}; }

void ReadyToRun::Encode(Wire::Builder wire) const {
  wire.setLayoutHash(layout_hash);
  wire.setTrainable(trainable);
  wire.setTotal(total);
  Write(base_root, wire.initBaseRoot());
  wire.setDataFingerprint(data_fingerprint);
  wire.setTrainSamples(train_samples);
  wire.setTestSamples(test_samples);
  Write(endpoint, wire.initEndpoint());
  Write(transfer, wire.initTransfer());
  Write(sample_shape, wire.initSampleShape(static_cast<unsigned>(sample_shape.size())));
  Write(samples_by_class, wire.initSamplesByClass(static_cast<unsigned>(samples_by_class.size())));
}

absl::StatusOr<ReadyToRun> ReadyToRun::Decode(Wire::Reader wire) {
  ReadyToRun message{.layout_hash = wire.getLayoutHash(),
                     .trainable = wire.getTrainable(),
                     .total = wire.getTotal(),
                     .base_root = Read(wire.getBaseRoot()),
                     .data_fingerprint = wire.getDataFingerprint(),
                     .train_samples = wire.getTrainSamples(),
                     .test_samples = wire.getTestSamples()};
  ASSIGN_OR_RETURN(message.endpoint, Read(wire.getEndpoint()));
  ASSIGN_OR_RETURN(message.transfer, Read(wire.getTransfer()));
  ASSIGN_OR_RETURN(message.sample_shape,
                   ReadNumbers<std::uint32_t>(wire.getSampleShape(), kMaxSampleDimensions));
  ASSIGN_OR_RETURN(message.samples_by_class,
                   ReadNumbers<std::uint64_t>(wire.getSamplesByClass(), kMaxClasses));
  if (message.trainable == 0 || message.trainable > message.total ||
      message.total > kMaxModelFloats) {
    return absl::InvalidArgumentError("a model of an impossible size");
  }
  if (message.train_samples == 0) return absl::InvalidArgumentError("nothing to train on");
  return message;
}

void Assign::Encode(Wire::Builder wire) const {
  wire.setRun(run);
  wire.setHeadEpoch(head_epoch);
  wire.setSlot(slot);
  wire.setConfig(config);
  wire.setMonitor(Number(monitor));
}

absl::StatusOr<Assign> Assign::Decode(Wire::Reader wire) {
  if (wire.getSlot() >= kMaxMembers) return absl::InvalidArgumentError("slot out of range");
  ASSIGN_OR_RETURN(std::string config, ReadText(wire.getConfig(), kMaxTextBytes));
  return Assign{.run = wire.getRun(),
                .head_epoch = wire.getHeadEpoch(),
                .slot = wire.getSlot(),
                .config = std::move(config),
                .monitor = runtime::ActorId{wire.getMonitor()}};
}

void Recover::Encode(Wire::Builder wire) const {
  wire.setRun(run);
  wire.setHeadEpoch(head_epoch);
  wire.setMonitor(Number(monitor));
}

absl::StatusOr<Recover> Recover::Decode(Wire::Reader wire) {
  return Recover{.run = wire.getRun(),
                 .head_epoch = wire.getHeadEpoch(),
                 .monitor = runtime::ActorId{wire.getMonitor()}};
}

void Recovered::Encode(Wire::Builder wire) const {
  wire.setInRun(in_run);
  if (!in_run) return;
  ready.Encode(wire.initReady());
  wire.setSlot(slot);
  wire.setRound(Number(round));
  wire.setStep(step);
  wire.setInDoubt(in_doubt.has_value());
  if (!in_doubt.has_value()) return;
  Write(in_doubt->fence, wire.initFence());
  Write(in_doubt->root, wire.initReduced());
}

absl::StatusOr<Recovered> Recovered::Decode(Wire::Reader wire) {
  Recovered message{.in_run = wire.getInRun()};
  if (!message.in_run) return message;
  if (wire.getSlot() >= kMaxMembers) return absl::InvalidArgumentError("slot out of range");
  ASSIGN_OR_RETURN(message.ready, ReadyToRun::Decode(wire.getReady()));
  message.slot = wire.getSlot();
  message.round = runtime::RoundId{wire.getRound()};
  message.step = wire.getStep();
  if (wire.getInDoubt()) {
    message.in_doubt = InDoubt{.fence = Read(wire.getFence()), .root = Read(wire.getReduced())};
  }
  return message;
}

void Resolve::Encode(Wire::Builder wire) const {
  wire.setRun(run);
  wire.setCommitted(committed);
}

absl::StatusOr<Resolve> Resolve::Decode(Wire::Reader wire) {
  return Resolve{.run = wire.getRun(), .committed = wire.getCommitted()};
}

void Decision::Encode(Wire::Builder wire) const {
  Write(fence, wire.initFence());
  wire.setNumber(number);
  wire.setSequence(sequence);
  wire.setStep(step);
}

absl::StatusOr<Decision> Decision::Decode(Wire::Reader wire) {
  return Decision{.fence = Read(wire.getFence()),
                  .number = wire.getNumber(),
                  .sequence = wire.getSequence(),
                  .step = wire.getStep()};
}

void Order::Encode(Wire::Builder wire) const {
  Write(fence, wire.initFence());
  wire.setNumber(number);
  wire.setStep(step);
  std::visit(
      Overload{
          [&](const OpenView& view) {
            auto group = wire.initView();
            Write(view.members, group.initMembers(static_cast<unsigned>(view.members.size())));
            group.setSynchronizedStep(view.synchronized_step);
            group.setHold(view.hold);
          },
          [&](const Prepare& prepare) { wire.setPrepare(Write(prepare.purpose)); },
          [&](const Start& start) {
            auto group = wire.initStart();
            group.setPurpose(Write(start.purpose));
            Write(start.members, group.initMembers(static_cast<unsigned>(start.members.size())));
          },
          [&](const Commit& commit) {
            auto group = wire.initCommit();
            Write(commit.root, group.initRoot());
            group.setThenEvaluate(commit.then_evaluate);
            group.setThenWait(commit.then_wait);
          },
          [&](const AbortAttempt& abort) { wire.setAbort(abort.reason); },
          [&](const EvaluateMean&) { wire.setEvaluate(); },
          [&](const Finish& finish) { wire.initFinish().setSaveModel(finish.save_model); },
      },
      body);
}

absl::StatusOr<Order> Order::Decode(Wire::Reader wire) {
  Order order{.fence = Read(wire.getFence()), .number = wire.getNumber(), .step = wire.getStep()};
  switch (wire.which()) {
    case Wire::VIEW: {
      const auto group = wire.getView();
      ASSIGN_OR_RETURN(std::vector<Member> members, Read(group.getMembers()));
      order.body = OpenView{.members = std::move(members),
                            .synchronized_step = group.getSynchronizedStep(),
                            .hold = group.getHold()};
      return order;
    }
    case Wire::PREPARE: {
      ASSIGN_OR_RETURN(const RingPurpose purpose, Read(wire.getPrepare()));
      order.body = Prepare{.purpose = purpose};
      return order;
    }
    case Wire::START: {
      ASSIGN_OR_RETURN(const RingPurpose purpose, Read(wire.getStart().getPurpose()));
      ASSIGN_OR_RETURN(std::vector<Member> members, Read(wire.getStart().getMembers()));
      order.body = Start{.purpose = purpose, .members = std::move(members)};
      return order;
    }
    case Wire::COMMIT:
      order.body = Commit{.root = Read(wire.getCommit().getRoot()),
                          .then_evaluate = wire.getCommit().getThenEvaluate(),
                          .then_wait = wire.getCommit().getThenWait()};
      return order;
    case Wire::ABORT: {
      ASSIGN_OR_RETURN(std::string reason, ReadText(wire.getAbort(), kMaxTextBytes));
      order.body = AbortAttempt{.reason = std::move(reason)};
      return order;
    }
    case Wire::EVALUATE: order.body = EvaluateMean{}; return order;
    case Wire::FINISH:
      order.body = Finish{.save_model = wire.getFinish().getSaveModel()};
      return order;
  }
  return absl::InvalidArgumentError("unknown order");
}

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
}

absl::StatusOr<StateReport> StateReport::Decode(Wire::Reader wire) {
  StateReport report{.fence = Read(wire.getFence()),
                     .number = wire.getNumber(),
                     .sequence = wire.getSequence(),
                     .step = wire.getStep(),
                     .state = {.squared_norm = wire.getSquaredNorm(),
                               .projection = wire.getProjection(),
                               .xi_id = {.newer_base = Read(wire.getXiNew()),
                                         .older_base = Read(wire.getXiOld())}}};
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
                 },
             },
             body);
}

absl::StatusOr<Answer> Answer::Decode(Wire::Reader wire) {
  Answer answer{.fence = Read(wire.getFence()), .number = wire.getNumber()};
  switch (wire.which()) {
    case Wire::READY: {
      const auto group = wire.getReady();
      ASSIGN_OR_RETURN(const RingPurpose purpose, Read(group.getPurpose()));
      if (!std::isfinite(group.getWeight()) || group.getWeight() < 0) {
        return absl::InvalidArgumentError("READY with a weight that is negative or not finite");
      }
      answer.body = Ready{.purpose = purpose,
                          .step = group.getStep(),
                          .weight = group.getWeight(),
                          .root = Read(group.getRoot()),
                          .loss = group.getLoss()};
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
      answer.body = Finished{.sent = Read(group.getSent()),
                             .dropped = Read(group.getDropped()),
                             .compute_seconds = compute,
                             .wait_seconds = wait,
                             .ring_seconds = ring,
                             .evaluate_seconds = evaluate,
                             .samples = group.getSamples()};
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
}

absl::StatusOr<MemberStatus> MemberStatus::Decode(Wire::Reader wire) {
  return MemberStatus{.fence = Read(wire.getFence()),
                      .last_order = wire.getLastOrder(),
                      .last_answer = wire.getLastAnswer(),
                      .step = wire.getStep(),
                      .dropped = Read(wire.getDropped()),
                      .drift_squared = wire.getDriftSquared(),
                      .sent = Read(wire.getSent()),
                      .samples = wire.getSamples(),
                      .orphan = wire.getOrphan(),
                      .ring_received = wire.getRingReceived(),
                      .ring_for_next = wire.getRingForNext()};
}

void ModelPart::Encode(Wire::Builder wire) const {
  wire.setRun(run);
  wire.setOffset(offset);
  wire.setData(kj::arrayPtr(data.data(), data.size()));
  wire.setLast(last);
}

absl::StatusOr<ModelPart> ModelPart::Decode(Wire::Reader wire) {
  const capnp::Data::Reader data = wire.getData();
  if (data.size() > kMaxModelPartBytes) {
    return absl::InvalidArgumentError("a part of a model is too long");
  }
  return ModelPart{.run = wire.getRun(),
                   .offset = wire.getOffset(),
                   .data = std::vector<std::uint8_t>(data.begin(), data.end()),
                   .last = wire.getLast()};
}

}  // namespace actors
