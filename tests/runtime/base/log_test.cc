#include "runtime/base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "runtime/base/random.h"
#include "tests/support/status_matchers.h"

namespace runtime {
namespace {

TEST(Log, ALineIsAnEventAndItsPairs) {
  EXPECT_EQ(FormatLogLine("node_up", {{"node", NodeId{0x4f6a10c200000000, 5}},
                                      {"role", "worker"},
                                      {"count", 3},
                                      {"ready", true},
                                      {"silence", std::chrono::milliseconds(1500)}}),
            "node_up node=4f6a10c2 role=worker count=3 ready=true silence=1500ms");
}

TEST(Log, AValueCannotBreakTheLineOrPretendToBeAnotherPair) {
  EXPECT_EQ(FormatLogLine("e", {{"why", "two words"}, {"empty", ""}}),
            "e why=\"two words\" empty=\"\"");
  EXPECT_EQ(FormatLogLine("e", {{"why", "a\nb\"c\\ d=e"}}), "e why=\"a\\nb\\\"c\\\\ d=e\"");
}

TEST(Log, AFileGetsTheLinesOfItsLevelAtOnce) {
  const std::string path =
      testing::TempDir() + "/rondo_log_test_" + std::to_string(::getpid()) + ".log";
  auto logger = Logger::ToFile(path, LogLevel::kInfo);
  ASSERT_OK(logger);
  logger->Debug("unseen");
  logger->Warning("seen", {{"n", 1}});
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  std::remove(path.c_str());
  EXPECT_THAT(text.str(), testing::MatchesRegex("20..-..-..T..:..:..\\....Z warning seen n=1\n"));
}

TEST(Log, AFileThatCannotBeOpenedIsAnError) {
  EXPECT_THAT(Logger::ToFile("/proc/no/such/file", LogLevel::kInfo),
              tests::HasCode(absl::StatusCode::kUnavailable));
}

TEST(Log, TheDefaultLoggerIsSilent) { Logger().Error("nobody_hears", {{"n", 1}}); }

TEST(Random, IncarnationsDiffer) {
  const NodeId first = RandomNodeId();
  EXPECT_NE(first, RandomNodeId());
  EXPECT_FALSE(first.IsNull());
}

TEST(Random, ASeedIsASequenceAndASplitIsAnother) {
  SeededRandom a(5);
  SeededRandom b(5);
  SeededRandom c(6);
  EXPECT_EQ(a.Next(), b.Next());
  EXPECT_NE(a.Next(), c.Next());
  EXPECT_NE(a.Split().Next(), b.Next());
}

TEST(Random, BelowIsUniformToAFewPerCent) {
  SeededRandom random(1);
  std::array<int, 10> counts{};
  for (int i = 0; i < 100000; ++i) ++counts[random.Below(10)];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 500);
  double sum = 0;
  for (int i = 0; i < 100000; ++i) sum += random.Fraction();
  EXPECT_NEAR(sum / 100000, 0.5, 0.01);
}

}  // namespace
}  // namespace runtime
