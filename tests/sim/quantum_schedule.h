// One seed's history of the two halves of the policy `quantum`, without actors: members that step
// at their own pace, a monitor, messages that take their time, synchronizations that pass members
// over, joins and deaths. After every event the true variance is compared with what the policy
// promises (bound_checker.h).
#ifndef RONDO_TESTS_SIM_QUANTUM_SCHEDULE_H_
#define RONDO_TESTS_SIM_QUANTUM_SCHEDULE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "actors/averaging/estimator.h"
#include "actors/averaging/quantum_monitor.h"
#include "actors/averaging/quantum_worker.h"
#include "runtime/base/random.h"
#include "tests/sim/bound_checker.h"
#include "tests/sim/drift_motion.h"

namespace tests {

// What is wrong with the policy; the checker must find it.
enum class Mutant {
  kNone,
  kWatchesTheNorm,    // Workers watch ‖u‖² instead of phi.
  kSilentAtTheMarks,  // Who is past a mark as it comes waits for the next one.
  kHearsVoidReports,  // Reports of an older poll count.
};

struct ScheduleOptions {
  std::uint64_t seed = 1;
  Mutant mutant = Mutant::kNone;
  Motion motion = Motion::kDiffusion;
  actors::EstimatorKind estimator = actors::EstimatorKind::kLinear;
  int members = 5;
  std::size_t dimension = 8;
  double theta = 1;
  double step_length = 0.1;
  std::uint64_t fastest = 10;       // Ticks of a step of the fastest member.
  double spread = 1;                // The slowest member's steps are as many times as long.
  double jitter = 0;                // Each step is up to so much longer, as a share.
  std::uint64_t longest_delay = 0;  // Ticks of a message.
  std::uint64_t poll_timeout = 1'000'000;
  std::uint64_t ready_timeout = 1'000'000;
  bool overlap = false;         // Members train on while the ring runs, and keep what they train.
  std::uint64_t ring_time = 0;  // Ticks, with overlap.
  bool uneven_weights = false;
  int comings_and_goings = 0;  // Joins and deaths, half of each.
  std::uint64_t steps = 400;   // Of all members together.
};

// Everything drawn from the seed.
ScheduleOptions DrawSchedule(std::uint64_t seed);

struct Outcome {
  std::string violation;  // Empty: none.
  std::uint64_t steps = 0;
  std::uint64_t synchronizations = 0;
  std::uint64_t passed_over = 0;
  std::uint64_t views = 0;
  std::uint64_t late_polls = 0;
  std::uint64_t kept = 0;  // Members that kept some drift through a commit.
  std::uint64_t dropped = 0;
  std::vector<double> messages;  // State and decision, both ways, per member: of each round.
  double margin = 0;             // The largest, in thetas.
  double variance = 0;           // The largest, as a share of theta and the margin of its instant.
};

// The synchronizations of the same motions in lockstep.
std::uint64_t SynchronizationsInLockstep(const ScheduleOptions& options);

class QuantumSchedule {
 public:
  explicit QuantumSchedule(const ScheduleOptions& options);

  Outcome Run();

 private:
  struct Worker {
    actors::QuantumWorker half;
    DriftMotion motion;
    float weight = 1;
    std::uint64_t step_ticks = 10;
    std::uint64_t busy_until = 0;  // Links to workers keep their order.
    actors::XiId xi_id;
    bool alive = true;
    bool stopped = false;
    int asked_to_stop = 0;    // The attempt at a synchronization.
    std::vector<float> mark;  // Its drift as the ring has it; overlap, until it has its COMMIT.
    std::uint64_t last_report = 0;
  };

  void At(std::uint64_t delay, std::function<void()> event);
  std::uint64_t Delay() { return random_.Below(options_.longest_delay + 1); }
  void Check();

  void AddWorker();
  void ChangeView();
  void ComeOrGo();

  actors::LocalState StateOf(int id);
  void TakeStep(int id);
  void ScheduleStep(int id);
  void ToWorker(int id, std::function<void(Worker&)> deliver);
  void Say(int id, std::optional<actors::QuantumReport> report);
  void OnPoll(int id, const actors::QuantumPoll& poll);
  void OnQuanta(int id, actors::Quanta quanta);
  void OnCommit(int id, const actors::Quanta& quanta, actors::XiId xi_id);
  void Resume(int id);

  void OnReport(int id, actors::QuantumReport report);
  void Apply(const actors::QuantumMove& move);
  void StartPoll(const actors::QuantumPoll& poll);
  void Publish(const actors::Quanta& quanta);
  void Synchronize();
  void OnReady(int id, int attempt);
  void OnReadyDeadline(int attempt);
  void RunRing();
  void Commit();

  ScheduleOptions options_;
  runtime::SeededRandom random_;
  actors::QuantumMonitor monitor_;
  std::unique_ptr<actors::Summarizer> summarizer_;
  BoundChecker checker_;
  Outcome outcome_;

  struct Event {
    std::uint64_t at, order;
    std::function<void()> run;
    bool operator<(const Event& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  std::priority_queue<Event> events_;
  std::uint64_t now_ = 0, order_ = 0;

  std::map<int, Worker> workers_;
  std::vector<int> view_;    // Ids by slot.
  actors::PollId poll_ = 0;  // Of the last marks; 0 while a view opens.
  bool polling_ = false;
  bool synchronizing_ = false;
  bool ringing_ = false;
  int attempt_ = 0;
  std::set<int> ready_;
  std::uint64_t round_ = 0;
  std::vector<float> xi_;
  std::uint64_t messages_ = 0;
};

}  // namespace tests

#endif  // RONDO_TESTS_SIM_QUANTUM_SCHEDULE_H_
