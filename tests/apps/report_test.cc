// From files to a page: what is read, what is grouped, what is shown, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "actors/run_event.h"
#include "apps/rondo/report/metrics_reader.h"
#include "apps/rondo/report/page.h"
#include "apps/rondo/report/read_trials.h"
#include "apps/rondo/report/sweep_reader.h"
#include "runtime/base/error.h"
#include "tests/support/shell.h"
#include "tests/support/status_matchers.h"

namespace apps::report {
namespace {

using Json = nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

template <typename Event>
std::string Line(double time, const Event& event) {
  return actors::ToJson(actors::RunEvent{time, event}) + "\n";
}

actors::RunResult ResultOf(const std::string& strategy, std::uint64_t steps,
                           std::uint64_t ring_bytes) {
  actors::RunResult result;
  result.run_id = "7f3a";
  result.strategy = strategy;
  result.workers = 2;
  result.steps = steps;
  result.syncs = 4;
  result.accuracy = 0.9;
  result.bytes.bytes[static_cast<std::size_t>(runtime::Traffic::kRing)] = ring_bytes;
  result.bytes_paper = ring_bytes;
  result.seconds = 8;
  result.seconds_by.compute = 5;
  return result;
}

// Two workers, two synchronizations, a test after each.
std::string Metrics(bool has_end = true) {
  using actors::EndEvent, actors::EvaluationEvent, actors::JoinEvent, actors::StepEvent,
      actors::SyncEvent;
  std::string text = Line(3, JoinEvent{0, 0, "worker-0", 1}) +
                     Line(3, JoinEvent{0, 1, "worker-1", 2}) +
                     Line(4, StepEvent{5, {}, 0.5, 2.0, 2, 0, 1000}) +
                     Line(5, SyncEvent{.step = 10,
                                       .syncs = 1,
                                       .interval = 10,
                                       .variance_estimate = 2.1,
                                       .theta = 2.0,
                                       .bytes_total = 2000000}) +
                     Line(6, StepEvent{11, {}, 0.1, 2.0, 2, 1, 1500000}) +
                     Line(7, EvaluationEvent{10, 0.8, {}, 100, "mean"}) +
                     Line(8, SyncEvent{.step = 30,
                                       .syncs = 2,
                                       .interval = 20,
                                       .variance_estimate = 2.2,
                                       .theta = 2.0,
                                       .bytes_total = 4000000}) +
                     Line(9, EvaluationEvent{30, 0.9, {}, 100, "mean"});
  if (has_end) text += Line(10, EndEvent{ResultOf("fda", 30, 4000000), std::nullopt});
  return text;
}

Json SweepLine(const std::string& strategy, double theta, int seed, double bytes) {
  Json line = {{"schema", 1},      {"seed", seed},       {"matched", nullptr}, {"state", "done"},
               {"error", nullptr}, {"folder", "runs/x"}, {"target", 0.9}};
  line["point"] = {{"strategy.name", strategy}, {"run.workers", 5}};
  if (theta > 0) line["point"]["strategy.theta"] = theta;
  actors::RunResult result = ResultOf(strategy, 750, static_cast<std::uint64_t>(bytes));
  result.reached_step = 750;
  result.estimator = strategy == "fda" ? "linear" : "";
  line["result"] = Json::parse(actors::ToJson(result));
  const auto sent = static_cast<std::uint64_t>(bytes);
  line["curve"] = {{{"step", 375}, {"accuracy", 0.85}, {"bytes", sent / 2}, {"t", 4.0}},
                   {{"step", 750}, {"accuracy", 0.92}, {"bytes", sent}, {"t", 8.0}}};
  line["intervals"] = {{"count", 4}, {"median", 30 * theta}, {"p10", 20}, {"p90", 90}};
  return line;
}

Json FailedLine(const std::string& strategy, double theta, int seed) {
  Json line = SweepLine(strategy, theta, seed, 0);
  line["state"] = "failed";
  line["result"] = nullptr;
  line["curve"] = Json::array();
  line["error"] = {{"code", "WORKER_LOST"}, {"message", "<script>x</script>"}, {"hint", "h"}};
  return line;
}

std::vector<Trial> Sweep(const std::vector<Json>& lines) {
  std::vector<Trial> trials;
  for (const Json& line : lines) {
    absl::StatusOr<Trial> trial = ReadSweepLine(line.dump());
    EXPECT_OK(trial);
    if (trial.ok()) trials.push_back(*std::move(trial));
  }
  return trials;
}

std::string PageOf(const std::vector<Trial>& trials) {
  return RenderPage({.title = "t"}, MakeGroups(trials));
}

class ReportFiles : public testing::Test {
 protected:
  ReportFiles() : folder_(testing::TempDir() + "rondo_report_" + std::to_string(getpid())) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~ReportFiles() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) const {
    const std::string path = folder_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
    return path;
  }
  runtime::UserError Refused(const std::string& path) const {
    const auto trials = ReadTrials({path});
    return trials.ok() ? runtime::UserError{} : runtime::ToUserError(trials.status());
  }

