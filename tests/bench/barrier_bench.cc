// What a barrier at every step costs over links that are far apart: the same training in lockstep,
// without a barrier (strategy.decision = "quantum"), and on a fixed schedule that asks nobody
// (local, at the interval that quantum came to), on an emulated network, as root. And what it costs
// that the ring stops the training: without a barrier, with strategy.overlap.
//
// One run after the other on one cluster. "steps/s" are the run's outside rings: of all workers on
// average, over the time in which no ring was under way, so that whoever waits for the others
// before a ring has waited; with overlap nobody waits, and it is over all time. Bytes of states and
// decisions are as sent, headers included.
//
// What overlap hides: without it synchronizations take s, and rings r, seconds of a run; the steps
// outside take so long that the overlapped run, at that pace, would have ended l seconds before it
// did. It hides 1 - l/r of its rings' time. Below 0: nothing.
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "tests/support/cluster.h"
#include "tests/support/network_cluster.h"
#include "tests/support/processes.h"
#include "tests/tools/net_emulator.h"

namespace {

using tests::NetEmulator;

struct Options {
  std::size_t workers = 4;
  double delay = 0.02;
  double megabits = 100;
  std::string model = "lenet5";
  double step_time = 0.02;
  double theta = 2;
  std::uint64_t steps = 2000;
  std::uint64_t lockstep_steps = 400;
};

constexpr std::chrono::minutes kLongest(10);

// One run, from its events.
struct Measured {
  double steps_per_second = 0;
  double with_synchronizations = 0;
  double steps = 0;
  double synchronizations = 0;
  double state_bytes = 0;  // Of decisions, too.
  double accuracy = 0;
  double seconds = 0;                     // From the first step event to the last.
  double taken = 0;                       // Steps in that time,
  double in_rings = 0, in_all_syncs = 0;  // and seconds.
};

Measured MeasuredIn(const std::string& folder, bool overlaps) {
  Measured run;
  const auto result = tests::LastEvent(folder)["result"];
  run.steps = result["steps"];
  run.synchronizations = result["syncs"];
  run.state_bytes = result["bytes"].value("state", 0.0) + result["bytes"].value("decision", 0.0);
  run.accuracy = result["accuracy"].is_number() ? result["accuracy"].get<double>() : 0;
  const auto steps = tests::EventsOf(folder, "step");
  if (steps.size() < 2) return run;
  const double begin = steps.front()["t"], end = steps.back()["t"];
  run.seconds = end - begin;
  run.taken = steps.back()["step"].get<double>() - steps.front()["step"].get<double>();
  for (const auto& sync : tests::EventsOf(folder, "sync")) {
    if (sync["t"] <= begin || sync["t"] > end) continue;
    run.in_rings += sync["ring_seconds"].get<double>();
    run.in_all_syncs += sync["seconds"].get<double>();
  }
  run.with_synchronizations = run.taken / run.seconds;
  run.steps_per_second =
      overlaps ? run.with_synchronizations : run.taken / (run.seconds - run.in_rings);
  return run;
}

double HiddenBy(const Measured& overlap, const Measured& quantum) {
  const double seconds_per_step = (quantum.seconds - quantum.in_all_syncs) / quantum.taken;
  const double lost = overlap.seconds - overlap.taken * seconds_per_step;
  return 1 - lost / overlap.in_rings;
}

class Bench {
 public:
  explicit Bench(const Options& options) : options_(options) {}

