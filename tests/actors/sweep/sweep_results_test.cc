#include "actors/sweep/sweep_results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace actors {
namespace {

using testing::HasSubstr;

SweepLine Line(double theta, std::uint64_t seed, std::optional<std::uint64_t> reached) {
  RunResult result;
  result.run_id = "r";
  result.steps = 3000;
  result.syncs = 40 + seed;
  result.reached_step = reached;
  result.accuracy = 0.98;
  result.bytes.bytes[static_cast<std::size_t>(runtime::Traffic::kRing)] = 1000;
  result.bytes.bytes[static_cast<std::size_t>(runtime::Traffic::kEvaluation)] = 500;
  result.bytes_paper = 900;
  return {.point = {{"strategy.name", "fda"}, {"strategy.theta", theta}, {"run.workers", 5L}},
          .seed = seed,
          .tau = std::nullopt,
          .identity = "0123456789abcdef",
          .folder = "runs/r",
          .target = 0.98,
          .result = result,
          .curve = {{.step = 375, .accuracy = 0.9, .loss = 0.3, .bytes = 77, .t = 1.5}},
          .intervals = {.count = 3, .p10 = 1, .median = 2, .p90 = 4}};
}

SweepLine Failed() {
  SweepLine line = Line(2, 9, std::nullopt);
  line.result.reset();
  line.error = {
      .code = "DIVERGED", .exit = runtime::Exit::kRunFailed, .message = "a, \"b\"", .hint = "c"};
  return line;
}

TEST(SweepResults, ALineComesBackAsItWent) {
  SweepLine line = Line(0.5, 1, 375);
  line.matched = SweepSettings{{"strategy.name", "fda"}, {"run.on_leave_sync", true}};
  line.tau = 73;
  for (const SweepLine& sent : {line, Failed()}) {
    const std::string text = ToJson(sent);
    const absl::StatusOr<SweepLine> back = SweepLineFromJson(text);
    ASSERT_OK(back);
    EXPECT_EQ(ToJson(*back), text);
    EXPECT_EQ(back->point, sent.point);
    EXPECT_EQ(back->matched, sent.matched);
    EXPECT_EQ(back->result.has_value(), sent.result.has_value());
  }
}

TEST(SweepResults, ATornLastLineIsNotThereAndABrokenOneIsNamed) {
  const std::string two = ToJson(Line(1, 1, 5)) + "\n" + ToJson(Failed()) + "\n";
  std::size_t whole = 0;
  auto lines = ReadSweepLines(two + "{\"schema\":1,\"poi", "r.jsonl", &whole);
  ASSERT_OK(lines);
  EXPECT_EQ(lines->size(), 2u);
  EXPECT_EQ(whole, two.size());
  for (const char* broken :
       {"{}", "7", "", "{\"schema\":1,\"point\":{\"a\":[1]}}",
        "{\"schema\":1,\"point\":{},\"seed\":-1}", "{\"schema\":1,\"point\":{},\"result\":null}"}) {
    lines = ReadSweepLines(two + broken + "\n", "r.jsonl");
    ASSERT_FALSE(lines.ok()) << broken;
    const runtime::UserError error = runtime::ToUserError(lines.status());
    EXPECT_EQ(error.exit, runtime::Exit::kUnreadable);
    EXPECT_THAT(error.message, HasSubstr("r.jsonl:3: ")) << broken;
  }
}

TEST(SweepResults, LinesOfAnotherVersionAreNotCalledBroken) {
  const auto lines = ReadSweepLines("{\"schema\":2,\"point\":{}}\n", "r.jsonl");
  ASSERT_FALSE(lines.ok());
  EXPECT_EQ(runtime::ToUserError(lines.status()).code, "SCHEMA_UNKNOWN");
  EXPECT_EQ(runtime::ToUserError(lines.status()).exit, runtime::Exit::kIncompatible);
}

TEST(SweepResults, OfARunThatWasMadeAgainTheLastLineCounts) {
  SweepLine failed = Failed(), again = Line(2, 9, 375), other = Line(2, 1, 750);
  const std::vector<SweepLine> latest = LatestOf({failed, other, again});
  ASSERT_EQ(latest.size(), 2u);
  EXPECT_TRUE(latest[0].result.has_value());
  EXPECT_EQ(latest[0].seed, 9u);
  EXPECT_EQ(latest[1].seed, 1u);
}

TEST(SweepResults, ReadsWhatARunPrinted) {
  std::string text = "a warning of some library\n";
  for (const double came : {1.0, 1.5}) {
    text += ToJson(RunEvent{.time = came, .what = JoinEvent{.node = "n"}}) + "\n";
  }
  SyncEvent sync;
  for (const std::uint64_t interval : {10, 30, 20}) {
    sync.interval = interval;
    sync.bytes_total += 100;
    text += ToJson(RunEvent{.time = 2, .what = sync}) + "\n";
  }
  text += ToJson(RunEvent{.time = 2.2, .what = JoinEvent{.node = "later"}}) + "\n";
  text += ToJson(RunEvent{.time = 2.5, .what = EvaluationEvent{.step = 60, .accuracy = 0.5}});
  SweepLine line = Line(1, 1, 5);
  line.curve.clear();
  SweepLine lost = line;
  TakeRunOutput(text, lost);
  ASSERT_TRUE(lost.error.has_value());
  EXPECT_EQ(lost.error->code, "RUN_LOST");

  RunResult result;
  result.run_id = "abc";
  TakeRunOutput(
      text + "\n" + ToJson(RunEvent{.time = 3, .what = EndEvent{.result = result}}) + "\n", line);
  ASSERT_TRUE(line.result.has_value());
  EXPECT_EQ(line.result->run_id, "abc");
  EXPECT_FALSE(line.error.has_value());
  EXPECT_EQ(line.intervals.count, 3u);
  EXPECT_EQ(line.intervals.median, 20);
  ASSERT_EQ(line.curve.size(), 1u);
  EXPECT_EQ(line.curve[0].bytes, 300u);
  EXPECT_EQ(line.curve[0].t, 1.0);
}

TEST(SweepResults, TakesTheErrorThatARunEndedWith) {
  SweepLine line;
  TakeRunOutput(
      R"({"schema":1,"ok":false,"verb":"run","code":"DATA_NOT_FOUND","exit":8,"message":"m",)"
      R"("hint":"h","terminal":true})",
      line);
  ASSERT_TRUE(line.error.has_value());
  EXPECT_EQ(line.error->code, "DATA_NOT_FOUND");
  EXPECT_EQ(line.error->exit, runtime::Exit::kUnreadable);
}

TEST(SweepResults, SummariesCountWhatFailedAndWhatMissedTheTarget) {
  const std::vector<SweepLine> lines = {Line(2, 1, 375), Line(7, 1, 750), Line(2, 2, std::nullopt),
                                        Failed(), Line(2, 3, 1125)};
  const std::vector<SweepSummary> summaries = Summarize(lines);
  ASSERT_EQ(summaries.size(), 2u);
  EXPECT_EQ(summaries[0].runs, 4u);
  EXPECT_EQ(summaries[0].failed, 1u);
  EXPECT_EQ(summaries[0].reached, 2u);
  // 375, 1125, and all 3,000 of the one that missed it.
  EXPECT_EQ(summaries[0].steps->median, 1125);
  EXPECT_EQ(summaries[0].steps->most, 3000);
  EXPECT_EQ(summaries[0].bytes->median, 1000);  // Without evaluation.
  EXPECT_EQ(summaries[0].syncs->least, 41);
  EXPECT_EQ(summaries[1].runs, 1u);
}

TEST(SweepResults, ASpreadHasMedianAndEnds) {
  EXPECT_FALSE(SpreadOf({}).has_value());
  EXPECT_EQ(SpreadOf({3, 1})->median, 2);
  EXPECT_EQ(SpreadOf({9, 1, 4})->median, 4);
  EXPECT_EQ(SpreadOf({9, 1, 4})->least, 1);
  EXPECT_EQ(SpreadOf({9, 1, 4})->most, 9);
}

TEST(SweepResults, TheTableHasARowForEachRunAndAsManyCellsInEach) {
  SweepLine named = Line(2, 1, 375);
  named.point["data.partition"] = "a,\"b\"";
  EXPECT_EQ(ToCsv({named, Failed()}),
            "data.partition,run.workers,strategy.name,strategy.theta,seed,matched,tau,state,target,"
            "reached_step,steps,syncs,steps_per_sync,accuracy,best_accuracy,bytes,bytes_evaluation,"
            "bytes_paper,seconds,error\n"
            "\"a,\"\"b\"\"\",5,fda,2.0,1,,,done,0.98,375,3000,41,73.1707,0.98,,1000,500,900,0,\n"
            ",5,fda,2.0,9,,,failed,0.98,,,,,,,,,,,DIVERGED\n");
}

}  // namespace
}  // namespace actors
