// Tests on an emulated network need root and TUN devices, which not every machine gives.
#ifndef RONDO_TESTS_SUPPORT_ROOT_NETWORK_H_
#define RONDO_TESTS_SUPPORT_ROOT_NETWORK_H_

#include <gtest/gtest.h>

#include "tests/tools/net_emulator.h"

// `NEEDS_ROOT_NETWORK();` at the top of a TEST leaves the test out, with the reason, where
// namespaces and TUN devices cannot be had; deploy/test names every test that was left out.
#define NEEDS_ROOT_NETWORK()                                                                      \
  if (const absl::Status can_emulate = ::tests::NetEmulator::Check(); !can_emulate.ok()) {        \
    GTEST_SKIP() << "needs root, network namespaces and /dev/net/tun: " << can_emulate.message(); \
  }                                                                                               \
  static_assert(true)

#endif  // RONDO_TESTS_SUPPORT_ROOT_NETWORK_H_