  const std::string folder_;
};

TEST_F(ReportFiles, ReadARunWithItsBytesAndTimesFromTheFirstStepOn) {
  Write("a/metrics.jsonl", Metrics());
  Write("a/config.toml", "[run]\nseed = 3\ntarget_accuracy = 0.5\n[strategy]\ntheta = 2.0\n");
  const auto trials = ReadTrials({folder_ + "/a", folder_ + "/a/metrics.jsonl"});
  ASSERT_OK(trials);
  ASSERT_THAT(*trials, SizeIs(1));  // Once, though it was named twice.
  const Trial& trial = trials->front();
  EXPECT_EQ(trial.name, "7f3a");
  EXPECT_EQ(trial.seed, 3u);
  EXPECT_EQ(trial.target, 0.5);
  EXPECT_EQ(trial.state, TrialState::kDone);
  EXPECT_EQ(trial.settings.at("strategy.theta"), "2");
  ASSERT_THAT(trial.curve, SizeIs(2));
  EXPECT_EQ(trial.curve[0].seconds, 4);
  EXPECT_EQ(trial.curve[0].bytes, 2e6);  // The step's total was older than the one before it.
  EXPECT_EQ(trial.curve[1].bytes, 4e6);
  EXPECT_EQ(trial.intervals->count, 2u);
  EXPECT_EQ(trial.intervals->median, 15);
}

TEST_F(ReportFiles, PassOverALineThatACrashTore) {
  const std::string torn = R"({"t":9.5,"event":"step","st)";
  const auto whole = ReadTrials({Write("a/metrics.jsonl", Metrics(false) + torn)});
  ASSERT_OK(whole);
  EXPECT_EQ(whole->front().state, TrialState::kUnfinished);
  EXPECT_EQ(whole->front().name, "a");
  EXPECT_THAT(whole->front().curve, SizeIs(2));
  const std::string sweep = SweepLine("fda", 2, 0, 1e6).dump();
  const auto lines = ReadTrials({Write("results.jsonl", sweep + "\n" + sweep.substr(0, 99))});
  ASSERT_OK(lines);
  EXPECT_THAT(*lines, SizeIs(1));
}

TEST_F(ReportFiles, RefuseAnyOtherBrokenLineWithFileAndNumber) {
  const runtime::UserError event = Refused(Write("m.jsonl", Metrics() + "{}\n" + Metrics()));
  EXPECT_EQ(event.code, "FILE_UNREADABLE");
  EXPECT_EQ(event.exit, runtime::Exit::kUnreadable);
  EXPECT_THAT(event.message, HasSubstr("m.jsonl, line 10: "));
  for (const char* const member : {"point", "seed", "state", "schema"}) {
    Json line = SweepLine("fda", 2, 0, 1e6);
    line[member] = "no";
    const runtime::UserError error = Refused(
        Write("results.jsonl", SweepLine("fda", 2, 0, 1).dump() + "\n" + line.dump() + "\n"));
    EXPECT_EQ(error.exit, runtime::Exit::kUnreadable) << member;
    EXPECT_THAT(error.message, HasSubstr("line 2: ")) << member;
  }
  Json later = SweepLine("fda", 2, 0, 1e6);
  later["schema"] = 2;
  EXPECT_EQ(Refused(Write("results.jsonl", later.dump() + "\n")).code, "SCHEMA_UNKNOWN");
  Write("c/config.toml", "[run]\n");
  Write("d/config.toml", "[run]\nworkerz = 2\n");
  EXPECT_EQ(Refused(Write("d/metrics.jsonl", Metrics())).exit, runtime::Exit::kUnreadable);
  EXPECT_EQ(Refused(folder_ + "/nowhere").code, "FILE_NOT_FOUND");
  EXPECT_EQ(Refused(folder_ + "/c").code, "FILE_NOT_FOUND");
  EXPECT_EQ(Refused("/dev/zero").exit, runtime::Exit::kUnreadable);
}

