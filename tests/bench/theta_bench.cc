// Whether strategy.theta = "auto" finds a good theta: seconds from the first step to an accuracy on
// digits with LeNet-5, without tests, for a row of fixed thetas and for auto, at each rate of the
// links and each seed; and how many rounds it takes to notice that the rate has changed. On an
// emulated network, as root.
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/cluster.h"
#include "tests/support/network_cluster.h"
#include "tests/support/processes.h"
#include "tests/tools/net_emulator.h"

namespace {

using nlohmann::json;
using tests::NetEmulator;

struct Options {
  std::size_t workers = 4;
  double delay = 0.001;
  std::vector<double> megabits = {100, 10};
  std::vector<double> thetas = {0.5, 1, 2, 4, 8, 16};
  std::vector<int> seeds = {0, 1};
  double target = 0.975;
  std::string decision = "lockstep";
};

constexpr std::chrono::minutes kLongest(10);

// Of a run that ended at its target.
struct Measured {
  double seconds = 0;  // Without tests.
  double steps = 0;
  double synchronizations = 0;
  double synchronizing = 0;  // Share of these seconds.
  double theta = 0;          // At the end.
};

Measured MeasuredIn(const std::string& folder) {
  const json result = tests::LastEvent(folder)["result"];
  const json by = result["seconds_by"];
  Measured run{.seconds = result["seconds"].get<double>() - by.value("evaluate", 0.0),
               .steps = result["steps"],
               .synchronizations = result["syncs"],
               .theta = result["theta"].is_number() ? result["theta"].get<double>() : 0};
  for (const json& sync : tests::EventsOf(folder, "sync")) {
    run.synchronizing += sync["seconds"].get<double>() / run.seconds;
  }
  return run;
}

// One run after the other, each on a cluster of its own: then its folder is the only one.
class Bench {
 public:
  explicit Bench(const Options& options) : options_(options) {}

  bool Run() {
    for (const double megabits : options_.megabits) {
      std::map<std::string, double> seconds;
      std::printf("%.0f Mbit/s   seed   theta  seconds   steps  interval  synchronizing\n",
                  megabits);
      for (const int seed : options_.seeds) {
        std::string best;
        for (const double theta : options_.thetas) {
          const std::string name = absl::StrCat(theta);
          if (!RunOne(megabits, seed, name, seconds[name])) return false;
          if (best.empty() || seconds[name] < seconds[best]) best = name;
        }
        if (!RunOne(megabits, seed, "auto", seconds["auto"])) return false;
        std::printf("auto over the best, theta %s: %.2f\n", best.c_str(),
                    seconds["auto"] / seconds[best]);
      }
    }
    return NoticesAChange(100, 10) && NoticesAChange(10, 100);
  }

 private:
  NetEmulator::Way WayOf(double megabits) const {
    return {.bits_per_second = megabits * 1e6, .delay = runtime::FromSeconds(options_.delay)};
  }

  bool Start(double megabits) {
    auto network = NetEmulator::Start(options_.workers + 1, WayOf(megabits));
    if (!network.ok()) {
      std::fprintf(stderr, "no network: %s\n", std::string(network.status().message()).c_str());
      return false;
    }
    network_ = *std::move(network);
    return true;
  }

  std::unique_ptr<tests::NetworkCluster> NewCluster(tests::Sandbox& sandbox) {
    auto cluster = std::make_unique<tests::NetworkCluster>(sandbox, *network_);
    for (std::size_t host = 1; host <= options_.workers; ++host) cluster->Join(host);
    return cluster->WaitForWorkers(options_.workers) ? std::move(cluster) : nullptr;
  }

  std::vector<std::string> Settings(int seed, const std::string& theta) const {
    return {absl::StrCat("run.workers=", options_.workers),
            absl::StrCat("run.seed=", seed),
            "run.evaluate_every=50",
            "run.evaluate=last_synchronized",
            "run.max_steps=20000",
            "run.checkpoint_every=0",
            absl::StrCat("strategy.decision=", options_.decision),
            absl::StrCat("strategy.theta=", theta)};
  }

