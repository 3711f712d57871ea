// A plain copy of bytes over TCP, from host to host of an emulated network: what a transfer of ours
// is measured against.
#ifndef RONDO_TESTS_TOOLS_TCP_COPY_H_
#define RONDO_TESTS_TOOLS_TCP_COPY_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>

#include "tests/tools/net_emulator.h"

namespace tests {

// Seconds from the first call of connect to the last byte. Fails if a socket does, or stands still
// for a minute.
absl::StatusOr<double> CopySeconds(const NetEmulator& network, std::size_t from, std::size_t to,
                                   std::uint64_t bytes);

}  // namespace tests

#endif  // RONDO_TESTS_TOOLS_TCP_COPY_H_
