// The ring of a view: its order, which changes when an edge breaks twice, and START.
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "actors/round.h"
#include "runtime/base/error.h"
#include "runtime/collective/ring_order.h"

namespace actors {
namespace {

using runtime::Time;

// protocol.md 6, L3: later rings than the first are predicted from the usual.
constexpr double kRingFactor = 3;
constexpr double kRingSeconds = 2;

std::vector<runtime::RingEndpoint> EndpointsOf(const std::vector<Member>& members) {
  std::vector<runtime::RingEndpoint> endpoints;
  for (const Member& member : members) endpoints.push_back(member.endpoint);
  return endpoints;
}

}  // namespace

void Round::PlaceOnRing() {
  broken_edge_.reset();
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
      "give them an address and ports that are open: rondo join --advertise HOST --port-range A-B");
}

void Round::BeginRing(RingPurpose purpose, Time now, RoundActions& actions) {
  phase_ = Phase::kRinging;
  started_at_ = now;
  deadline_ = now + (usual_ring_seconds_ > 0
                         ? runtime::FromSeconds(kRingFactor * usual_ring_seconds_ + kRingSeconds)
                         : runtime::LongestCarriage(options_.model_floats));
  std::vector<Member> ring;
  for (const std::uint32_t rank : ring_order_) {
    ring.push_back(members_[rank]);
    ring.back().weight = RingWeight(rank);
  }
  SendToAll(Start{.purpose = purpose, .members = std::move(ring)}, actions);
}

bool Round::HasPlaceFor(const std::vector<Member>& newcomers) const {
  if (lacks_workers()) return true;
  std::vector<runtime::RingEndpoint> endpoints = EndpointsOf(members_);
  for (const Member& newcomer : newcomers) endpoints.push_back(newcomer.endpoint);
  return runtime::OrderRing(endpoints, options_.transport).has_value();
}

// The same member lost its predecessor twice: it gets another one, before anyone is suspected.
void Round::NoteBrokenEdge(std::uint32_t to) {
  const std::size_t world_size = members_.size();
  if (broken_edge_ == to && world_size >= 3) {
    const auto place =
        static_cast<std::size_t>(std::ranges::find(ring_order_, to) - ring_order_.begin());
    // With next and previous in turn: of four members each has but one that is not its neighbour.
    const std::size_t next = (place + 1) % world_size;
    const std::size_t previous = (place + world_size - 1) % world_size;
    const bool odd = failed_attempts_ % 2 == 1;
    const std::vector<runtime::RingEndpoint> endpoints = EndpointsOf(members_);
    for (const std::size_t other : {odd ? next : previous, odd ? previous : next}) {
      std::vector<std::uint32_t> order = ring_order_;
      std::swap(order[place], order[other]);
      if (!runtime::IsRing(order, endpoints, options_.transport)) continue;
      ring_order_ = std::move(order);
      break;
    }
  }
  broken_edge_ = to;
}

}  // namespace actors
