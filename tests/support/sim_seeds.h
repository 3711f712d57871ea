// Which seeds a simulation tries, from the environment.
#ifndef RONDO_TESTS_SUPPORT_SIM_SEEDS_H_
#define RONDO_TESTS_SUPPORT_SIM_SEEDS_H_

#include <cstdint>
#include <cstdlib>

namespace tests {

inline std::uint64_t NumberFromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

inline std::uint64_t FirstSeed() { return NumberFromEnvironment("RONDO_SIM_FIRST_SEED", 1); }
inline std::uint64_t Seeds(std::uint64_t otherwise) {
  return NumberFromEnvironment("RONDO_SIM_SEEDS", otherwise);
}

}  // namespace tests

#endif  // RONDO_TESTS_SUPPORT_SIM_SEEDS_H_
