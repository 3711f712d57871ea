#include "apps/rondo/progress.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "apps/rondo/format.h"
#include "runtime/base/error.h"

namespace apps {
namespace {

using actors::RunEvent;

class ManualClock final : public runtime::Clock {
 public:
  runtime::Time Now() const override { return now; }
  runtime::Time now{};
};

RunEvent Step(std::uint64_t step) {
  return {.time = 0.1 * static_cast<double>(step),
          .what = actors::StepEvent{.step = step,
                                    .variance_estimate = 0.42,
                                    .theta = 0.5,
                                    .workers = 8,
                                    .syncs = 9,
                                    .bytes_total = 61'200'000}};
}
RunEvent Sync() {
  return {.time = 1,
          .what = actors::SyncEvent{.step = 76,
                                    .syncs = 1,
                                    .interval = 76,
                                    .variance_estimate = 2.01,
                                    .theta = 2.0,
                                    .contributors = 4,
                                    .ring_bytes = 1'480'000}};
}

const ProgressOptions kOptions = {.run_id = "7f3a", .max_steps = 4000, .parameters = 61706};

TEST(Format, CountsHaveGroupsOfThree) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1000), "1,000");
  EXPECT_EQ(FormatCount(1234567), "1,234,567");
}

TEST(Format, BytesHaveDecimalUnits) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(1000), "1.0 kB");
  EXPECT_EQ(FormatBytes(999'949), "999.9 kB");
  EXPECT_EQ(FormatBytes(999'950), "1.0 MB");
  EXPECT_EQ(FormatBytes(61'234'567), "61.2 MB");
  EXPECT_EQ(FormatBytes(~std::uint64_t{0}), "18.4 EB");
}

TEST(Format, SecondsBecomeMinutesAndHours) {
  EXPECT_EQ(FormatSeconds(0), "0.0 s");
  EXPECT_EQ(FormatSeconds(12.34), "12.3 s");
  EXPECT_EQ(FormatSeconds(59.96), "1m00s");
  EXPECT_EQ(FormatSeconds(130.2), "2m10s");
  EXPECT_EQ(FormatSeconds(7260), "2h01m");
  EXPECT_EQ(FormatSeconds(-1), "?");
  EXPECT_EQ(FormatSeconds(1.0 / 0.0), "?");
}

TEST(Format, RatiosNeedBothSides) {
  EXPECT_EQ(FormatRatio(650, 10), "65.0x");
  EXPECT_EQ(FormatRatio(123456, 10), "12346x");
  EXPECT_EQ(FormatRatio(0, 10), "");
  EXPECT_EQ(FormatRatio(10, 0), "");
}

TEST(LiveLine, ShowsWhatMatters) {
  ProgressState state;
  state.Take(Step(1240), kOptions.parameters);
  state.Take({.time = 124, .what = actors::EvaluationEvent{.step = 1240, .accuracy = 0.881}},
             kOptions.parameters);
  EXPECT_EQ(RenderLive(kOptions, state, 200),
            "run 7f3a  step 1,240/4,000  accuracy 88.1 %  variance 0.42/0.5  syncs 9  "
            "sent 61.2 MB (synchronous: 70.0x)  8 up  eta 4m36s");
}

TEST(LiveLine, NeverWraps) {
  ProgressState state;
  state.Take(Step(1240), kOptions.parameters);
  for (int width = 0; width < 200; ++width) {
    EXPECT_LE(RenderLive(kOptions, state, width).size(),
              static_cast<std::size_t>(width > 0 ? width - 1 : 0));
  }
}

TEST(EventLines, AreOnePerSyncEvaluationAndMembershipChange) {
  ProgressState state;
  state.bytes_total = 1'000'000;
  state.bytes_synchronous = 100'000'000;
  EXPECT_FALSE(RenderEvent(Step(1), state).has_value());
  EXPECT_EQ(RenderEvent(Sync(), state),
            "sync 1  step 76  variance 2.01 > 2  1.5 MB between 4 workers");
  EXPECT_EQ(RenderEvent({.what = actors::EvaluationEvent{.step = 1500, .accuracy = 0.9791}}, state),
            "evaluation  step 1,500  accuracy 97.9 %  sent 1.0 MB (synchronous: 100x)");
  EXPECT_EQ(
      RenderEvent({.what = actors::JoinEvent{.slot = 4, .node = "gpu-a", .workers = 5}}, state),
      "worker 4 on gpu-a joined, 5 up");
  EXPECT_EQ(RenderEvent({.what = actors::LeaveEvent{.slot = 4, .workers = 4}}, state),
            "worker 4 left, 4 up");
  EXPECT_EQ(
      RenderEvent({.what =
                       actors::DeathEvent{
                           .slot = 1, .node = "b", .reason = "signal 9 (Killed)", .workers = 3}},
                  state),
      "worker 1 on b is lost, 3 up: signal 9 (Killed)");
}

TEST(EventLines, PassNoControlCodesOn) {
  const auto line = RenderEvent(
      {.what = actors::JoinEvent{.slot = 4, .node = "a\x1b[2J\r\nb", .workers = 5}}, {});
  ASSERT_TRUE(line.has_value());
  EXPECT_EQ(line->find_first_of("\x1b\r\n"), std::string::npos);
}

actors::RunResult Result() {
  actors::RunResult result;
  result.run_id = "7f3a";
  result.strategy = "fda";
  result.estimator = "linear";
  result.theta = 2.0;
  result.workers = 4;
  result.model = "lenet5";
  result.parameters = 61706;
  result.data = "digits";
  result.steps = 1200;
  result.syncs = 15;
  result.accuracy = 0.9791;
  result.bytes.Add(runtime::Traffic::kRing, 22'000'000);
  result.bytes.Add(runtime::Traffic::kState, 400'000);
  result.bytes.Add(runtime::Traffic::kEvaluation, 5'000'000);
  result.bytes.Add(runtime::Traffic::kControl, 100'000);
  result.seconds = 20;
  result.seconds_by = {17, 2, 0.5, 0.5};
  result.replicas_equal = true;
  result.model_path = "runs/7f3a/model.pt";
  return result;
}

TEST(FinalSummary, EndsWithAccuracyStepsBytesAndReplicas) {
  EXPECT_EQ(RenderResult(Result()),
            "run 7f3a: lenet5 (61,706 parameters) on digits, 4 workers, fda linear, theta 2\n"
            "time 20.0 s, 60 steps/s (compute 17.0 s, decisions 2.0 s, ring 0.5 s, evaluation "
            "0.5 s)\n"
            "model runs/7f3a/model.pt\n"
            "accuracy 97.9 %\n"
            "steps 1,200\n"
            "synchronizations 15\n"
            "bytes 27.5 MB: ring 22.0 MB  state 400.0 kB  evaluation 5.0 MB  control 100.0 kB\n"
            "synchronous would send 1.8 GB, 79.0x\n"
            "replicas equal: yes\n");
}

TEST(FinalSummary, SaysThatReplicasDiffer) {
  actors::RunResult result = Result();
  result.replicas_equal = false;
  result.accuracy = std::nullopt;
  const std::string text = RenderResult(result);
  EXPECT_NE(text.find("replicas equal: no\n"), std::string::npos);
  EXPECT_EQ(text.find("accuracy"), std::string::npos);
}

// Output to files instead of a terminal.
class Shown : public testing::Test {
 protected:
  Shown() : out_(std::tmpfile()), err_(std::tmpfile()) {}
  ~Shown() override {
    std::fclose(out_);
    std::fclose(err_);
  }
  static std::string TextOf(std::FILE* file) {
    std::rewind(file);
    std::string text(4096, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file));
    return text;
  }
  void ShowAll(Output& output) {
    Progress progress(kOptions, output, clock_);
    for (std::uint64_t step = 1; step <= 76; ++step) progress.Show(Step(step));
    progress.Show(Sync());
    actors::EndEvent end;
    end.result = Result();
    progress.Show({.time = 2, .what = end});
  }

  std::FILE* out_;
  std::FILE* err_;
  ManualClock clock_;
};

TEST_F(Shown, WithoutATerminalThereIsOneLinePerEventAndNoCarriageReturn) {
  Output output({}, out_, err_);
  ShowAll(output);
  EXPECT_EQ(TextOf(out_), "");
  EXPECT_EQ(TextOf(err_), "sync 1  step 76  variance 2.01 > 2  1.5 MB between 4 workers\n");
}

TEST_F(Shown, UnderJsonlEveryEventIsALineOnStdout) {
  Output output({.format = OutputFormat::kJsonl}, out_, err_);
  ShowAll(output);
  EXPECT_EQ(TextOf(err_), "");
  const std::string text = TextOf(out_);
  EXPECT_EQ(text.rfind("{\"t\":0.1,\"event\":\"step\"", 0), 0u) << text.substr(0, 80);
}

TEST_F(Shown, QuietShowsNothing) {
  Output output({.quiet = true}, out_, err_);
  ShowAll(output);
  EXPECT_EQ(TextOf(out_) + TextOf(err_), "");
}

TEST(Envelopes, KeepTheirShape) {
  EXPECT_EQ(SuccessEnvelope("run", "{\"a\":1}"),
            "{\"schema\":1,\"ok\":true,\"verb\":\"run\",\"data\":{\"a\":1}}");
  const absl::Status status =
      runtime::MakeError("NOT_FOUND", runtime::Exit::kNotFound, "no run \"x\"", "see rondo status");
  EXPECT_EQ(ErrorEnvelope("", status),
            "{\"schema\":1,\"ok\":false,\"code\":\"NOT_FOUND\",\"exit\":6,"
            "\"message\":\"no run \\\"x\\\"\",\"hint\":\"see rondo status\"}");
  EXPECT_EQ(HumanError(status, false),
            "error[NOT_FOUND]: no run \"x\"\n  hint: see rondo status\n");
  EXPECT_EQ(HumanError(absl::InternalError("odd"), false), "error[INTERNAL]: INTERNAL: odd\n");
}

}  // namespace
}  // namespace apps
