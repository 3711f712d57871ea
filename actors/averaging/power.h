// A power with the same bits on every machine.
#ifndef RONDO_ACTORS_AVERAGING_POWER_H_
#define RONDO_ACTORS_AVERAGING_POWER_H_

#include <cstdint>

namespace actors {

// By squaring: pow() is not rounded alike everywhere.
inline double Power(double base, std::uint64_t exponent) {
  double power = 1;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) power *= base;
    base *= base;
  }
  return power;
}

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_POWER_H_
