// The real program against golden files: what it prints and its exit code. After a wanted change:
//   RONDO_UPDATE_GOLDEN=1 build/dev/rondo_program_test
#include <gtest/gtest.h>

#include <fstream>
#include <ostream>
#include <string>

#include <nlohmann/json.hpp>

#include "tests/support/shell.h"

namespace apps {
namespace {

using tests::ShellResult;

const std::string kGoldenFolder = RONDO_SOURCE_DIR "/tests/apps/golden/";

ShellResult Rondo(const std::string& arguments) {
  return tests::RunInShell(RONDO_SOURCE_DIR, RONDO_PROGRAM " " + arguments);
}

struct GoldenCase {
  std::string file;
  std::string arguments;
};

void PrintTo(const GoldenCase& golden, std::ostream* stream) { *stream << golden.arguments; }

class Golden : public testing::TestWithParam<GoldenCase> {};

TEST_P(Golden, PrintsWhatItPrintedBefore) {
  const ShellResult result = Rondo(GetParam().arguments);
  const std::string text = "$ rondo " + GetParam().arguments + "\nexit " +
                           std::to_string(result.exit_code) + "\n--- stdout\n" + result.out +
                           "--- stderr\n" + result.err;
  const std::string path = kGoldenFolder + GetParam().file + ".txt";
  if (std::getenv("RONDO_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << text;
  EXPECT_EQ(text, tests::ReadWholeFile(path)) << path;
}

const GoldenCase kGoldenCases[] = {
    {"nothing", ""},
    {"help", "help"},
    {"help_flag", "--help"},
    {"help_verb", "help status"},
    {"help_unknown_verb", "help statsu"},
    {"help_json", "help --json"},
    {"run_help", "run --help"},
    {"head_help", "head --help"},
    {"join_help", "join --help"},
    {"status_help", "status --help"},
    {"check_help", "check --help"},
    {"down_help", "down --help"},
    {"stop_help", "stop --help"},
    {"runs_help", "runs --help"},
    {"show_help", "show --help"},
    {"leave_help", "leave --help"},
    {"bench_help", "bench --help"},
    {"version_help", "version --help"},
    {"unknown_verb", "statsu"},
    {"unknown_verb_json", "statsu --json"},
    {"flag_before_verb", "--json status"},
    {"run_dry", "run apps/examples/quadratic.toml --dry-run --seed 7 --set strategy.theta=0.25"},
    {"run_dry_json", "run apps/examples/digits.toml --dry-run --json"},
    {"run_dry_local",
     "run apps/examples/digits.toml --dry-run --set strategy.name=local "
     "--set strategy.tau=10 --set data.partition=sorted:60 --workers 3"},
    {"run_dry_clock",
     "run apps/examples/digits.toml --dry-run --set strategy.name=clock --set strategy.tau=10 "
     "--set optimizer.schedule=cosine --set optimizer.warmup=50"},
    {"run_dry_cluster_threads",
     "run apps/examples/quadratic.toml --head 127.0.0.1:1 --dry-run --threads 2"},
    {"run_dry_cluster_threads_json",
     "run apps/examples/quadratic.toml --head 127.0.0.1:1 --dry-run --json --threads 2"},
    {"run_dry_wan", "run apps/examples/digits.toml --dry-run --set network.profile=wan"},
    {"run_dry_own", "run apps/examples/mnist-own.toml --head 127.0.0.1:1 --dry-run"},
    {"run_dry_densenet",
     "run apps/examples/mnist-own.toml --head 127.0.0.1:1 --dry-run --set data.source=cifar10 "
     "--set model.name=densenet121"},
    {"run_own_embedded", "run apps/examples/mnist-own.toml"},
    {"run_dry_no_data_json",
     "run apps/examples/mnist-local.toml --set data.dir=no-such-folder --dry-run --json"},
    {"run_no_config", "run"},
    {"run_no_config_json", "run --json"},
    {"run_no_config_jsonl", "run --jsonl"},
    {"run_missing_file_json", "run no-such.toml --json"},
    {"run_directory", "run apps"},
    {"run_device", "run /dev/zero"},
    {"run_unknown_flag", "run apps/examples/digits.toml --max-step 3"},
    {"run_config_flag", "run apps/examples/digits.toml --theta 3"},
    {"run_missing_value", "run apps/examples/digits.toml --seed --json"},
    {"run_unknown_key_json", "run apps/examples/digits.toml --set strategy.thetaa=0.5 --json"},
    {"run_bad_set", "run apps/examples/digits.toml --set theta"},
    {"run_bad_value", "run apps/examples/digits.toml --workers many"},
    {"run_not_available_json", "run apps/examples/digits.toml --set strategy.overlap=true --json"},
    {"run_quantum_of_sketches_json",
     "run apps/examples/mnist-sketch.toml --set strategy.decision=quantum --json"},
    {"head_bad_ports_json", "head --port-range 7200-7100 --json"},
    {"head_resume", "head --resume"},
    {"join_nowhere_json", "join --json"},
    {"join_bad_timeout", "join host:7070 --timeout 10q"},
    {"join_bad_workers", "join host:7070 --workers 0"},
    {"status_two_formats", "status --json --jsonl"},
    {"status_watch_json", "status -w --json"},
    {"status_bad_head", "status --head nowhere"},
    {"status_unreachable", "status --head 127.0.0.1:1"},
    {"status_unreachable_jsonl", "status --head 127.0.0.1:1 --jsonl"},
    {"down_unreachable_json", "down --head 127.0.0.1:1 --json"},
    {"check_extra_json", "check a b --json"},
    {"down_extra", "down now"},
    {"run_no_wait_json", "run apps/examples/quadratic.toml --no-wait --json"},
    {"stop_bad_timeout", "stop --timeout soon"},
    {"stop_unreachable_json", "stop 7f3a --head 127.0.0.1:1 --json"},
    {"runs_extra", "runs 7f3a"},
    {"runs_unreachable", "runs --head 127.0.0.1:1"},
    {"show_no_run_json", "show --json"},
    {"show_unreachable_json", "show 7f3a --fetch d --head 127.0.0.1:1 --json"},
    {"leave_extra_json", "leave a b --json"},
    {"leave_unreachable", "leave --head 127.0.0.1:1"},
    {"bench_nothing_json", "bench --json"},
    {"bench_unknown", "bench alreduce"},
    {"bench_bad_elements", "bench allreduce --elements 1e6"},
    {"bench_bad_repeats_json", "bench allreduce --repeats 0 --json"},
    {"bench_bad_transport", "bench allreduce --transport udp"},
    {"evaluate_help", "evaluate --help"},
    {"evaluate_no_model_json", "evaluate --json"},
    {"evaluate_not_found_json", "evaluate no-such.pt --data digits --json"},
    {"evaluate_no_run", "evaluate apps"},
    {"version_extra_json", "version 2 --json"},
};

INSTANTIATE_TEST_SUITE_P(Table, Golden, testing::ValuesIn(kGoldenCases),
                         [](const auto& info) { return info.param.file; });

TEST(RondoProgram, TellsItsVersion) {
  const ShellResult result = Rondo("version --json");
  EXPECT_EQ(result.exit_code, 0);
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(json["ok"], true);
  EXPECT_EQ(json["verb"], "version");
  EXPECT_TRUE(json["data"]["version"].is_string());
  EXPECT_TRUE(json["data"]["protocol"].is_number_unsigned());
  EXPECT_EQ(Rondo("--version").out.rfind("rondo ", 0), 0u);
}

TEST(RondoProgram, MeasuresTheAllreduceOverTheTransportItWasAskedFor) {
  for (const std::string transport : {"tcp", "ipc"}) {
    const ShellResult result =
        Rondo("bench allreduce --workers 2 --elements 100000 --repeats 3 --json --transport " +
              transport);
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
    const auto data = nlohmann::json::parse(result.out)["data"];
    EXPECT_EQ(data["transport"], transport);
    EXPECT_EQ(data["payload_bytes"], 400000);
    EXPECT_GT(data["min_ms"], 0.0);
    EXPECT_LE(data["min_ms"], data["median_ms"]);
    EXPECT_LE(data["median_ms"], data["max_ms"]);
    EXPECT_GT(data["gbytes_per_s"], 0.0);
  }
}

TEST(RondoProgram, ChecksWithOneLineForEachThingAndTheFirstFailuresExitCode) {
  const ShellResult result = Rondo("check apps/examples/digits.toml --head 127.0.0.1:1");
  EXPECT_NE(result.out.find("ok       config  apps/examples/digits.toml\n"), std::string::npos);
  EXPECT_NE(result.out.find("ok       data    digits: 60,000 training and 10,000 test samples"),
            std::string::npos);
  EXPECT_NE(result.out.find("failed   head "), std::string::npos) << result.out;
  const ShellResult broken = Rondo("check no-such.toml --json");
  EXPECT_EQ(broken.exit_code, 2);
  const auto json = nlohmann::json::parse(broken.out);
  EXPECT_EQ(json["code"], "CONFIG_UNREADABLE");
  EXPECT_EQ(json["data"]["items"][0]["state"], "failed");
  EXPECT_GE(json["data"]["items"].size(), 4u);
}

TEST(RondoProgram, LoadsNoTorch) {
  const ShellResult result = tests::RunInShell(RONDO_SOURCE_DIR, "ldd " RONDO_PROGRAM);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_NE(result.out.find("libzmq"), std::string::npos) << result.out;
  EXPECT_EQ(result.out.find("torch"), std::string::npos) << result.out;
  EXPECT_EQ(result.out.find("libc10"), std::string::npos) << result.out;
}

TEST(RondoProgram, AnErrorUnderJsonIsOneObjectOnStdoutAndNothingElse) {
  for (const char* arguments :
       {"run --json", "statsu --json", "run /dev/null --json", "bench --json --frobnicate"}) {
    const ShellResult result = Rondo(arguments);
    EXPECT_EQ(result.exit_code, 2) << arguments;
    EXPECT_EQ(result.err, "") << arguments;
    const auto json = nlohmann::json::parse(result.out);
    EXPECT_EQ(json["ok"], false);
    EXPECT_EQ(json["exit"], 2);
    EXPECT_FALSE(json["message"].get<std::string>().empty());
  }
}

TEST(RondoProgram, SurvivesClosedStreams) {
  EXPECT_EQ(Rondo("version >&-").exit_code, 0);
  EXPECT_EQ(Rondo("version 2>&-").exit_code, 0);
  EXPECT_EQ(Rondo("version <&-").exit_code, 0);
  EXPECT_EQ(Rondo("statsu <&- >&- 2>&-").exit_code, 2);
}

TEST(RondoProgram, IsQuietWhenItsReaderWentAway) {
  const ShellResult result = tests::RunInShell(
      RONDO_SOURCE_DIR, "exec 3> >(true); wait $!; " RONDO_PROGRAM " help >&3; echo $? >&2");
  EXPECT_EQ(result.err, "0\n");
}

TEST(RondoProgram, SaysThatStdoutIsFull) {
  const ShellResult result = Rondo("version >/dev/full");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err.rfind("error[OUTPUT_FAILED]: cannot write to stdout: No space left", 0), 0u);
}

TEST(RondoProgram, PrintsNoControlCodesWhereThereIsNoTerminal) {
  EXPECT_EQ(Rondo("statsu").err.find('\x1b'), std::string::npos);
  EXPECT_EQ(Rondo("help").out.find('\x1b'), std::string::npos);
}

TEST(RondoProgram, TakesAnEnvironmentVariableForAKey) {
  const ShellResult result = tests::RunInShell(
      RONDO_SOURCE_DIR,
      "RONDO_RUN_SEED=99 " RONDO_PROGRAM " run apps/examples/quadratic.toml --dry-run | grep seed");
  EXPECT_NE(result.out.find("seed = 99"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("# RONDO_RUN_SEED"), std::string::npos) << result.out;
}

TEST(RondoProgram, RefusesHostileArguments) {
  EXPECT_EQ(Rondo("$'\\xff\\xfe'").exit_code, 2);
  EXPECT_EQ(Rondo("run $'\\xff' --json").exit_code, 2);
  EXPECT_EQ(Rondo("$(printf 'a%.0s' $(seq 100000))").exit_code, 2);
  EXPECT_EQ(Rondo("run a $(printf -- '--x%.0s ' $(seq 1000))").exit_code, 2);
  EXPECT_EQ(Rondo("''").exit_code, 2);
  EXPECT_EQ(Rondo("-").exit_code, 2);
  EXPECT_EQ(Rondo("run ''").exit_code, 2);
}

}  // namespace
}  // namespace apps