  bool RunOne(double megabits, int seed, const std::string& theta, double& seconds) {
    tests::Sandbox sandbox;
    if (!Start(megabits)) return false;
    const auto cluster = NewCluster(sandbox);
    if (cluster == nullptr) return false;
    std::vector<std::string> settings = Settings(seed, theta);
    settings.push_back(absl::StrCat("run.target_accuracy=", options_.target));
    const auto run = cluster->Run(settings, tests::WriteLenet(sandbox, "digits"));
    if (run->WaitExit(kLongest) != 0) {
      std::fprintf(stderr, "%s\n", run->Describe().c_str());
      return false;
    }
    const Measured measured = MeasuredIn(cluster->folder());
    seconds = measured.seconds;
    std::printf("%14d %9s %8.1f %7.0f %9.1f %12.1f %%%s\n", seed, theta.c_str(), measured.seconds,
                measured.steps, measured.steps / measured.synchronizations,
                100 * measured.synchronizing,
                theta == "auto" ? absl::StrCat("  theta ", measured.theta).c_str() : "");
    std::fflush(stdout);
    cluster->Stop();
    return true;
  }

  // The rounds from a change of the rate until theta is chosen again, and until it is chosen.
  bool NoticesAChange(double before, double after) {
    tests::Sandbox sandbox;
    if (!Start(before)) return false;
    const auto cluster = NewCluster(sandbox);
    if (cluster == nullptr) return false;
    const auto run = cluster->Run(Settings(0, "auto"), tests::WriteLenet(sandbox, "digits"));
    const std::string folder = cluster->folder();
    const auto noted = [&](const char* word, double since) {
      for (const json& note : tests::EventsOf(folder, "note")) {
        const std::string message = note.value("message", "");
        const bool again = absl::StrContains(message, "again");
        if (note["t"] > since && absl::StartsWith(message, word) &&
            again == absl::StrContains(word, "again")) {
          return note["t"].get<double>();
        }
      }
      return 0.0;
    };
    const auto rounds = [&](double from, double to) {
      int count = 0;
      for (const json& sync : tests::EventsOf(folder, "sync")) {
        count += sync["t"] > from && sync["t"] <= to ? 1 : 0;
      }
      return count;
    };
    // Three rounds with the first choice, so that it has something to compare with.
    double chosen = 0;
    const bool settled = tests::Eventually([&] {
      chosen = noted("theta", 0);
      return chosen > 0 && rounds(chosen, 1e9) >= 3;
    });
    if (!settled) return false;
    for (std::size_t host = 0; host <= options_.workers; ++host) {
      for (std::size_t other = 0; other <= options_.workers; ++other) {
        if (host == other) continue;
        network_->SetWay(host, other, WayOf(after));
      }
    }
    const double changed = tests::LastEvent(folder)["t"];
    double again = 0, then = 0;
    const bool found = tests::Eventually([&] {
      again = noted("theta is chosen again", changed);
      then = again > 0 ? noted("theta ", again) : 0;
      return then > 0;
    });
    if (!found) return false;
    std::printf("%.0f -> %.0f Mbit/s: chosen again after %d rounds, and chosen after %d\n", before,
                after, rounds(changed, again), rounds(changed, then));
    std::fflush(stdout);
    const bool stopped = cluster->StopRun();
    cluster->Stop();
    return stopped;
  }

  const Options& options_;
  std::unique_ptr<NetEmulator> network_;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("whether theta = \"auto\" finds a good theta; as root");
  app.add_option("--workers", options.workers, "each on a host of its own")
      ->check(CLI::Range(2, 16))
      ->capture_default_str();
  app.add_option("--delay", options.delay, "seconds, one way")->capture_default_str();
  app.add_option("--megabits", options.megabits, "rates of the links")->capture_default_str();
  app.add_option("--thetas", options.thetas, "the fixed ones")->capture_default_str();
  app.add_option("--seeds", options.seeds, "of the runs")->capture_default_str();
  app.add_option("--target", options.target, "accuracy at which a run ends")->capture_default_str();
  app.add_option("--decision", options.decision, "lockstep or quantum")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  if (const absl::Status can = NetEmulator::Check(); !can.ok()) {
    std::printf("left out: %s\n", std::string(can.message()).c_str());
    return 0;
  }
  std::printf("%zu workers, LeNet-5 on digits to %g, %.0f ms one way, %s\n", options.workers,
              options.target, options.delay * 1e3, options.decision.c_str());
  return Bench(options).Run() ? 0 : 1;
}
