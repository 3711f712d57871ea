// A whole cluster on a simulated network: one thread, one seed, virtual time.
//
//   SimCluster cluster(seed);
//   Node& head = cluster.AddHead();
//   ASSERT_OK(head.Spawn("counter", ...));
//   Node& worker = cluster.AddNode("worker-0");
//   cluster.Start();
//   EXPECT_TRUE(cluster.RunUntil([&] { return worker.IsJoined(); }, std::chrono::seconds(5)));
#ifndef RONDO_TESTS_SUPPORT_SIM_CLUSTER_H_
#define RONDO_TESTS_SUPPORT_SIM_CLUSTER_H_

#include <absl/functional/any_invocable.h>
#include <absl/functional/function_ref.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/actor/node.h"
#include "runtime/sim/scheduler.h"
#include "runtime/sim/sim_network.h"

namespace tests {

class SimCluster {
 public:
  using Adjust = absl::AnyInvocable<void(runtime::NodeOptions&)>;

  explicit SimCluster(std::uint64_t seed, const runtime::sim::SimNetwork::Options& options = {});
  ~SimCluster();

  // Not started yet; `adjust` may change the options it is made with. The head comes first.
  runtime::Node& AddHead(Adjust adjust = nullptr);
  runtime::Node& AddNode(const std::string& name, Adjust adjust = nullptr);
  // Starts those that were not, in the order in which they were added.
  void Start();
  // As by SIGKILL: the peers see a closed connection, nobody says goodbye. The node is destroyed.
  void Kill(runtime::Node& node);
  // An ordered stop. The node stays, stopped.
  void Stop(runtime::Node& node);

  // Lets time pass until `done`, asked after every event; false if it is not within `limit`.
  bool RunUntil(absl::FunctionRef<bool()> done, runtime::Duration limit);
  // Lets `duration` pass.
  void RunFor(runtime::Duration duration);

  runtime::sim::Scheduler& scheduler() { return scheduler_; }
  runtime::sim::SimNetwork& network() { return network_; }
  runtime::Time Now() const { return scheduler_.Now(); }

 private:
  struct Member {
    std::unique_ptr<runtime::Transport> transport;
    std::unique_ptr<runtime::Node> node;
    bool started = false;
  };

  runtime::Node& Add(runtime::NodeOptions options, Adjust adjust);
  // One event of the scheduler or one timer of a node, and all that follows from it at that moment.
  // False: nothing is due until `end`.
  bool RunOne(runtime::Time end);
  void RunReadyNodes();

  runtime::sim::Scheduler scheduler_;
  runtime::sim::SimNetwork network_;
  std::vector<Member> members_;
};

}  // namespace tests

#endif  // RONDO_TESTS_SUPPORT_SIM_CLUSTER_H_
