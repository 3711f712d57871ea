// The ring of a round: its order, how long it is waited for, which edge of it is to blame, and what
// is told of it when it is committed.
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "actors/round.h"
#include "runtime/base/require.h"
#include "runtime/collective/ring.h"
#include "runtime/collective/ring_order.h"

namespace actors {
namespace {

using runtime::Time;

// protocol.md 6, L3: later rings than the first are predicted from the usual.
constexpr double kRingFactor = 3;
constexpr double kRingSeconds = 2;
// So often an edge may fail before the ring is led another way.
constexpr int kFailuresOfAnEdge = 2;

std::vector<runtime::RingEndpoint> EndpointsOf(const std::vector<Member>& members) {
  std::vector<runtime::RingEndpoint> endpoints;
  endpoints.reserve(members.size());
  for (const Member& member : members) endpoints.push_back(member.endpoint);
  return endpoints;
}

}  // namespace

void Round::PlaceOnRing() {
  broken_edges_.clear();
  no_ring_ = absl::OkStatus();
  ring_order_.resize(members_.size());
  std::iota(ring_order_.begin(), ring_order_.end(), 0);
  if (members_.empty()) return;
  auto order = runtime::OrderRing(EndpointsOf(members_), options_.transport);
  if (order.has_value()) {
    ring_order_ = *std::move(order);
    return;
  }
  std::string names;
  for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
    if (!members_[rank].endpoint.tcp.empty()) continue;
    absl::StrAppend(&names, names.empty() ? "" : ", ", Name(rank));
  }
  no_ring_ = runtime::MakeError(
      "NO_RING", runtime::Exit::kTimedOut,
      absl::StrCat("the ", members_.size(), " workers form no ring: nobody can connect to ", names,
                   ", and two of these would be neighbours"),
      "give them an address and ports that are open: rondo join --advertise HOST --port-range A-B; "
      "if they reach each other and only the head does not reach them: rondo head "
      "--no-connect-back");
}

bool Round::HasPlaceFor(const std::vector<Member>& newcomers) const {
  if (lacks_workers()) return true;
  std::vector<runtime::RingEndpoint> endpoints = EndpointsOf(members_);
  for (const Member& newcomer : newcomers) endpoints.push_back(newcomer.endpoint);
  return runtime::OrderRing(endpoints, options_.transport).has_value();
}

runtime::Duration Round::LongestStandstill() const {
  return runtime::LongestStandstill(
      std::min<std::uint64_t>(options_.chunk_bytes, options_.model_floats * sizeof(float)));
}

void Round::BeginRing(RingPurpose purpose, Time now, RoundActions& actions) {
  phase_ = Phase::kRinging;
  started_at_ = now;
  flows_.assign(members_.size(), Flow{});
  for (Done& done : done_) done.root = {};  // Of an earlier ring, as what stands beside it.
  const runtime::Duration predicted =
      usual_ring_seconds_ > 0
          ? runtime::FromSeconds(kRingFactor * usual_ring_seconds_ + kRingSeconds)
          : runtime::LongestCarriage(options_.model_floats);
  deadline_ = now + std::max(predicted, LongestStandstill());
  std::vector<Member> ring;
  for (const std::uint32_t rank : ring_order_) {
    ring.push_back(members_[rank]);
    ring.back().weight = RingWeight(rank);
  }
  SendToAll(Start{.purpose = purpose, .members = std::move(ring)}, actions);
}

void Round::OnStatus(std::uint32_t rank, const MemberStatus& status, Time now) {
  REQUIRE(rank < members_.size());
  if (const auto pace = step_counts_.find(members_[rank].node); pace != step_counts_.end()) {
    pace->second.step_seconds = status.step_seconds;
    CountSteps(rank, status.step, /*in_view=*/false);
  }
  if (phase_ != Phase::kRinging || status.fence != fence_) return;
  const Flow before = flows_[rank];
  flows_[rank] = {.received = std::max(before.received, status.ring_received),
                  .for_next = std::max(before.for_next, status.ring_for_next)};
  if (flows_[rank] != before) deadline_ = std::max(*deadline_, now + LongestStandstill());
}

RoundActions Round::OnRingTimeout(Time now) {
  std::string silent;
  for (const Edge& edge : SilentEdges()) {
    NoteBrokenEdge(edge);
    absl::StrAppend(&silent, "; nothing comes from slot ", members_[edge.from].slot, " to slot ",
                    members_[edge.to].slot);
  }
  return Retry(
      runtime::MakeError(
          "RING_TIMEOUT", runtime::Exit::kRunFailed,
          absl::StrCat("the ring of round ", Number(fence_.round), " took longer than ",
                       runtime::ToSeconds(now - started_at_), " s; missing: ", WaitsFor(), silent)),
      now);
}

// --------------------------------------------------------------------------------- its edges ----

