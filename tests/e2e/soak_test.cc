// F47: machines of a run that are killed and started every half to two seconds, for minutes.
// RONDO_SOAK_SECONDS is how long; 600 if unset.
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "runtime/base/random.h"
#include "tests/support/cluster.h"
#include "tests/support/processes.h"

namespace tests {
namespace {

using std::chrono::steady_clock;

struct Sample {
  double seconds = 0;
  double mebibytes = 0;  // Resident, of the head.
};

double ResidentMebibytes(pid_t process) {
  std::ifstream file(absl::StrCat("/proc/", process, "/statm"));
  double pages = 0;
  file >> pages >> pages;
  return pages * 4096 / (1 << 20);
}

std::size_t Descriptors(pid_t process) {
  std::error_code error;
  const std::filesystem::directory_iterator begin(absl::StrCat("/proc/", process, "/fd"), error);
  return static_cast<std::size_t>(std::distance(begin, std::filesystem::directory_iterator()));
}

// Slope of a least-squares line, in MiB a minute.
double SlopePerMinute(const std::vector<Sample>& samples) {
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (const Sample& sample : samples) {
    n += 1;
    x += sample.seconds;
    y += sample.mebibytes;
    xx += sample.seconds * sample.seconds;
    xy += sample.seconds * sample.mebibytes;
  }
  return n < 2 ? 0 : 60 * (n * xy - x * y) / (n * xx - x * x);
}

struct Gap {
  double begin = 0, seconds = 0;
};

// The longest time between two synchronizations; if it is long, tells what happened in it.
Gap LongestGap(const std::string& folder) {
  Gap longest;
  double before = 0;
  for (const auto& sync : EventsOf(folder, "sync")) {
    const double at = sync.value("t", 0.0);
    if (before > 0 && at - before > longest.seconds) longest = {before, at - before};
    before = at;
  }
  for (const char* kind : {"join", "death", "leave", "abort", "rollback"}) {
    for (const auto& event : EventsOf(folder, kind)) {
      const double since = event.value("t", 0.0) - longest.begin;
      if (longest.seconds > 5 && since >= 0 && since <= longest.seconds) std::cout << event << "\n";
    }
  }
  return longest;
}

// Machines with a worker each, of which one is killed or joins every now and then.
class Churn {
 public:
  explicit Churn(Cluster& cluster) : cluster_(cluster) {}

  // Seconds until the next move.
  double Pause() { return 0.5 + 1.5 * random_.Fraction(); }
  void Move() {
    if (machines_.size() <= 2 || (machines_.size() < 8 && random_.Below(2) == 0)) {
      cluster_.Join();
      machines_.push_back(next_++);
      ++joins_;
    } else {
      Kill(random_.Below(machines_.size()));
    }
  }
  void KillDownTo(std::size_t machines) {
    while (machines_.size() > machines) Kill(machines_.size() - 1);
  }
  int kills() const { return kills_; }
  int joins() const { return joins_; }

 private:
  void Kill(std::size_t victim) {
    cluster_.join(machines_[victim]).Signal(SIGKILL);
    (void)cluster_.join(machines_[victim]).WaitExit();
    machines_.erase(machines_.begin() + static_cast<std::ptrdiff_t>(victim));
    ++kills_;
  }

  Cluster& cluster_;
  runtime::SeededRandom random_{20241127};
  std::vector<std::size_t> machines_ = {0, 1};
  std::size_t next_ = 2;
  int kills_ = 0, joins_ = 0;
};

TEST(Soak, KillsAndJoinsLeaveNoGapAndNothingBehind) {
  const char* const text = std::getenv("RONDO_SOAK_SECONDS");
  const double duration = text == nullptr ? 600 : std::atof(text);
  Sandbox sandbox;
  Cluster cluster(sandbox, 2);
  std::vector<std::string> settings = Endless(2);
  settings.insert(settings.end(), {"strategy.max_interval=20", "run.min_workers=1"});
  const auto follower = cluster.StartEndless(WriteQuadratic(sandbox), settings);
  const std::string folder = OnlyRunFolder(cluster.runs());
  const auto syncs = [&] { return EventsOf(folder, "sync").size(); };
  const pid_t head = cluster.head().pid();
  const std::size_t descriptors = Descriptors(head);
  Churn churn(cluster);
  std::vector<Sample> samples;
  const auto begin = steady_clock::now();
  const auto seconds = [&] { return runtime::ToSeconds(steady_clock::now() - begin); };
  // A disk or a machine that hangs stops this test as it stops the run: then the gap says nothing.
  double stall = 0;
  while (seconds() < duration) {
    const double until = seconds() + churn.Pause();
    (void)Eventually([&] { return seconds() >= until; });
    churn.Move();
    if (seconds() > std::min(120.0, duration / 3)) {
      samples.push_back({seconds(), ResidentMebibytes(head)});
    }
    stall = std::max(stall, seconds() - until);
    ASSERT_TRUE(cluster.head().WaitExit(std::chrono::milliseconds(0)) == std::nullopt)
        << cluster.head().Describe();
  }
  churn.KillDownTo(2);  // As in the beginning.
  const std::size_t before = syncs();
  ASSERT_TRUE(Eventually([&] { return syncs() >= before + 5; })) << cluster.Status();
  EXPECT_TRUE(Eventually([&] { return Descriptors(head) <= descriptors + 4; }))
      << Descriptors(head) << " descriptors, " << descriptors << " in the beginning";
  const Gap gap = LongestGap(folder);
  std::cout << duration << " s: " << churn.kills() << " machines killed, " << churn.joins()
            << " joined, " << syncs() << " synchronizations, " << EventsOf(folder, "abort").size()
            << " aborts; longest gap " << gap.seconds << " s at " << gap.begin
            << " s, this test held up for " << stall << " s at most; head "
            << (samples.empty() ? 0 : samples.back().mebibytes) << " MiB, "
            << SlopePerMinute(samples) << " MiB/min, descriptors " << descriptors << " and "
            << Descriptors(head) << "\n";
  EXPECT_LT(stall, 2) << "this machine was too busy to tell";
  EXPECT_LT(gap.seconds, 10);
  if (duration >= 300) {
    EXPECT_LT(SlopePerMinute(samples), 1);
  }
  const auto stop = sandbox.Run({"rondo", "stop", "--head", cluster.address(), "--json"});
  EXPECT_EQ(stop->WaitExit(), 0) << stop->Describe();
  EXPECT_EQ(LastEvent(folder)["result"].value("replicas_equal", false), true);
}

}  // namespace
}  // namespace tests
