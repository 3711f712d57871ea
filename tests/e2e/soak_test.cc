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

TEST(Soak, KillsAndJoinsLeaveNoGapAndNothingBehind) {
  const char* const text = std::getenv("RONDO_SOAK_SECONDS");
  const double duration = text == nullptr ? 600 : std::atof(text);
  Sandbox sandbox;
  Cluster cluster(sandbox, 2);
  std::vector<std::string> settings = Endless(2);
  settings.insert(settings.end(), {"strategy.max_interval=20", "run.min_workers=1"});
  const auto follower = cluster.StartEndless(WriteQuadratic(sandbox), settings);
  const std::string folder = OnlyRunFolder(cluster.runs());
  const pid_t head = cluster.head().pid();
  const std::size_t descriptors = Descriptors(head);
  std::vector<std::size_t> machines = {0, 1};
  std::size_t next = 2;
  runtime::SeededRandom random(20241127);
  std::vector<Sample> samples;
  int kills = 0, joins = 0;
  std::size_t seen = 0;
  const auto begin = steady_clock::now();
  const auto seconds = [&] { return runtime::ToSeconds(steady_clock::now() - begin); };
  while (seconds() < duration) {
    const double until = seconds() + 0.5 + 1.5 * random.Fraction();
    (void)Eventually([&] { return seconds() >= until; });
    const bool join = machines.size() <= 2 || (machines.size() < 8 && random.Below(2) == 0);
    if (join) {
      cluster.Join();
      machines.push_back(next++);
      ++joins;
    } else {
      const std::size_t victim = random.Below(machines.size());
      cluster.join(machines[victim]).Signal(SIGKILL);
      (void)cluster.join(machines[victim]).WaitExit();
      machines.erase(machines.begin() + static_cast<std::ptrdiff_t>(victim));
      ++kills;
    }
    if (seconds() > std::min(120.0, duration / 3)) {
      samples.push_back({seconds(), ResidentMebibytes(head)});
    }
    // What a gap waits for, while it lasts.
    const std::size_t now = EventsOf(folder, "sync").size();
    if (now == seen) std::cout << seconds() << " s: " << cluster.Status() << std::endl;
    seen = now;
    ASSERT_TRUE(cluster.head().WaitExit(std::chrono::milliseconds(0)) == std::nullopt)
        << cluster.head().Describe();
  }
  // Back to two machines, as in the beginning.
  while (machines.size() > 2) {
    cluster.join(machines.back()).Signal(SIGKILL);
    machines.pop_back();
  }
  const std::size_t syncs = EventsOf(folder, "sync").size();
  ASSERT_TRUE(Eventually([&] { return EventsOf(folder, "sync").size() >= syncs + 5; }))
      << cluster.Status().dump();
  EXPECT_TRUE(Eventually([&] { return Descriptors(head) <= descriptors + 4; }))
      << Descriptors(head) << " descriptors, " << descriptors << " in the beginning";
  double before = 0, gap = 0, gap_begin = 0;
  const auto events = EventsOf(folder, "sync");
  for (const auto& sync : events) {
    const double at = sync.value("t", 0.0);
    if (before > 0 && at - before > gap) {
      gap = at - before;
      gap_begin = before;
    }
    before = at;
  }
  for (const char* kind : {"join", "death", "leave", "abort", "rollback"}) {
    for (const auto& event : EventsOf(folder, kind)) {
      const double at = event.value("t", 0.0);
      if (gap > 5 && at >= gap_begin && at <= gap_begin + gap) std::cout << event << "\n";
    }
  }
  std::cout << duration << " s: " << kills << " machines killed, " << joins << " joined, "
            << events.size() << " synchronizations, " << EventsOf(folder, "abort").size()
            << " aborts, " << EventsOf(folder, "rollback").size() << " rollbacks; longest gap "
            << gap << " s at " << gap_begin << "; head "
            << (samples.empty() ? 0 : samples.back().mebibytes) << " MiB resident, "
            << SlopePerMinute(samples) << " MiB/min, " << descriptors << " descriptors before, "
            << Descriptors(head) << " after\n";
  EXPECT_LT(gap, 10);
  if (duration >= 300) {
    EXPECT_LT(SlopePerMinute(samples), 1);
  }
  const auto stop = sandbox.Run({"rondo", "stop", "--head", cluster.address(), "--json"});
  EXPECT_EQ(stop->WaitExit(), 0) << stop->Describe();
  EXPECT_EQ(LastEvent(folder)["result"].value("replicas_equal", false), true);
}

}  // namespace
}  // namespace tests
