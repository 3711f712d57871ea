#include "actors/message_parts.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "runtime/base/status.h"

namespace actors {
void Write(const runtime::Fence& fence, schema::Fence::Builder wire) {
  wire.setRun(fence.run);
  wire.setHeadEpoch(fence.head_epoch);
  wire.setView(Number(fence.view));
  wire.setRound(Number(fence.round));
  wire.setAttempt(fence.attempt);
}

runtime::Fence Read(schema::Fence::Reader wire) {
  return {.run = wire.getRun(),
          .head_epoch = wire.getHeadEpoch(),
          .view = runtime::ViewId{wire.getView()},
          .round = runtime::RoundId{wire.getRound()},
          .attempt = wire.getAttempt()};
}

void Write(const runtime::Hash128& hash, schema::Hash::Builder wire) {
  wire.setHigh(hash.high);
  wire.setLow(hash.low);
}

runtime::Hash128 Read(schema::Hash::Reader wire) {
  return {.high = wire.getHigh(), .low = wire.getLow()};
}

void Write(const runtime::Ledger& ledger, schema::Bytes::Builder wire) {
  wire.setControl(ledger.Of(runtime::Traffic::kControl));
  wire.setState(ledger.Of(runtime::Traffic::kState));
  wire.setDecision(ledger.Of(runtime::Traffic::kDecision));
  wire.setRing(ledger.Of(runtime::Traffic::kRing));
  wire.setEvaluation(ledger.Of(runtime::Traffic::kEvaluation));
  wire.setJoin(ledger.Of(runtime::Traffic::kJoin));
  wire.setCheckpoint(ledger.Of(runtime::Traffic::kCheckpoint));
}

runtime::Ledger Read(schema::Bytes::Reader wire) {
  runtime::Ledger ledger;
  ledger.Add(runtime::Traffic::kControl, wire.getControl());
  ledger.Add(runtime::Traffic::kState, wire.getState());
  ledger.Add(runtime::Traffic::kDecision, wire.getDecision());
  ledger.Add(runtime::Traffic::kRing, wire.getRing());
  ledger.Add(runtime::Traffic::kEvaluation, wire.getEvaluation());
  ledger.Add(runtime::Traffic::kJoin, wire.getJoin());
  ledger.Add(runtime::Traffic::kCheckpoint, wire.getCheckpoint());
  return ledger;
}

void Write(const runtime::Drops& drops, schema::Dropped::Builder wire) {
  wire.setHandshake(drops.handshake);
  wire.setFrame(drops.frame);
  wire.setChecksum(drops.checksum);
  wire.setFence(drops.fence);
  wire.setDecode(drops.decode);
  wire.setActor(drops.actor);
  wire.setFull(drops.full);
  wire.setRoute(drops.route);
}

runtime::Drops Read(schema::Dropped::Reader wire) {
  return {.handshake = wire.getHandshake(),
          .frame = wire.getFrame(),
          .checksum = wire.getChecksum(),
          .fence = wire.getFence(),
          .decode = wire.getDecode(),
          .actor = wire.getActor(),
          .full = wire.getFull(),
          .route = wire.getRoute()};
}

void Write(const PredictionCounts& predictions, schema::Predictions::Builder wire) {
  wire.setCorrect(predictions.correct);
  wire.setAll(predictions.all);
}

absl::StatusOr<PredictionCounts> Read(schema::Predictions::Reader wire) {
  if (wire.getCorrect() > wire.getAll()) {
    return absl::InvalidArgumentError("more correct predictions than predictions");
  }
  return PredictionCounts{.correct = wire.getCorrect(), .all = wire.getAll()};
}

// Seconds go into deadlines, where what is no number or too large would overflow.
absl::StatusOr<double> ReadSeconds(double seconds) {
  if (seconds >= 0 && seconds <= kMaxSeconds) return seconds;
  return absl::InvalidArgumentError("a time is negative, too long or no number");
}

absl::StatusOr<double> ReadQuantum(double quantum) {
  if (quantum >= 0) return quantum;
  return absl::InvalidArgumentError("a quantum is negative or no number");
}

absl::StatusOr<std::string> ReadText(capnp::Text::Reader text, std::size_t max_bytes) {
  if (text.size() > max_bytes) return absl::InvalidArgumentError("a text is too long");
  return std::string(text.begin(), text.size());
}

void Write(const runtime::RingEndpoint& endpoint, schema::RingEndpoint::Builder wire) {
  wire.setTcp(endpoint.tcp);
  wire.setIpc(endpoint.ipc);
  wire.setHostKey(endpoint.host_key);
}

absl::StatusOr<runtime::RingEndpoint> Read(schema::RingEndpoint::Reader wire) {
  ASSIGN_OR_RETURN(std::string tcp, ReadText(wire.getTcp(), kMaxEndpointBytes));
  ASSIGN_OR_RETURN(std::string ipc, ReadText(wire.getIpc(), kMaxEndpointBytes));
  ASSIGN_OR_RETURN(std::string host_key, ReadText(wire.getHostKey(), kMaxEndpointBytes));
  return runtime::RingEndpoint{
      .tcp = std::move(tcp), .ipc = std::move(ipc), .host_key = std::move(host_key)};
}

void Write(const std::vector<Member>& members, capnp::List<schema::Member>::Builder wire) {
  for (std::size_t i = 0; i < members.size(); ++i) {
    schema::Member::Builder member = wire[static_cast<unsigned>(i)];
    member.initNode().setHigh(members[i].node.high);
    member.getNode().setLow(members[i].node.low);
    member.setSlot(members[i].slot);
    member.setWeight(members[i].weight);
    Write(members[i].endpoint, member.initEndpoint());
  }
}

absl::StatusOr<std::vector<Member>> Read(capnp::List<schema::Member>::Reader wire) {
  if (wire.size() == 0 || wire.size() > kMaxMembers) {
    return absl::InvalidArgumentError("a view has no members, or too many");
  }
  std::vector<Member> members;
  members.reserve(wire.size());
  for (const schema::Member::Reader member : wire) {
    if (!std::isfinite(member.getWeight()) || member.getWeight() < 0) {
      return absl::InvalidArgumentError("a member's weight is negative or not finite");
    }
    if (member.getSlot() >= kMaxMembers) return absl::InvalidArgumentError("slot out of range");
    ASSIGN_OR_RETURN(runtime::RingEndpoint endpoint, Read(member.getEndpoint()));
    members.push_back(
        {.node = {.high = member.getNode().getHigh(), .low = member.getNode().getLow()},
         .slot = member.getSlot(),
         .weight = member.getWeight(),
         .endpoint = std::move(endpoint)});
  }
  return members;
}

schema::Order::Purpose Write(RingPurpose purpose) {
  return purpose == RingPurpose::kSynchronize ? schema::Order::Purpose::SYNCHRONIZE
                                              : schema::Order::Purpose::EVALUATE;
}

absl::StatusOr<RingPurpose> Read(schema::Order::Purpose wire) {
  switch (wire) {
    case schema::Order::Purpose::SYNCHRONIZE: return RingPurpose::kSynchronize;
    case schema::Order::Purpose::EVALUATE: return RingPurpose::kEvaluate;
  }
  return absl::InvalidArgumentError("unknown purpose");
}

void Write(const std::vector<float>& values, capnp::Data::Builder wire) {
  std::memcpy(wire.begin(), values.data(), wire.size());
}

absl::StatusOr<std::vector<float>> ReadFloats(capnp::Data::Reader wire) {
  if (wire.size() % sizeof(float) != 0 || wire.size() > kMaxStateFloats * sizeof(float)) {
    return absl::InvalidArgumentError("a state's vector has an impossible size");
  }
  std::vector<float> values(wire.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), wire.begin(), wire.size());
  return values;
}

}  // namespace actors