TEST_F(ReportFiles, TakeTheLastLineOfARunAndTellSweepsApart) {
  const std::string failed = FailedLine("fda", 2, 0).dump(),
                    done = SweepLine("fda", 2, 0, 1e6).dump();
  const std::string one = Write("a/results.jsonl", failed + "\n" + done + "\n");
  const std::string other = Write("b/results.jsonl", done + "\n");
  const auto trials = ReadTrials({one, other});
  ASSERT_OK(trials);
  ASSERT_THAT(*trials, SizeIs(2));
  EXPECT_EQ((*trials)[0].state, TrialState::kDone);
  EXPECT_THAT(MakeGroups(*trials), SizeIs(2));
}

TEST(ReportPage, ALongBandStaysSmallAndATallMembershipFinite) {
  Json line = SweepLine("fda", 2, 0, 1e6);
  line["curve"] = Json::array();
  for (std::uint64_t i = 1; i <= 20000; ++i) {
    line["curve"].push_back({{"step", i}, {"accuracy", 0.5}, {"bytes", i}, {"t", 0.1}});
  }
  Json second = line;
  second["seed"] = 1;
  EXPECT_LT(PageOf(Sweep({line, second})).size(), 500'000u);
  Trial trial = Sweep({SweepLine("fda", 2, 0, 1e6)}).at(0);
  trial.incidents = {{.step = 0, .slot = 0, .text = "a"},
                     {.step = 5, .seconds = 1, .slot = 4294967295u, .text = "b"}};
  EXPECT_THAT(PageOf({trial}), Not(HasSubstr("480 -")));
}

TEST(ReportLines, AreGivenWholeAndBounded) {
  std::vector<std::string> lines;
  std::istringstream text("a\n\nbc\r\n" + std::string(70000, 'd') + "\ntorn");
  ASSERT_OK(ForEachLine(text, 100000, [&](const std::string& line, bool is_whole) {
    lines.push_back(is_whole ? line.substr(0, 3) : line + "~");
    return absl::OkStatus();
  }));
  EXPECT_THAT(lines, ElementsAre("a", "bc", "ddd", "torn~"));
  std::istringstream endless(std::string(1000000, 'x'));
  EXPECT_THAT(
      ForEachLine(endless, 100000, [](const std::string&, bool) { return absl::OkStatus(); }),
      tests::HasMessage("line 1: it is longer than"));
}

// Bytes, and JSON with its members and values exchanged.
TEST(ReportLines, GarbageIsRefusedOrShownAndNeverAnEnd) {
  std::mt19937 random(7);
  const std::string seeds[] = {SweepLine("fda", 2, 0, 1e6).dump(), Metrics(),
                               std::string(5000, '['), "{\"point\":" + std::string(5000, '[')};
  for (int turn = 0; turn < 3000; ++turn) {
    std::string line = seeds[random() % std::size(seeds)];
    for (unsigned change = random() % 8; change > 0; --change) {
      const std::size_t place = random() % line.size();
      switch (random() % 3) {
        case 0: line[place] = static_cast<char>(random()); break;
        case 1: line.erase(place, random() % 9); break;
        default: line.insert(place, line.substr(random() % line.size(), random() % 30));
      }
      if (line.empty()) line = "x";
    }
    const absl::StatusOr<Trial> trial = ReadSweepLine(line);
    MetricsReader reader("fuzz");
    std::istringstream events(line);
    ForEachLine(events, 1 << 20, [&](const std::string& event, bool) {
      reader.Add(event).IgnoreError();
      return absl::OkStatus();
    }).IgnoreError();
    std::vector<Trial> trials = {reader.Take("fuzz")};
    if (trial.ok()) trials.push_back(*trial);
    const std::string page = PageOf(trials);
    EXPECT_THAT(page, HasSubstr("</html>"));
  }
}

TEST(ReportGroups, ArePointsOfEqualSettingsInOrderWithOneColourForAStrategy) {
  const std::vector<Trial> trials =
      Sweep({SweepLine("fda", 10, 1, 1e6), SweepLine("local", 0, 0, 1e6),
             SweepLine("fda", 2, 1, 1e6), SweepLine("fda", 10, 0, 1e6)});
  const std::vector<Group> groups = MakeGroups(trials);
  ASSERT_THAT(groups, SizeIs(3));
  EXPECT_EQ(groups[0].Label(), "fda linear θ 2");
  EXPECT_EQ(groups[1].Label(), "fda linear θ 10");
  EXPECT_EQ(groups[2].Label(), "local");
  EXPECT_EQ(groups[1].trials[0]->seed, 0u);
  EXPECT_EQ(groups[0].color, groups[1].color);
  EXPECT_NE(groups[0].color, groups[2].color);
  EXPECT_EQ(groups[0].Theta(), 2);
  EXPECT_THAT(Comparable(groups), SizeIs(1));
}

TEST(ReportGroups, AreComparedWithThoseOfEqualOtherSettingsOnly) {
  Json ten = SweepLine("fda", 2, 0, 1e6);
  ten["point"]["run.workers"] = 10;
  const std::vector<Trial> trials =
      Sweep({ten, SweepLine("fda", 2, 0, 1e6), SweepLine("synchronous", 0, 0, 8e6)});
  const std::vector<Group> groups = MakeGroups(trials);
  ASSERT_THAT(Comparable(groups), SizeIs(2));
  EXPECT_EQ(groups[0].Label(), "synchronous (K 5)");
  EXPECT_EQ(groups[2].Label(), "fda linear θ 2 (K 10)");
  const std::string page = PageOf(trials);
  EXPECT_THAT(page, HasSubstr(">8×</td>"));  // Of K 5; for K 10 there is none to compare with.
  EXPECT_EQ(page.find(">8×</td>"), page.rfind(">8×</td>"));
}

TEST(ReportGroups, LocalRunsWithAnotherPointsIntervalAreOnePoint) {
  std::vector<Json> lines = {SweepLine("local", 0, 0, 1e6), SweepLine("local", 0, 1, 1e6)};
  for (Json& line : lines) {
    line["point"]["strategy.tau"] = 70 + line["seed"].get<int>();
    line["matched"] = {{"strategy.estimator", "linear"}, {"strategy.theta", 2}};
  }
  const std::vector<Trial> trials = Sweep(lines);
  const std::vector<Group> groups = MakeGroups(trials);
  ASSERT_THAT(groups, SizeIs(1));
  EXPECT_EQ(groups[0].Label(), "local τ of linear θ 2");
}

TEST(ReportPage, ShowsFailedRunsAndMissedTargetsInTheTable) {
  Json missed = SweepLine("fda", 2, 2, 3e6);
  missed["result"]["reached_step"] = nullptr;
  const std::string page =
      PageOf(Sweep({SweepLine("fda", 2, 0, 1e6), FailedLine("fda", 2, 1), missed}));
  EXPECT_THAT(page, HasSubstr("<td class=\"n\">1 of 3</td>"));
  EXPECT_THAT(page, HasSubstr("1 of 3 failed"));
  EXPECT_THAT(page, HasSubstr("WORKER_LOST"));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;x"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
}

TEST(ReportPage, HasEachSectionOnlyWithData) {
  const auto ids = [](const std::string& page) {
    std::string found;
    for (const char* id : {"cost", "points", "failures", "curves", "spending", "synchronizing",
                           "membership", "notes"}) {
      if (page.find("<section id=\"" + std::string(id)) != std::string::npos) {
        found += found.empty() ? id : std::string(" ") + id;
      }
    }
    return found;
  };
  EXPECT_EQ(ids(PageOf(Sweep({FailedLine("fda", 2, 0)}))), "points failures");
  EXPECT_EQ(ids(PageOf(Sweep({SweepLine("local", 0, 0, 1e6)}))), "points curves spending");
  const std::string two = PageOf(Sweep({SweepLine("fda", 2, 0, 1e6), SweepLine("fda", 4, 0, 5e5)}));
  EXPECT_EQ(ids(two), "cost points curves spending synchronizing");
  EXPECT_THAT(two, HasSubstr("Accuracy after 750 steps"));
  EXPECT_THAT(two, HasSubstr("What it took to reach 90 %"));
  EXPECT_THAT(two, HasSubstr("Steps between synchronizations against theta"));
}

TEST(ReportPage, ASingleTestIsNoCurve) {
  Json line = SweepLine("fda", 2, 0, 1e6);
  EXPECT_THAT(PageOf(Sweep({line})), HasSubstr("Accuracy against steps"));
  line["curve"].erase(0);
  EXPECT_THAT(PageOf(Sweep({line})), Not(HasSubstr("Accuracy against steps")));
}

TEST(ReportPage, AThetaFarAboveTheVarianceDoesNotFlattenIt) {
  Trial trial = Sweep({SweepLine("fda", 2, 0, 1e6)}).at(0);
  trial.trace = {{1, 0.5, 1e30}, {2, 0.9, 1e30}};
  EXPECT_THAT(PageOf({trial}), HasSubstr("Theta is far above what is drawn here."));
  trial.trace = {{1, 0.5, 2}, {2, 0.9, 2}};
  EXPECT_THAT(PageOf({trial}), Not(HasSubstr("Theta is far above")));
}

TEST(ReportPage, ShowsWhatHappenedInARun) {
  MetricsReader reader("a");
  std::istringstream events(Metrics(false) +
                            Line(9, actors::DeathEvent{30, 1, "worker-1", "killed <b>", 1}) +
                            Line(9.5, actors::AbortEvent{30, "1.2.3", "lost slot 1", {}}) +
                            Line(10, actors::NoteEvent{30, "a note"}));
  ASSERT_OK(ForEachLine(events, 1 << 20,
                        [&](const std::string& line, bool) { return reader.Add(line); }));
  const std::string page = PageOf({reader.Take("a")});
  EXPECT_THAT(page, HasSubstr("Variance estimate: "));
  EXPECT_THAT(page, HasSubstr("2 synchronizations."));
  EXPECT_THAT(page, HasSubstr("Who was there: "));
  EXPECT_THAT(page, HasSubstr("worker-1: killed &lt;b&gt;"));
  EXPECT_THAT(page, HasSubstr("attempt given up"));
  EXPECT_THAT(page, HasSubstr("a note"));
  EXPECT_THAT(page, HasSubstr("without an end"));
}

TEST(ReportPage, NeedsNothingFromElsewhere) {
  const std::string page =
      PageOf(Sweep({SweepLine("fda", 2, 0, 1e6), SweepLine("synchronous", 0, 0, 5e7)}));
  for (const char* const foreign : {"http:", "https:", "src=", "@import", "<script", "<link"}) {
    EXPECT_THAT(page, Not(HasSubstr(foreign)));
  }
}

TEST(ReportPage, OfALongRunStaysSmall) {
  MetricsReader reader("long");
  for (std::uint64_t step = 1; step <= 100000; ++step) {
    const double variance = static_cast<double>(step % 71) / 35;
    ASSERT_OK(reader.Add(Line(0.01 * static_cast<double>(step),
                              actors::StepEvent{step, {}, variance, 2.0, 2, step / 71, step})));
    if (step % 71 != 0) continue;
    ASSERT_OK(reader.Add(
        Line(0.01 * static_cast<double>(step), actors::SyncEvent{.step = step, .interval = 71})));
  }
  EXPECT_LT(PageOf({reader.Take("long")}).size(), 150000u);
}

tests::ShellResult Rondo(const std::string& arguments) {
  return tests::RunInShell(RONDO_SOURCE_DIR, RONDO_PROGRAM " report " + arguments);
}

TEST_F(ReportFiles, TheProgramWritesThePageAndSaysSo) {
  Write("a/metrics.jsonl", Metrics());
  Write("s/results.jsonl",
        SweepLine("fda", 2, 0, 1e6).dump() + "\n" + SweepLine("fda", 2, 1, 1e6).dump() + "\n");
  const std::string out = folder_ + "/out.html";
  const auto result = Rondo(folder_ + "/a " + folder_ + "/s -o " + out + " --title '<i>x' --json");
  ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  const Json data = Json::parse(result.out)["data"];
  EXPECT_EQ(data["path"], out);
  EXPECT_EQ(data["runs"], 3);
  EXPECT_EQ(data["points"], 2);
  EXPECT_EQ(data["bytes"], std::filesystem::file_size(out));
  EXPECT_THAT(tests::ReadWholeFile(out), HasSubstr("<h1>&lt;i&gt;x</h1>"));
  EXPECT_THAT(Rondo(folder_ + "/a --out " + out).out, HasSubstr("1 run, 1 point, "));
}

TEST_F(ReportFiles, TheProgramLeavesAnOldPageWhereItCannotMakeANewOne) {
  const std::string out = Write("out.html", "old");
  const std::string run = Write("m.jsonl", Metrics());
  EXPECT_EQ(Rondo(folder_ + "/nowhere -o " + out).exit_code, 6);
  EXPECT_EQ(Rondo(Write("broken.jsonl", "{}\n") + " -o " + out).exit_code, 8);
  const auto failed = Rondo(run + " -o " + folder_ + "/no/such/out.html --json");
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_EQ(Json::parse(failed.out)["code"], "OUTPUT_FAILED");
  EXPECT_EQ(Rondo(Write("results.jsonl", "") + " -o " + out).exit_code, 6);
  EXPECT_EQ(tests::ReadWholeFile(out), "old");
}

}  // namespace
}  // namespace apps::report
