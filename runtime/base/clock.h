// The only source of time. Steady, never sent over the wire; the simulator replaces it.
#ifndef RONDO_RUNTIME_BASE_CLOCK_H_
#define RONDO_RUNTIME_BASE_CLOCK_H_

#include <chrono>

namespace runtime {

using Duration = std::chrono::nanoseconds;
using Time = std::chrono::time_point<std::chrono::steady_clock, Duration>;

class Clock {
 public:
  virtual ~Clock() = default;
  // Any thread.
  virtual Time Now() const = 0;
};

class SteadyClock final : public Clock {
 public:
  Time Now() const override { return std::chrono::steady_clock::now(); }
};

// Seconds as a double, for reports and options only.
inline double ToSeconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}
inline Duration FromSeconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace runtime

#endif  // RONDO_RUNTIME_BASE_CLOCK_H_
