#include "apps/rondo/format.h"

#include <gtest/gtest.h>

namespace apps {
namespace {

TEST(FormatTable, PutsNumbersToTheRightAndWordsToTheLeft) {
  EXPECT_EQ(RenderTable({{"name", "step", "waits for"}, {"a", "7", ""}, {"longer", "1,240", "b"}}),
            "name     step  waits for\n"
            "a           7\n"
            "longer  1,240  b\n");
}

TEST(FormatTable, TakesRowsOfAnyLength) {
  EXPECT_EQ(RenderTable({}), "");
  EXPECT_EQ(RenderTable({{"only"}}), "only\n");
  EXPECT_EQ(RenderTable({{"a", "b"}, {}, {"c"}}), "a  b\n\nc\n");
}

}  // namespace
}  // namespace apps
