#include "actors/messages.h"

#include <cmath>
#include <utility>

#include "actors/message_parts.h"
#include "runtime/base/status.h"

namespace actors {

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
  wire.setCommitted(committed);
}

absl::StatusOr<ReadyToRun> ReadyToRun::Decode(Wire::Reader wire) {
  ReadyToRun message{.layout_hash = wire.getLayoutHash(),
                     .trainable = wire.getTrainable(),
                     .total = wire.getTotal(),
                     .base_root = Read(wire.getBaseRoot()),
                     .data_fingerprint = wire.getDataFingerprint(),
                     .train_samples = wire.getTrainSamples(),
                     .test_samples = wire.getTestSamples(),
                     .committed = wire.getCommitted()};
  ASSIGN_OR_RETURN(message.endpoint, Read(wire.getEndpoint()));
  ASSIGN_OR_RETURN(message.transfer, Read(wire.getTransfer()));
  ASSIGN_OR_RETURN(message.sample_shape,
                   ReadNumbers<std::uint32_t>(wire.getSampleShape(), kMaxSampleDimensions));
  ASSIGN_OR_RETURN(message.samples_by_class,
                   ReadNumbers<std::uint64_t>(wire.getSamplesByClass(), kMaxClasses));
  if (message.trainable == 0 || message.trainable > message.total ||
      message.total > message.committed || message.committed > kMaxModelFloats) {
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
  wire.setPoll(poll);
  wire.setXhat(xhat);
  wire.setQuantum(quantum);
}

absl::StatusOr<Decision> Decision::Decode(Wire::Reader wire) {
  if (!std::isfinite(wire.getXhat())) return absl::InvalidArgumentError("xhat is no number");
  ASSIGN_OR_RETURN(const double quantum, ReadQuantum(wire.getQuantum()));
  return Decision{.fence = Read(wire.getFence()),
                  .number = wire.getNumber(),
                  .sequence = wire.getSequence(),
                  .step = wire.getStep(),
                  .poll = wire.getPoll(),
                  .xhat = wire.getXhat(),
                  .quantum = quantum};
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
            group.setSequence(view.sequence);
          },
          [&](const Prepare& prepare) {
            auto group = wire.initPrepare();
            group.setPurpose(Write(prepare.purpose));
            group.setTrainOn(prepare.train_on);
          },
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
            group.setSequence(commit.sequence);
            group.setQuantum(commit.quantum);
            group.setMaxInterval(commit.max_interval);
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
                            .hold = group.getHold(),
                            .sequence = group.getSequence()};
      return order;
    }
    case Wire::PREPARE: {
      ASSIGN_OR_RETURN(const RingPurpose purpose, Read(wire.getPrepare().getPurpose()));
      order.body = Prepare{.purpose = purpose, .train_on = wire.getPrepare().getTrainOn()};
      return order;
    }
    case Wire::START: {
      ASSIGN_OR_RETURN(const RingPurpose purpose, Read(wire.getStart().getPurpose()));
      ASSIGN_OR_RETURN(std::vector<Member> members, Read(wire.getStart().getMembers()));
      order.body = Start{.purpose = purpose, .members = std::move(members)};
      return order;
    }
    case Wire::COMMIT: {
      const auto group = wire.getCommit();
      ASSIGN_OR_RETURN(const double quantum, ReadQuantum(group.getQuantum()));
      order.body = Commit{.root = Read(group.getRoot()),
                          .then_evaluate = group.getThenEvaluate(),
                          .then_wait = group.getThenWait(),
                          .sequence = group.getSequence(),
                          .quantum = quantum,
                          .max_interval = group.getMaxInterval()};
      return order;
    }
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
