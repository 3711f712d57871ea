// What a sanitizer costs, for bounds on real time and for how often a test tries.
#ifndef RONDO_TESTS_SUPPORT_SLOWNESS_H_
#define RONDO_TESTS_SUPPORT_SLOWNESS_H_

namespace tests {

#ifdef RONDO_SANITIZED
inline constexpr int kSlowness = 5;
#else
inline constexpr int kSlowness = 1;
#endif

}  // namespace tests

#endif  // RONDO_TESTS_SUPPORT_SLOWNESS_H_
