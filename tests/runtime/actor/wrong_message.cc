// Must compile with RONDO_WRONG=0 and must not with RONDO_WRONG=1: a counter does not accept an
// Unknown.
#include "tests/support/counting.h"

absl::Status Send(runtime::Context& context, const tests::CounterRef& counter) {
#if RONDO_WRONG
  return context.Tell(counter, tests::Unknown{});
#else
  return context.Tell(counter, tests::Count{});
#endif
}
