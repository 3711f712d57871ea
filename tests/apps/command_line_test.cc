#include "apps/rondo/command_line.h"

#include <gtest/gtest.h>

#include "runtime/base/error.h"
#include "tests/support/status_matchers.h"

namespace apps {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

template <typename Options>
Options Parsed(const std::vector<std::string>& arguments, const Environment& environment = {}) {
  const auto command = ParseCommandLine(arguments, environment);
  EXPECT_OK(command);
  if (!command.ok() || !std::holds_alternative<Options>(command->options)) {
    ADD_FAILURE() << "another verb";
    return Options{};
  }
  return std::get<Options>(command->options);
}

runtime::UserError Refused(const std::vector<std::string>& arguments) {
  const auto command = ParseCommandLine(arguments, {});
  if (!command.ok()) return runtime::ToUserError(command.status());
  return {};
}

TEST(CommandLine, RunKeepsItsFlagsAsOverridesInOrder) {
  const auto options = Parsed<RunOptions>({"run", "--set", "strategy.theta=0.5", "c.toml", "--set",
                                           "data.dir=a=b", "--max-steps", "7"});
  EXPECT_EQ(options.config_path, "c.toml");
  ASSERT_EQ(options.overrides.size(), 3u);
  EXPECT_EQ(options.overrides[0].key, "strategy.theta");
  EXPECT_EQ(options.overrides[0].value, "0.5");
  EXPECT_EQ(options.overrides[1].value, "a=b");
  EXPECT_EQ(options.overrides[2].key, "run.max_steps");
  EXPECT_EQ(options.overrides[2].origin, "--max-steps");
  EXPECT_FALSE(options.head.has_value());
  EXPECT_FALSE(options.dry_run);
}

TEST(CommandLine, TheHeadComesFromTheFlagElseFromTheEnvironment) {
  const Environment environment = {{"RONDO_HEAD", "a:1"}};
  EXPECT_EQ(Parsed<RunOptions>({"run", "c"}, environment).head, "a:1");
  EXPECT_EQ(Parsed<RunOptions>({"run", "c", "--head=b:2"}, environment).head, "b:2");
  EXPECT_EQ(Parsed<DownOptions>({"down"}, environment).head, "a:1");
  EXPECT_EQ(Parsed<StatusOptions>({"status"}, {{"RONDO_HEAD", ""}}).head, std::nullopt);
}

TEST(CommandLine, JoinReadsEveryFlag) {
  const auto options = Parsed<JoinOptions>(
      {"join", "h:1", "--name", "n", "--workers", "3", "--data", "/d", "--advertise", "x",
       "--port-range", "7100-7200", "--threads", "2", "--timeout", "1500ms", "--insecure"});
  EXPECT_EQ(options.where, "h:1");
  EXPECT_EQ(options.name, "n");
  EXPECT_EQ(options.workers, 3u);
  EXPECT_EQ(options.data_dir, "/d");
  EXPECT_EQ(options.advertise, "x");
  ASSERT_TRUE(options.port_range.has_value());
  EXPECT_EQ(options.port_range->first, 7100);
  EXPECT_EQ(options.port_range->last, 7200);
  EXPECT_EQ(options.threads, 2u);
  EXPECT_EQ(options.timeout, milliseconds(1500));
  EXPECT_TRUE(options.insecure);
}

TEST(CommandLine, JoinTakesWhereAndDataFromTheEnvironment) {
  const auto options =
      Parsed<JoinOptions>({"join"}, {{"RONDO_JOIN", "h:7070"}, {"RONDO_DATA", "/data"}});
  EXPECT_EQ(options.where, "h:7070");
  EXPECT_EQ(options.data_dir, "/data");
}

TEST(CommandLine, OutputFlagsWorkOnEveryVerb) {
  for (const std::vector<std::string>& verb :
       std::vector<std::vector<std::string>>{{"run", "c"},
                                             {"head"},
                                             {"join", "h:1"},
                                             {"status"},
                                             {"check"},
                                             {"down"},
                                             {"stop"},
                                             {"runs"},
                                             {"show", "7f3a"},
                                             {"leave"},
                                             {"report", "runs/7f3a"},
                                             {"version"},
                                             {"bench", "allreduce"},
                                             {"help"}}) {
    std::vector<std::string> arguments = verb;
    arguments.insert(arguments.end(), {"--json", "--quiet", "--no-color"});
    const auto command = ParseCommandLine(arguments, {});
    ASSERT_OK(command) << verb[0];
    EXPECT_EQ(command->verb, verb[0]);
    EXPECT_EQ(command->output.format, OutputFormat::kJson);
    EXPECT_TRUE(command->output.quiet);
    EXPECT_TRUE(command->output.no_color);
  }
}

TEST(CommandLine, ReportTakesAnyNumberOfRunsAroundItsFlags) {
  const auto report =
      Parsed<ReportOptions>({"report", "a", "-o", "x.html", "b", "--title", "t", "c"});
  EXPECT_EQ(report.runs, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(report.out, "x.html");
  EXPECT_EQ(report.title, "t");
  EXPECT_EQ(Parsed<ReportOptions>({"report", "a", "--out=y.html"}).out, "y.html");
  EXPECT_EQ(Parsed<ReportOptions>({"report", "a"}).out, "report.html");
  EXPECT_EQ(Refused({"report"}).code, "USAGE_MISSING_ARGUMENT");
  EXPECT_EQ(Refused({"report", "a", "-o"}).code, "USAGE_MISSING_VALUE");
  EXPECT_EQ(Refused({"report", "a", "-o", "x", "--out", "y"}).code, "USAGE_REPEATED_FLAG");
}

TEST(CommandLine, VerbsAboutRunsReadEveryFlag) {
  const auto stop =
      Parsed<StopOptions>({"stop", "7f3a", "--no-wait", "--timeout", "30s", "--head", "h:1"});
  EXPECT_EQ(stop.run_id, "7f3a");
  EXPECT_FALSE(stop.wait);
  EXPECT_EQ(stop.timeout, seconds(30));
  EXPECT_EQ(stop.head, "h:1");
  const auto show = Parsed<ShowOptions>({"show", "7f3a", "--fetch", "d", "--head", "h:1"});
  EXPECT_EQ(show.run_id, "7f3a");
  EXPECT_EQ(show.fetch, "d");
  const auto leave = Parsed<LeaveOptions>({"leave", "box-0", "--timeout", "5"});
  EXPECT_EQ(leave.node, "box-0");
  EXPECT_EQ(leave.timeout, seconds(5));
  EXPECT_EQ(Parsed<RunsOptions>({"runs"}, {{"RONDO_HEAD", "a:1"}}).head, "a:1");
}

TEST(CommandLine, VerbsAboutRunsHaveDefaults) {
  const auto stop = Parsed<StopOptions>({"stop"});
  EXPECT_EQ(stop.run_id, "");
  EXPECT_TRUE(stop.wait);
  EXPECT_EQ(Parsed<LeaveOptions>({"leave"}).node, "");
  EXPECT_EQ(Refused({"show"}).code, "USAGE_MISSING_ARGUMENT");
  EXPECT_EQ(Refused({"leave", "a", "b"}).code, "USAGE_UNEXPECTED_ARGUMENT");
}

TEST(CommandLine, OnlyARunThatIsSubmittedNeedsNoWaiting) {
  EXPECT_FALSE(Parsed<RunOptions>({"run", "c", "--head", "h:1", "--no-wait"}).wait);
  EXPECT_TRUE(Parsed<RunOptions>({"run", "c", "--head", "h:1"}).wait);
  EXPECT_FALSE(Parsed<RunOptions>({"run", "c", "--no-wait"}, {{"RONDO_HEAD", "h:1"}}).wait);
  EXPECT_EQ(Refused({"run", "c", "--no-wait"}).code, "USAGE_MISSING_ARGUMENT");
}

TEST(CommandLine, BenchReadsEveryFlag) {
  const auto options =
      Parsed<BenchAllreduceOptions>({"bench", "allreduce", "--workers", "8", "--elements", "25",
                                     "--transport", "tcp", "--repeats", "3"});
  EXPECT_EQ(options.workers, 8u);
  EXPECT_EQ(options.elements, 25u);
  EXPECT_EQ(options.transport, actors::TransportName::kTcp);
  EXPECT_EQ(options.repeats, 3u);
}

TEST(CommandLine, SuggestsTheNearestVerbAndFlag) {
  EXPECT_EQ(Refused({"jion", "x"}).hint, "did you mean join?");
  EXPECT_EQ(Refused({"stauts"}).hint, "did you mean status?");
  EXPECT_EQ(Refused({"run", "c", "--dryrun"}).hint, "did you mean --dry-run?");
  EXPECT_EQ(Refused({"run", "c", "--worker", "3"}).hint, "did you mean --workers?");
  EXPECT_EQ(Refused({"head", "--listn=x"}).hint, "did you mean --listen?");
  EXPECT_EQ(Refused({"run", "c", "--learning-rate", "1"}).hint,
            "use --set optimizer.learning_rate=VALUE");
}

TEST(CommandLine, RefusesARepeatedSingleFlagAndTakesARepeatedSet) {
  EXPECT_EQ(Refused({"run", "c", "--seed", "1", "--seed", "2"}).code, "USAGE_REPEATED_FLAG");
  EXPECT_OK(ParseCommandLine({"run", "c", "--set", "a.b=1", "--set", "a.b=2"}, {}));
}

TEST(CommandLine, AFlagIsNeverTheValueOfTheOneBeforeIt) {
  EXPECT_EQ(Refused({"run", "c", "--head", "--json"}).code, "USAGE_MISSING_VALUE");
  EXPECT_EQ(Refused({"run", "c", "--head"}).code, "USAGE_MISSING_VALUE");
  EXPECT_EQ(Refused({"run", "c", "--head="}).code, "USAGE_MISSING_VALUE");
}

TEST(CommandLine, BehindTwoDashesNothingIsAFlag) {
  EXPECT_EQ(Parsed<RunOptions>({"run", "--", "--odd.toml"}).config_path, "--odd.toml");
}

TEST(CommandLine, NegativeNumbersAreValues) {
  EXPECT_EQ(Parsed<RunOptions>({"run", "c", "--seed", "-1"}).overrides[0].value, "-1");
  EXPECT_EQ(Refused({"join", "h:1", "--workers", "-1"}).code, "USAGE_INVALID_VALUE");
}

TEST(Durations, AreNumbersWithAUnit) {
  const auto parse = [](const std::string& text) { return ParseDuration("--t", text); };
  EXPECT_EQ(*parse("30s"), seconds(30));
  EXPECT_EQ(*parse("500ms"), milliseconds(500));
  EXPECT_EQ(*parse("1.5m"), seconds(90));
  EXPECT_EQ(*parse("2h"), seconds(7200));
  EXPECT_EQ(*parse("10"), seconds(10));
  for (const char* bad : {"", "s", "-5s", "0s", "5d", "5 s", "1e3s", "nan", "inf", "1..2s", "169h",
                          "99999999999999999999999999h", "5ss"}) {
    EXPECT_FALSE(parse(bad).ok()) << bad;
  }
}

TEST(Counts, AreWholeNumbersInARange) {
  EXPECT_EQ(*ParseCount("--n", "32", 1, 32), 32u);
  for (const char* bad :
       {"", "0", "33", "-1", "1.0", "1e1", "0x10", " 1", "1 ", "eins", "18446744073709551616"}) {
    EXPECT_FALSE(ParseCount("--n", bad, 1, 32).ok()) << bad;
  }
}

TEST(PortRanges, AreTwoPortsInOrder) {
  const auto range = ParsePortRange("--port-range", "1-65535");
  ASSERT_OK(range);
  EXPECT_EQ(range->first, 1);
  EXPECT_EQ(range->last, 65535);
  for (const char* bad :
       {"", "7100", "7200-7100", "0-10", "1-65536", "-1-5", "1-", "-", "a-b", "1-2-3"}) {
    EXPECT_FALSE(ParsePortRange("--port-range", bad).ok()) << bad;
  }
}

TEST(GuessOutput, HonoursJsonAmongOtherwiseWrongArguments) {
  EXPECT_EQ(GuessOutput({"x", "--json"}).format, OutputFormat::kJson);
  EXPECT_EQ(GuessOutput({"--jsonl"}).format, OutputFormat::kJsonl);
  EXPECT_EQ(GuessOutput({"run", "--", "--json"}).format, OutputFormat::kHuman);
  EXPECT_EQ(GuessVerb({"run", "x"}), "run");
  EXPECT_EQ(GuessVerb({"rnu"}), "");
  EXPECT_EQ(GuessVerb({}), "");
}

}  // namespace
}  // namespace apps
