#include "runtime/base/failpoint.h"

#ifdef RONDO_FAILPOINTS
#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

namespace runtime {
namespace {

struct Plan {
  std::string name;
  int hits = 0;
  int signal = SIGKILL;
  std::string once;
  double delay = 0;  // Seconds; above 0: instead of the signal.
};

Plan ReadPlan() {
  const char* const text = std::getenv("RONDO_FAILPOINT");
  if (text == nullptr) return {};
  const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 3));
  Plan plan;
  if (parts.size() != 4 || !absl::SimpleAtoi(parts[1], &plan.hits) || plan.hits < 1) return {};
  plan.name = parts[0];
  plan.signal = parts[2] == "stop" ? SIGSTOP : SIGKILL;
  plan.once = parts[3];
  const bool delays = parts[2] == "delay" && absl::SimpleAtod(parts[3], &plan.delay);
  return parts[2] == "delay" && !(delays && plan.delay > 0 && plan.delay < 60) ? Plan{} : plan;
}

void Stay(double seconds) {
  const auto whole = static_cast<time_t>(seconds);
  const timespec time{.tv_sec = whole,
                      .tv_nsec = static_cast<long>(1e9 * (seconds - static_cast<double>(whole)))};
  ppoll(nullptr, 0, &time, nullptr);  // To be late is what it is for.
}

}  // namespace

void HitFailpoint(const char* name) {
  static const Plan plan = ReadPlan();
  static std::atomic<int> hits{0};
  if (plan.hits == 0 || plan.name != name) return;
  const int hit = hits.fetch_add(1) + 1;
  if (plan.delay > 0 && hit >= plan.hits) return Stay(plan.delay);
  if (hit != plan.hits) return;
  const int once = open(plan.once.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
  if (once < 0) return;
  close(once);
  kill(getpid(), plan.signal);
}

}  // namespace runtime
#endif
