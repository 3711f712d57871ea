#include "runtime/base/nearest.h"

#include <gtest/gtest.h>

namespace runtime {
namespace {

TEST(EditDistance, CountsInsertionsDeletionsReplacementsAndSwaps) {
  EXPECT_EQ(EditDistance("", ""), 0u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("theta", "theta"), 0u);
  EXPECT_EQ(EditDistance("thetaa", "theta"), 1u);
  EXPECT_EQ(EditDistance("thata", "theta"), 1u);
  EXPECT_EQ(EditDistance("htta", "theta"), 2u);
  EXPECT_EQ(EditDistance("stauts", "status"), 1u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
}

TEST(EditDistance, IgnoresCase) { EXPECT_EQ(EditDistance("Status", "sTATUS"), 0u); }

TEST(Nearest, FindsTheWordThatWasMeant) {
  const std::vector<std::string> verbs = {"run", "head", "join", "status"};
  EXPECT_EQ(Nearest("statsu", verbs), "status");
  EXPECT_EQ(Nearest("joi", verbs), "join");
  EXPECT_EQ(Nearest("rum", verbs), "run");
}

TEST(Nearest, IsSilentWhenNothingIsNear) {
  const std::vector<std::string> verbs = {"run", "head", "join", "status"};
  EXPECT_EQ(Nearest("frobnicate", verbs), "");
  EXPECT_EQ(Nearest("", verbs), "");
  EXPECT_EQ(Nearest(std::string(1'000'000, 'r'), verbs), "");
  EXPECT_EQ(Nearest("x", {}), "");
}

TEST(DidYouMean, FallsBackToTheOtherHint) {
  EXPECT_EQ(DidYouMean("statsu", {"status"}, "see help"), "did you mean status?");
  EXPECT_EQ(DidYouMean("frobnicate", {"status"}, "see help"), "see help");
}

}  // namespace
}  // namespace runtime
