#include "actors/run_result.h"

#include <gtest/gtest.h>

#include <limits>

#include <nlohmann/json.hpp>

#include "actors/run_event.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

RunResult Example() {
  RunResult result;
  result.run_id = "7f3a91e0";
  result.strategy = "fda";
  result.estimator = "linear";
  result.decision = "lockstep";
  result.theta = 2.0;
  result.workers = 5;
  result.workers_final = 5;
  result.model = "lenet5";
  result.parameters = 61706;
  result.data = "mnist";
  result.steps = 3000;
  result.samples = 480000;
  result.syncs = 38;
  result.reached_step = 2625;
  result.accuracy = 0.9812;
  result.best_accuracy = 0.9815;
  result.evaluated = "mean";
  result.train_loss = 0.05;
  result.prequential_error = 0.125;
  for (std::size_t kind = 0; kind < runtime::kTrafficKinds; ++kind) {
    result.bytes.bytes[kind] = 1000 + kind;
  }
  result.bytes_paper = 96400000;
  result.seconds = 12.5;
  result.seconds_by = {10, 1, 0.5, 1};
  result.model_hash = "00112233445566778899aabbccddeeff";
  result.replicas_equal = true;
  result.seed = 7;
  result.events = {1, 2, 3, 4, 5, 6};
  result.dropped.frame = 11;
  result.dropped.full = 12;
  result.model_path = "runs/7f3a91e0/model.pt";
  return result;
}

TEST(RunResult, ReadsBackWhatItWrote) {
  const std::string text = ToJson(Example());
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const auto again = RunResultFromJson(text);
  ASSERT_OK(again);
  EXPECT_EQ(ToJson(*again), text);
  EXPECT_EQ(again->bytes.bytes, Example().bytes.bytes);
  EXPECT_EQ(again->reached_step, 2625u);
  EXPECT_EQ(again->dropped.full, 12u);
}

TEST(RunResult, HoldsEveryMemberOfTheContract) {
  const auto json = nlohmann::json::parse(ToJson(Example()));
  for (const char* name : {"run_id",
                           "strategy",
                           "estimator",
                           "decision",
                           "theta",
                           "workers",
                           "workers_final",
                           "model",
                           "parameters",
                           "data",
                           "steps",
                           "samples",
                           "syncs",
                           "reached_step",
                           "accuracy",
                           "best_accuracy",
                           "evaluated",
                           "train_loss",
                           "bytes",
                           "bytes_paper",
                           "seconds",
                           "seconds_by",
                           "steps_per_second",
                           "model_hash",
                           "replicas_equal",
                           "seed",
                           "events",
                           "dropped",
                           "model_path"}) {
    EXPECT_TRUE(json.contains(name)) << name;
  }
  for (const char* kind :
       {"state", "decision", "ring", "evaluation", "join", "checkpoint", "control", "total"}) {
    EXPECT_TRUE(json["bytes"][kind].is_number_unsigned()) << kind;
  }
  EXPECT_EQ(json["bytes"]["total"], 7 * 1000 + 21);
  EXPECT_EQ(json["bytes"]["ring"], 1003);
  EXPECT_EQ(json["steps_per_second"], 240.0);
}

TEST(RunResult, NumbersThatAreNotFiniteBecomeNull) {
  RunResult result = Example();
  result.train_loss = std::numeric_limits<double>::quiet_NaN();
  result.accuracy = std::nullopt;
  result.reached_step = std::nullopt;
  result.seconds_by.ring = std::numeric_limits<double>::infinity();
  result.seconds = 0;
  const auto json = nlohmann::json::parse(ToJson(result));
  EXPECT_TRUE(json["train_loss"].is_null());
  EXPECT_TRUE(json["accuracy"].is_null());
  EXPECT_TRUE(json["reached_step"].is_null());
  EXPECT_TRUE(json["seconds_by"]["ring"].is_null());
  EXPECT_EQ(json["steps_per_second"], 0.0);
  EXPECT_OK(RunResultFromJson(ToJson(result)));
}

