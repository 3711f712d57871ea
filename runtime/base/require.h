// REQUIRE states what only our own bug can break; it ends the process with the place and the
// condition. Never REQUIRE what came from the wire, a file, a flag or floating-point luck.
#ifndef RONDO_RUNTIME_BASE_REQUIRE_H_
#define RONDO_RUNTIME_BASE_REQUIRE_H_

#include <cstdio>
#include <cstdlib>

namespace runtime {

[[noreturn]] inline void RequireFailed(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, condition);
  std::fflush(stderr);
  std::abort();
}

}  // namespace runtime

#define REQUIRE(condition)                           \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::runtime::RequireFailed(__FILE__, __LINE__, #condition))

#endif  // RONDO_RUNTIME_BASE_REQUIRE_H_
