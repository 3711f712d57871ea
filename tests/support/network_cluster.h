// A cluster on an emulated network: the head is on host 0, each machine on a host of its own.
#ifndef RONDO_TESTS_SUPPORT_NETWORK_CLUSTER_H_
#define RONDO_TESTS_SUPPORT_NETWORK_CLUSTER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/processes.h"
#include "tests/tools/net_emulator.h"

namespace tests {

class NetworkCluster {
 public:
  // Both outlive it. Starts the head.
  NetworkCluster(Sandbox& sandbox, NetEmulator& network);

  // `rondo join` on that host, with one worker.
  Process& Join(std::size_t host);
  // Until so many workers have joined.
  bool WaitForWorkers(std::size_t count) const;
  // A run of the quadratic trainer, or of what `config` says, that is followed by a `rondo run` on
  // the head's host; returns when it has taken steps.
  std::unique_ptr<Process> Run(const std::vector<std::string>& settings, std::string config = "");
  // `rondo stop`, until the run has ended; false if it did not end well.
  bool StopRun();
  // Ends all in order.
  void Stop();

  Process& head() { return *head_; }
  nlohmann::json Status() const;
  // Of the only run.
  std::string folder() const;
  // The host of the member with that slot in the present run.
  std::size_t HostOf(std::uint32_t slot) const;
  // The process of that member.
  pid_t ProcessOf(std::uint32_t slot) const;

 private:
  Sandbox& sandbox_;
  NetEmulator& network_;
  std::string address_;
  std::unique_ptr<Process> head_;
  std::map<std::size_t, std::unique_ptr<Process>> joins_;  // By host.
};

}  // namespace tests

#endif  // RONDO_TESTS_SUPPORT_NETWORK_CLUSTER_H_
