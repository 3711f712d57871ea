#include "runtime/actor/supervisor.h"

#include <algorithm>

namespace runtime {

std::optional<Duration> Supervisor::OnFailure(Time now) {
  while (!recent_.empty() && now - recent_.front() >= policy_.window) recent_.pop_front();
  if (recent_.size() >= policy_.max_restarts) return std::nullopt;
  Duration backoff = policy_.first_backoff;
  for (std::size_t i = 0; i < recent_.size() && backoff < kLongestBackoff; ++i) backoff *= 2;
  recent_.push_back(now);
  ++restarts_;
  return std::min(backoff, kLongestBackoff);
}

}  // namespace runtime
