#include "runtime/group/failure_detector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Health = FailureDetector::Health;

constexpr NodeId kNode{7, 1};
constexpr NodeId kOther{7, 2};
constexpr Time kStart{seconds(100)};
constexpr LivenessProfile kProfile{.heartbeat_interval = milliseconds(200),
                                   .suspect_after = milliseconds(500),
                                   .dead_after = milliseconds(1000),
                                   .reconnect_within = milliseconds(600)};

FailureDetector OneNode() {
  FailureDetector detector(kProfile);
  detector.Add(kNode, kStart);
  return detector;
}

// The health of kNode that Judge reports at `after` its last sign of life, alive if it is silent.
Health JudgedAt(Duration after, Duration lag = {}) {
  FailureDetector detector = OneNode();
  const auto verdicts = detector.Judge(kStart + after, lag);
  return verdicts.empty() ? Health::kAlive : verdicts[0].health;
}

TEST(FailureDetector, SilenceMakesANodeSuspectAndThenDead) {
  EXPECT_EQ(JudgedAt(milliseconds(499)), Health::kAlive);
  EXPECT_EQ(JudgedAt(milliseconds(500)), Health::kSuspect);
  EXPECT_EQ(JudgedAt(milliseconds(999)), Health::kSuspect);
  EXPECT_EQ(JudgedAt(milliseconds(1000)), Health::kDead);
}

TEST(FailureDetector, OurOwnLagMovesTheDeadlines) {
  EXPECT_EQ(JudgedAt(milliseconds(1400), milliseconds(401)), Health::kSuspect);
  EXPECT_EQ(JudgedAt(milliseconds(1400), milliseconds(400)), Health::kDead);
  EXPECT_EQ(JudgedAt(seconds(60), seconds(60)), Health::kAlive);
  EXPECT_EQ(JudgedAt(seconds(1), seconds(60)), Health::kAlive);
}

TEST(FailureDetector, EachChangeOfHealthIsToldOnceWithAReason) {
  FailureDetector detector = OneNode();
  auto verdicts = detector.Judge(kStart + milliseconds(600), {});
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_EQ(verdicts[0].node, kNode);
  EXPECT_EQ(verdicts[0].reason, "nothing heard for 0.60 s");
  EXPECT_TRUE(detector.Judge(kStart + milliseconds(700), {}).empty());

  EXPECT_TRUE(detector.OnHeard(kNode, kStart + milliseconds(750)));
  verdicts = detector.Judge(kStart + milliseconds(800), {});
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_EQ(verdicts[0].health, Health::kAlive);

  verdicts = detector.Judge(kStart + milliseconds(1770), {});
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_EQ(verdicts[0].health, Health::kDead);
  EXPECT_EQ(verdicts[0].reason, "nothing heard for 1.02 s (bound 1.00 s)");
  EXPECT_TRUE(detector.Judge(kStart + milliseconds(5000), {}).empty());
}

TEST(FailureDetector, ALostConnectionKillsUnlessTheNodeComesBackInTime) {
  FailureDetector detector = OneNode();
  detector.OnHeard(kNode, kStart + milliseconds(190));
  detector.OnDisconnected(kNode, kStart + milliseconds(200), "connection reset");
  auto verdicts = detector.Judge(kStart + milliseconds(300), {});
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_EQ(verdicts[0].health, Health::kSuspect);

  detector.OnHeard(kNode, kStart + milliseconds(600));
  detector.Judge(kStart + milliseconds(601), {});
  EXPECT_TRUE(detector.Judge(kStart + milliseconds(900), {}).empty());

  detector.OnDisconnected(kNode, kStart + milliseconds(900), "connection reset");
  // Only the first hint counts: others would put the verdict off.
  detector.OnDisconnected(kNode, kStart + milliseconds(1300), "connection reset");
  EXPECT_EQ(detector.Judge(kStart + milliseconds(1499), {})[0].health, Health::kSuspect);
  verdicts = detector.Judge(kStart + milliseconds(1500), {});
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_EQ(verdicts[0].health, Health::kDead);
  EXPECT_THAT(verdicts[0].reason, testing::HasSubstr("connection reset"));
}

TEST(FailureDetector, LagMovesTheTimeToReconnectToo) {
  FailureDetector detector = OneNode();
  detector.OnDisconnected(kNode, kStart, "closed");
  EXPECT_EQ(detector.Judge(kStart + milliseconds(900), milliseconds(400))[0].health,
            Health::kSuspect);
}

