// What a process holds, as the system and as malloc count it.
#ifndef RONDO_TESTS_SUPPORT_MEMORY_H_
#define RONDO_TESTS_SUPPORT_MEMORY_H_

#include <malloc.h>

#include <cstdint>
#include <fstream>
#include <string>

namespace tests {

// `key` is a line of /proc/PROCESS/status in kB: VmRSS is resident now, VmHWM was at most.
inline std::int64_t StatusBytes(const std::string& key, const std::string& process = "self") {
  std::ifstream status("/proc/" + process + "/status");
  std::string word;
  std::int64_t kilobytes = 0;
  while (status >> word) {
    if (word == key + ":" && status >> kilobytes) return kilobytes * 1024;
  }
  return -1;
}

// From now on VmHWM is what was resident at most since now.
inline void ForgetPeak(const std::string& process = "self") {
  std::ofstream("/proc/" + process + "/clear_refs") << "5";
}

// Bytes that were allocated and not freed, whoever asked: also by operator new and by libzmq.
inline std::int64_t AllocatedBytes() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<std::int64_t>(info.uordblks + info.hblkhd);
}

}  // namespace tests

#endif  // RONDO_TESTS_SUPPORT_MEMORY_H_
