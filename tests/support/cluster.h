// Runs and clusters of real processes for end-to-end tests.
#ifndef RONDO_TESTS_SUPPORT_CLUSTER_H_
#define RONDO_TESTS_SUPPORT_CLUSTER_H_

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/processes.h"

namespace tests {

// Writes a config of the quadratic trainer into the sandbox: 2 workers, 100 steps of 1000 floats,
// as fast as they go. Returns its path.
std::string WriteQuadratic(const Sandbox& sandbox);
// The same of LeNet-5 on `source`, "digits" or "mnist", with fda.
std::string WriteLenet(const Sandbox& sandbox, const std::string& source);
// The same of logistic regression, without an end, on MNIST-like data that each of so many nodes
// has for itself; synchronizes after 50 steps.
std::string WriteOwnData(const Sandbox& sandbox, int workers);
// A failpoint, "ring.store:30", as the name of a test: "ring_store".
std::string NameOfFailpoint(const std::string& failpoint);
// "rondo run CONFIG --set KEY=VALUE ...", into the sandbox's folder "runs".
std::vector<std::string> RunCommand(const std::string& config,
                                    const std::vector<std::string>& settings,
                                    const std::vector<std::string>& more = {});
// Settings for a run that lasts until something happens to it.
std::vector<std::string> Endless(int workers);

// The only run's folder under `runs`; "" if there is not exactly one.
std::string OnlyRunFolder(const std::string& runs);
// Steps that the run in `folder` is known to have taken; from its metrics.jsonl.
std::uint64_t StepsOf(const std::string& folder);
// The last event in its metrics.jsonl.
nlohmann::json LastEvent(const std::string& folder);
// The events of one kind, "join", "death", "sync", as far as they are written.
std::vector<nlohmann::json> EventsOf(const std::string& folder, const std::string& kind);
// The floats of a model of the quadratic trainer.
std::vector<float> FloatsOf(const std::string& path);

// One embedded run after another in one sandbox; after each, nothing of it is left.
void ExpectRunsLeaveNothing(int runs);

// `rondo head` and `rondo join`s.
class Cluster {
 public:
  // Returns when `joins` machines have joined, each with `workers` workers.
  Cluster(Sandbox& sandbox, int joins, int workers = 1);

  const std::string& address() const { return address_; }
  Process& head() { return *head_; }
  Process& join(std::size_t i) { return *joins_[i]; }
  // Where the head keeps the runs' folders.
  std::string runs() const { return runs_; }
  // Of `rondo status`, asked as a program would; discarded if the head is silent.
  nlohmann::json Status() const;
  // Starts a run on this cluster and waits until it has taken steps.
  std::unique_ptr<Process> StartEndless(const std::string& config, int workers);
  std::unique_ptr<Process> StartEndless(const std::string& config,
                                        const std::vector<std::string>& settings);
  // One more `rondo join`, started. `failpoint`: the value of RONDO_FAILPOINT for it.
  Process& Join(int workers = 1, const std::string& failpoint = "");
  // The same with more flags: {"--data", DIR}.
  Process& JoinWith(const std::vector<std::string>& flags, const std::string& failpoint = "");
  // Starts another head on the journal of the one that has ended; returns when it is up.
  void ResumeHead(const std::string& failpoint = "");
  // Ends all by ending the head in order. Joins end with `join_exit`: 3 if a run was on.
  void Stop(int join_exit = 0);

 private:
  Sandbox& sandbox_;
  const std::string runs_;
  std::string address_;
  std::unique_ptr<Process> head_;
  std::vector<std::unique_ptr<Process>> joins_;
};

}  // namespace tests

#endif  // RONDO_TESTS_SUPPORT_CLUSTER_H_