std::vector<Round::Edge> Round::RingEdges(const std::vector<std::uint32_t>& order) const {
  std::vector<Edge> edges;
  for (std::size_t place = 0; place < order.size(); ++place) {
    edges.push_back({.from = order[place], .to = order[(place + 1) % order.size()]});
  }
  return edges;
}

// A chunk that is wrong is noticed where it arrives; a connection that is gone, where it began.
Round::Edge Round::EdgeThatFailed(std::uint32_t rank, const struct Fail& fail) const {
  const std::vector<Edge> edges = RingEdges(ring_order_);
  const Edge outgoing = *std::ranges::find(edges, rank, &Edge::from);
  const Edge incoming = *std::ranges::find(edges, rank, &Edge::to);
  if (fail.code == kRingCorrupt) return incoming;
  const auto opener = [this](const Edge& edge) {
    return runtime::OpenerOf(members_[edge.from].endpoint, members_[edge.to].endpoint,
                             options_.transport);
  };
  return opener(outgoing) != runtime::EdgeOpener::kPrevious &&
                 opener(incoming) == runtime::EdgeOpener::kNext
             ? incoming
             : outgoing;
}

std::vector<Round::Edge> Round::SilentEdges() const {
  std::vector<Edge> silent;
  for (const Edge& edge : RingEdges(ring_order_)) {
    // Who is DONE has given away all that it had, as far as it knows.
    const bool something_is_there =
        have_[edge.from] || flows_[edge.from].for_next > flows_[edge.to].received;
    if (!have_[edge.to] && something_is_there) silent.push_back(edge);
  }
  return silent;
}

int Round::DistrustOf(const std::vector<std::uint32_t>& order) const {
  int distrust = 0;
  for (const Edge& edge : RingEdges(order)) {
    for (const auto& [broken, failures] : broken_edges_) {
      if (failures < kFailuresOfAnEdge) continue;
      if (edge == broken) distrust += 2;
      // The other way round another end opens the connection, which may work.
      if (edge == Edge{.from = broken.to, .to = broken.from}) distrust += 1;
    }
  }
  return distrust;
}

// After its second failure the member at its end gets another place, before anyone is suspected.
void Round::NoteBrokenEdge(Edge edge) {
  if (++broken_edges_[edge] < kFailuresOfAnEdge) return;
  std::vector<std::uint32_t> others = ring_order_;
  std::erase(others, edge.to);
  const std::vector<runtime::RingEndpoint> endpoints = EndpointsOf(members_);
  int least = DistrustOf(ring_order_);
  for (std::size_t place = 0; place <= others.size(); ++place) {
    std::vector<std::uint32_t> order = others;
    order.insert(order.begin() + static_cast<std::ptrdiff_t>(place), edge.to);
    for (int direction = 0; direction < 2; ++direction) {
      const int distrust = DistrustOf(order);
      if (distrust < least && runtime::IsRing(order, endpoints, options_.transport)) {
        least = distrust;
        ring_order_ = order;
      }
      std::ranges::reverse(order);
    }
  }
}

bool Round::AnyoneTrained() const {
  for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
    if (ready_[rank].weight > 0 && !ready_[rank].rests && !left_out_[rank]) return true;
  }
  return false;
}

// If the drift of all who were drawn is no number, the mean is the base that the others still have.
float Round::RingWeight(std::uint32_t rank) const {
  const bool adds =
      ready_[rank].weight > 0 && !left_out_[rank] && (!ready_[rank].rests || !AnyoneTrained());
  return adds ? members_[rank].weight : 0;
}

Synchronized Round::EventOfCommit(Time now) {
  Synchronized event{.round = Number(fence_.round) + 1,
                     .step = step_,
                     .variance_estimate = variance_estimate_,
                     .prepare_seconds = runtime::ToSeconds(started_at_ - decided_at_),
                     .root = root_,
                     .drifts = std::exchange(drifts_, {})};
  committed_ = {.steps = step_ - synchronized_step_};
  // 0: a poll that not all answered, of which nobody knows.
  if (overlaps_ && variance_estimate_.value_or(0) > 0) committed_.variance = variance_estimate_;
  event.variance_added = std::exchange(variance_added_, std::nullopt);
  for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
    committed_.weights[members_[rank].node] = RingWeight(rank);
    if (RingWeight(rank) > 0) {
      ++event.contributors;
      event.loss += ready_[rank].loss;
    } else if (ready_[rank].weight > 0 && left_out_[rank]) {
      event.left_out.push_back(members_[rank].node);
    } else if (ready_[rank].weight == 0) {
      event.reset.push_back(members_[rank].node);
    }
    event.predictions += ready_[rank].predictions;
    event.ring_seconds = std::max(event.ring_seconds, done_[rank].seconds);
    event.sent += done_[rank].sent;
  }
  event.loss /= std::max(1U, event.contributors);
  event.control_seconds = runtime::ToSeconds(now - decided_at_) - event.ring_seconds;
  return event;
}

}  // namespace actors
