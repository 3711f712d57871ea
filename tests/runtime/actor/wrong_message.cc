// Must not compile with RONDO_WRONG defined, and must compile without: a counter does not accept an
// Unknown.
#include "tests/support/counting.h"

absl::Status Send(runtime::Context& context, const tests::CounterRef& counter) {
#ifdef RONDO_WRONG
  return context.Tell(counter, tests::Unknown{});
#else
  return context.Tell(counter, tests::Count{});
#endif
}