TEST(FailureDetector, ALateHeartbeatRevivesNobody) {
  FailureDetector detector = OneNode();
  EXPECT_EQ(detector.Judge(kStart + seconds(2), {})[0].health, Health::kDead);
  EXPECT_FALSE(detector.OnHeard(kNode, kStart + seconds(2)));
  EXPECT_FALSE(detector.Contains(kNode));
  EXPECT_FALSE(detector.OnHeard(kOther, kStart));
  EXPECT_FALSE(detector.SilenceOf(kOther, kStart).has_value());
}

TEST(FailureDetector, NodesAreJudgedEachByItself) {
  FailureDetector detector = OneNode();
  detector.Add(kOther, kStart);
  detector.OnHeard(kOther, kStart + milliseconds(900));
  const auto verdicts = detector.Judge(kStart + seconds(1), {});
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_EQ(verdicts[0].node, kNode);
  EXPECT_EQ(*detector.SilenceOf(kOther, kStart + seconds(1)), milliseconds(100));
}

TEST(LivenessProfile, BoundsAreThoseOfTheProtocol) {
#ifdef RONDO_SANITIZED
  constexpr int kSlow = 5;
#else
  constexpr int kSlow = 1;
#endif
  EXPECT_EQ(LivenessProfile::Local().dead_after, kSlow * seconds(2));
  EXPECT_EQ(LivenessProfile::Lan().dead_after, kSlow * seconds(1));
  EXPECT_EQ(LivenessProfile::Wan().dead_after, kSlow * seconds(5));
  EXPECT_EQ(LivenessProfile::Lan().reconnect_within, kSlow * milliseconds(600));
}

// protocol.md 6: if all fall silent together, the head suspects itself.
TEST(FailureDetector, SilenceIsNoProofWhileNobodyElseIsHeard) {
  FailureDetector detector(kProfile, FailureDetector::Proof::kSilenceWhileOthersAreHeard);
  detector.Add(kNode, kStart);
  detector.Add(kOther, kStart);
  for (Duration after = {}; after < seconds(60); after += milliseconds(100)) {
    for (const auto& verdict : detector.Judge(kStart + after, {})) {
      EXPECT_EQ(verdict.health, Health::kSuspect);
    }
  }
  // One of them is back; the other may need longer, and then its silence tells something.
  for (Duration after = {}; after < FailureDetector::kReturnWithin; after += milliseconds(100)) {
    detector.OnHeard(kOther, kStart + seconds(60) + after);
    for (const auto& verdict : detector.Judge(kStart + seconds(60) + after, {})) {
      EXPECT_EQ(verdict.node, kOther);
      EXPECT_EQ(verdict.health, Health::kAlive);
    }
  }
  const Time late = kStart + seconds(60) + FailureDetector::kReturnWithin;
  detector.OnHeard(kOther, late);
  const auto verdicts = detector.Judge(late, {});
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_EQ(verdicts[0].node, kNode);
  EXPECT_EQ(verdicts[0].health, Health::kDead);
}

TEST(FailureDetector, WhoIsNoWitnessProvesNothing) {
  FailureDetector detector(kProfile, FailureDetector::Proof::kSilenceWhileOthersAreHeard);
  detector.Add(kNode, kStart);
  detector.Add(kOther, kStart, /*witness=*/false);
  detector.OnHeard(kOther, kStart + seconds(20));
  const auto verdicts = detector.Judge(kStart + seconds(20), {});
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_EQ(verdicts[0].health, Health::kSuspect);
}

TEST(FailureDetector, TheFirstNodesAreJudgedAsAnyOther) {
  FailureDetector detector(kProfile, FailureDetector::Proof::kSilenceWhileOthersAreHeard);
  EXPECT_TRUE(detector.Judge(kStart, {}).empty());  // Nobody is there, and nobody is missed.
  detector.Add(kNode, kStart);
  detector.Add(kOther, kStart);
  detector.OnHeard(kOther, kStart + milliseconds(900));
  const auto verdicts = detector.Judge(kStart + seconds(1), {});
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_EQ(verdicts[0].health, Health::kDead);
}

TEST(FailureDetector, ALostConnectionIsAProofByItself) {
  FailureDetector detector(kProfile, FailureDetector::Proof::kSilenceWhileOthersAreHeard);
  detector.Add(kNode, kStart);
  detector.OnDisconnected(kNode, kStart, "reset");
  const auto verdicts = detector.Judge(kStart + milliseconds(600), {});
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_EQ(verdicts[0].health, Health::kDead);
}

}  // namespace
}  // namespace runtime
