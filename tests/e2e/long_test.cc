// What takes more than a minute.
#include <gtest/gtest.h>

#include "tests/support/cluster.h"

namespace tests {
namespace {

TEST(EmbeddedRunsForLong, LeaveNothingBehindFiftyTimesInARow) { ExpectRunsLeaveNothing(50); }

}  // namespace
}  // namespace tests