TEST(RunResult, RefusesWhatIsNoResult) {
  for (const char* text : {"", "[]", "null", "{", "{\"steps\":-1}", "{\"steps\":1.5}",
                           "{\"run_id\":3}", "{\"bytes\":[]}", "{\"bytes\":{\"ring\":\"x\"}}",
                           "{\"workers\":4294967296}", "{\"replicas_equal\":1}"}) {
    EXPECT_THAT(RunResultFromJson(text), tests::HasCode(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

TEST(RunResult, TextThatIsNoUtf8IsMended) {
  RunResult result = Example();
  result.model_path = "\xFF";
  EXPECT_OK(RunResultFromJson(ToJson(result)));
}

TEST(RunResult, SynchronousBytesAreTheLowerBoundOfARingAtEveryStep) {
  RunResult result = Example();
  EXPECT_EQ(result.SynchronousBytes(), 5923776000u);
  result.workers = 1;
  EXPECT_EQ(result.SynchronousBytes(), 0u);
}

std::vector<RunEvent> EveryEvent() {
  RunEvent end_well{.time = 9};
  end_well.what = EndEvent{.result = Example()};
  RunEvent end_badly{.time = 9};
  end_badly.what = EndEvent{.error = runtime::UserError{"WORKER_LOST", runtime::Exit::kRunFailed,
                                                        "worker 2 is gone", "x"}};
  return {
      {0.5, StepEvent{.step = 1, .train_loss = 2.3, .workers = 4, .bytes_total = 9}},
      {1.0, SyncEvent{.step = 76,
                      .syncs = 1,
                      .interval = 76,
                      .variance_estimate = 2.01,
                      .theta = 2.0,
                      .contributors = 4,
                      .seconds = 0.01,
                      .ring_seconds = 0.008,
                      .ring_bytes = 1'500'000,
                      .drifts = {{.slot = 3,
                                  .norm = 1.5,
                                  .cosine = 0.5,
                                  .cosine_to_others = -0.25,
                                  .z = 3.5,
                                  .outlier = true},
                                 {.slot = 4}}}},
      {1.5, EvaluationEvent{.step = 76, .accuracy = 0.9, .samples = 10000, .evaluated = "mean"}},
      {2.0, JoinEvent{.step = 77, .slot = 4, .node = "gpu-a", .workers = 5}},
      {2.5, LeaveEvent{.step = 78, .slot = 4, .node = "gpu-a", .workers = 4}},
      {3.0, DeathEvent{.step = 79, .slot = 1, .node = "b", .reason = "exit 137", .workers = 3}},
      {3.5,
       AbortEvent{
           .step = 79,
           .fence = "1.1.1.2",
           .reason = "edge 0 -> 1",
           .record = {.members = {{.slot = 1, .said = "FAIL", .silent_seconds = 0.25, .to = 2}},
                      .words = {{.seconds_before = 0.5, .from = "head", .what = "START"}}}}},
      {3.7, NoteEvent{.step = 79, .message = "no checkpoint: disk full"}},
      {3.6, RollbackEvent{.step = 40, .from = 12, .to = 10}},
      end_well,
      end_badly,
  };
}

TEST(RunEvent, ReadsBackWhatItWrote) {
  for (const RunEvent& event : EveryEvent()) {
    const std::string text = ToJson(event);
    EXPECT_EQ(text.find('\n'), std::string::npos);
    const auto again = RunEventFromJson(text);
    ASSERT_OK(again) << text;
    EXPECT_EQ(again->what.index(), event.what.index());
    EXPECT_EQ(ToJson(*again), text);
  }
}

TEST(RunEvent, IsOneLineWithTimeAndName) {
  EXPECT_EQ(ToJson(EveryEvent()[3]),
            "{\"t\":2.0,\"event\":\"join\",\"step\":77,\"slot\":4,\"node\":\"gpu-a\","
            "\"workers\":5}");
}

TEST(RunEvent, OnlyTheEndIsTerminal) {
  for (const RunEvent& event : EveryEvent()) {
    const bool is_end = std::holds_alternative<EndEvent>(event.what);
    EXPECT_EQ(nlohmann::json::parse(ToJson(event)).contains("terminal"), is_end);
  }
}

TEST(RunEvent, TheErrorOfTheEndKeepsItsExitCode) {
  const auto again = RunEventFromJson(ToJson(EveryEvent().back()));
  ASSERT_OK(again);
  const EndEvent& end = std::get<EndEvent>(again->what);
  ASSERT_TRUE(end.error.has_value());
  EXPECT_FALSE(end.result.has_value());
  EXPECT_EQ(end.error->code, "WORKER_LOST");
  EXPECT_EQ(end.error->exit, runtime::Exit::kRunFailed);
}

TEST(RunEvent, RefusesWhatIsNoEvent) {
  for (const char* text : {"", "{}", "{\"event\":\"sink\"}", "{\"event\":3}",
                           "{\"event\":\"step\",\"step\":\"one\"}", "[1]"}) {
    EXPECT_FALSE(RunEventFromJson(text).ok()) << text;
  }
}

}  // namespace
}  // namespace actors
