// The last resort: an exception that escapes an actor's code ends here and fails that actor alone.
#ifndef RONDO_RUNTIME_ACTOR_GUARD_H_
#define RONDO_RUNTIME_ACTOR_GUARD_H_

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

namespace runtime {

// What `run` returns; kInternal with the exception's text if it throws.
absl::Status RunGuarded(absl::FunctionRef<absl::Status()> run);

}  // namespace runtime

#endif  // RONDO_RUNTIME_ACTOR_GUARD_H_
