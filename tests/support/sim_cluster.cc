#include "tests/support/sim_cluster.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "runtime/base/require.h"

namespace tests {

using runtime::Duration;
using runtime::Node;
using runtime::NodeId;
using runtime::NodeOptions;
using runtime::Time;

SimCluster::SimCluster(std::uint64_t seed, const runtime::sim::SimNetwork::Options& options)
    : scheduler_(seed), network_(scheduler_, options) {}

SimCluster::~SimCluster() {
  while (!members_.empty()) members_.pop_back();
}

Node& SimCluster::AddHead(Adjust adjust) {
  return Add({.name = "head", .role = "head", .is_head = true}, std::move(adjust));
}

Node& SimCluster::AddNode(const std::string& name, Adjust adjust) {
  return Add({.name = name, .role = "worker"}, std::move(adjust));
}

Node& SimCluster::Add(NodeOptions options, Adjust adjust) {
  options.id = {.high = scheduler_.random().Next() | 1, .low = scheduler_.random().Next()};
  if (adjust) adjust(options);
  Member member;
  member.transport =
      options.is_head ? network_.MakeHead(options.id) : network_.MakeNode(options.id);
  member.node = std::make_unique<Node>(std::move(options), scheduler_.clock(), *member.transport);
  members_.push_back(std::move(member));
  return *members_.back().node;
}

void SimCluster::Start() {
  for (Member& member : members_) {
    if (std::exchange(member.started, true)) continue;
    REQUIRE(member.node->Start().ok());
  }
}

void SimCluster::Kill(Node& node) {
  const auto found = std::find_if(members_.begin(), members_.end(),
                                  [&](const Member& member) { return member.node.get() == &node; });
  REQUIRE(found != members_.end());
  // First the transport: a process that is killed says nothing more.
  found->transport->Stop(Duration::zero());
  found->node.reset();
  members_.erase(found);
}

void SimCluster::Stop(Node& node) { node.Stop(std::chrono::milliseconds(100)); }

void SimCluster::RunReadyNodes() {
  for (bool more = true; more;) {
    more = false;
    for (Member& member : members_) {
      if (member.started && member.node->RunReady()) more = true;
    }
  }
}

bool SimCluster::RunOne(Time end) {
  std::optional<Time> next = scheduler_.NextTime();
  bool scheduled = next.has_value();
  for (const Member& member : members_) {
    if (!member.started) continue;
    const std::optional<Time> timer = member.node->NextTimer();
    if (timer.has_value() && (!next.has_value() || *timer < *next)) {
      next = std::max(*timer, scheduler_.Now());
      scheduled = false;
    }
  }
  if (!next.has_value() || *next > end) return false;
  if (scheduled) {
    scheduler_.RunNext();
  } else {
    scheduler_.AdvanceTo(*next);
  }
  RunReadyNodes();
  return true;
}

bool SimCluster::RunUntil(absl::FunctionRef<bool()> done, Duration limit) {
  const Time end = scheduler_.Now() + limit;
  RunReadyNodes();
  while (!done()) {
    if (!RunOne(end)) {
      scheduler_.AdvanceTo(end);
      return done();
    }
  }
  return true;
}

void SimCluster::RunFor(Duration duration) {
  (void)RunUntil([] { return false; }, duration);
}

}  // namespace tests