  bool Run() {
    const auto delay = std::chrono::duration_cast<runtime::Duration>(
        std::chrono::duration<double>(options_.delay));
    auto network = NetEmulator::Start(options_.workers + 1,
                                      {.bits_per_second = options_.megabits * 1e6, .delay = delay});
    if (!network.ok()) {
      std::fprintf(stderr, "no network: %s\n", std::string(network.status().message()).c_str());
      return false;
    }
    network_ = *std::move(network);
    std::printf(
        "decision    steps/s  with syncs    steps  interval  state + decision MB  accuracy\n");
    Measured quantum, overlap, lockstep, local;
    if (!RunOne("quantum", options_.steps, {"strategy.decision=quantum"}, quantum)) return false;
    if (!RunOne("overlap", options_.steps, {"strategy.decision=quantum", "strategy.overlap=true"},
                overlap)) {
      return false;
    }
    const double interval = std::max(1.0, std::round(quantum.steps / quantum.synchronizations));
    if (!RunOne("local", options_.steps,
                {"strategy.name=local", absl::StrCat("strategy.tau=", static_cast<int>(interval))},
                local) ||
        !RunOne("lockstep", options_.lockstep_steps, {}, lockstep)) {
      return false;
    }
    std::printf(
        "quantum over local %.2f, over lockstep %.1f; bytes a step, of lockstep's: 1/%.0f\n",
        quantum.steps_per_second / local.steps_per_second,
        quantum.steps_per_second / lockstep.steps_per_second,
        lockstep.state_bytes / lockstep.steps / (quantum.state_bytes / quantum.steps));
    std::printf(
        "overlap hides %.0f %% of its rings' time; steps/s with synchronizations %.2f of those "
        "without it; a ring took %.3f s of %.3f s a synchronization\n",
        100 * HiddenBy(overlap, quantum),
        overlap.with_synchronizations / quantum.with_synchronizations,
        quantum.in_rings / quantum.synchronizations,
        quantum.in_all_syncs / quantum.synchronizations);
    return true;
  }

 private:
  // In a cluster of its own: then the run's folder is the only one.
  bool RunOne(const char* name, std::uint64_t steps, std::vector<std::string> settings,
              Measured& measured) {
    tests::Sandbox sandbox;
    tests::NetworkCluster cluster(sandbox, *network_);
    for (std::size_t host = 1; host <= options_.workers; ++host) cluster.Join(host);
    if (!cluster.WaitForWorkers(options_.workers)) return false;
    const std::string config = options_.model == "lenet5" ? tests::WriteLenet(sandbox, "digits")
                                                          : tests::WriteQuadratic(sandbox);
    settings.insert(settings.begin(),
                    {absl::StrCat("run.workers=", options_.workers), "run.evaluate_every=0",
                     absl::StrCat("run.max_steps=", steps), "run.checkpoint_every=0",
                     absl::StrCat("strategy.theta=", options_.theta)});
    if (options_.model != "lenet5") {
      settings.push_back(absl::StrCat("model.step_time=", options_.step_time));
    }
    const auto run = cluster.Run(settings, config);
    if (run->WaitExit(kLongest) != 0) {
      std::fprintf(stderr, "%s\n", run->Describe().c_str());
      return false;
    }
    measured = MeasuredIn(cluster.folder(), std::string_view(name) == "overlap");
    std::printf("%-9s %9.1f %11.1f %8.0f %9.1f %20.3f %9.3f\n", name, measured.steps_per_second,
                measured.with_synchronizations, measured.steps,
                measured.steps / measured.synchronizations, measured.state_bytes / 1e6,
                measured.accuracy);
    std::fflush(stdout);
    cluster.Stop();
    return true;
  }

  const Options& options_;
  std::unique_ptr<NetEmulator> network_;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("what a barrier costs over links that are far apart; as root");
  app.add_option("--workers", options.workers, "each on a host of its own")
      ->check(CLI::Range(2, 16))
      ->capture_default_str();
  app.add_option("--delay", options.delay, "seconds, one way")->capture_default_str();
  app.add_option("--megabits", options.megabits, "per second, of each way")->capture_default_str();
  app.add_option("--model", options.model, "on digits")
      ->check(CLI::IsMember({"lenet5", "quadratic"}))
      ->capture_default_str();
  app.add_option("--step-time", options.step_time, "of quadratic, seconds")->capture_default_str();
  app.add_option("--theta", options.theta, "variance")->capture_default_str();
  app.add_option("--steps", options.steps, "of quantum and local")->capture_default_str();
  app.add_option("--lockstep-steps", options.lockstep_steps, "of lockstep")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  if (const absl::Status can = NetEmulator::Check(); !can.ok()) {
    std::printf("left out: %s\n", std::string(can.message()).c_str());
    return 0;
  }
  std::printf("%zu workers, %s, %.0f ms one way, %.0f Mbit/s, theta %g\n", options.workers,
              options.model.c_str(), options.delay * 1e3, options.megabits, options.theta);
  return Bench(options).Run() ? 0 : 1;
}
