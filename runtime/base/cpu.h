// Which instruction sets this machine offers, for code that is compiled once per set.
#ifndef RONDO_RUNTIME_BASE_CPU_H_
#define RONDO_RUNTIME_BASE_CPU_H_

#include <vector>

namespace runtime {

// The x86-64 psABI levels that kernels are compiled for. A level contains those before it. On
// another architecture only kBaseline exists.
enum class CpuLevel { kBaseline, kV3, kV4 };

// The levels this machine and its operating system can run, ascending; never empty.
std::vector<CpuLevel> SupportedCpuLevels();

}  // namespace runtime

#endif  // RONDO_RUNTIME_BASE_CPU_H_
