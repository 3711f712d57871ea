#include "runtime/base/failpoint.h"

#ifdef RONDO_FAILPOINTS
#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

namespace runtime {
namespace {

struct Plan {
  std::string name;
  int hits = 0;
  int signal = SIGKILL;
  std::string once;
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
  return plan;
}

}  // namespace

void HitFailpoint(const char* name) {
  static const Plan kPlan = ReadPlan();
  static std::atomic<int> hits{0};
  if (kPlan.hits == 0 || kPlan.name != name) return;
  if (hits.fetch_add(1) + 1 != kPlan.hits) return;
  const int once = open(kPlan.once.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
  if (once < 0) return;
  close(once);
  kill(getpid(), kPlan.signal);
}

}  // namespace runtime
#endif
