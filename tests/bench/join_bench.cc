// What a join costs those who train, and how fast a newcomer gets the model: on an emulated network
// of 100 Mbit/s, as root.
//
// For each number of joiners: a run of a paced quadratic trainer on a few members, then the
// joiners at once. "steps/s" are the members', before the join and while the model is on its way:
// from the first megabyte that a newcomer gets until the last one has all. A plain TCP copy of the
// same bytes over the same link, before the joiners come, is what the rate is held against. A
// synchronization meanwhile is told of: it stops the members, and is no cost of the join.
#include <absl/strings/str_cat.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "tests/support/cluster.h"
#include "tests/support/network_cluster.h"
#include "tests/support/processes.h"
#include "tests/tools/net_emulator.h"
#include "tests/tools/tcp_copy.h"

namespace {

using tests::NetEmulator;
using Clock = std::chrono::steady_clock;

struct Options {
  std::size_t members = 3;
  std::vector<std::size_t> joiners = {1, 8};
  std::uint64_t floats = 6'250'000;
  double step_time = 0.02;
  double megabits = 100;
  bool cards = false;
};

constexpr std::chrono::minutes kLongest(4);
// Of a full packet, and of the headers in it.
constexpr std::uint64_t kPacketBytes = 1500, kHeaderBytes = 52;
// Steps between two synchronizations: the joiners are to come between two.
constexpr int kInterval = 1000;

struct Moment {
  double step = 0;
  double time = 0;
};

// The last step that the run has told of, and when by its clock; it tells of some steps only.
Moment LastStep(const std::string& folder) {
  Moment last;
  for (const auto& event : tests::EventsOf(folder, "step")) {
    last = {.step = event.value("step", 0.0), .time = event.value("t", 0.0)};
  }
  return last;
}

std::size_t SyncsOf(const std::string& folder) { return tests::EventsOf(folder, "sync").size(); }

double StepsPerSecond(const Moment& from, const Moment& to) {
  return to.time > from.time ? (to.step - from.step) / (to.time - from.time) : 0;
}

class Bench {
 public:
  Bench(const Options& options, std::size_t joiners)
      : options_(options),
        first_(1 + options.members),
        hosts_(first_ + joiners),
        bytes_(options.floats * sizeof(float)),
        on_the_wire_(bytes_ + bytes_ * kHeaderBytes / (kPacketBytes - kHeaderBytes)) {}

  // False: something did not happen within its time.
  bool Run() {
    auto network = NetEmulator::Start(hosts_, {.bits_per_second = options_.megabits * 1e6});
    if (!network.ok()) {
      std::fprintf(stderr, "no network: %s\n", std::string(network.status().message()).c_str());
      return false;
    }
    network_ = *std::move(network);
    if (options_.cards) {
      for (std::size_t host = 0; host < hosts_; ++host) {
        network_->SetCard(host, options_.megabits * 1e6, options_.megabits * 1e6);
      }
    }
    const auto copy = tests::CopySeconds(*network_, 1, first_, bytes_);
    if (!copy.ok()) return false;
    copy_seconds_ = *copy;
    cluster_ = std::make_unique<tests::NetworkCluster>(sandbox_, *network_);
    for (std::size_t host = 1; host < first_; ++host) cluster_->Join(host);
    if (!cluster_->WaitForWorkers(options_.members)) return false;
    run_ =
        cluster_->Run({absl::StrCat("run.workers=", options_.members), "run.max_steps=10000000",
                       "run.max_workers=16", "run.checkpoint_every=0", "model.integer=true",
                       absl::StrCat("model.dimension=", options_.floats),
                       absl::StrCat("model.step_time=", options_.step_time), "strategy.theta=1e30",
                       absl::StrCat("strategy.max_interval=", kInterval)});
    // Before the first synchronization a newcomer makes the model itself.
    if (!tests::Eventually([&] { return SyncsOf(cluster_->folder()) == 1; }, kLongest)) {
      return Failed("the members do not synchronize");
    }
    return Measure();
  }

 private:
  // What the members and the newcomers have sent to that newcomer.
  std::uint64_t CameTo(std::size_t host) const {
    std::uint64_t bytes = 0;
    for (std::size_t from = 1; from < hosts_; ++from) {
      if (from != host) bytes += network_->CountsOf(from, host).bytes;
    }
    return bytes;
  }
  std::uint64_t CameTo(std::size_t host, std::uint64_t before) const {
    return CameTo(host) - before;
  }
  bool Failed(const char* what) const {
    std::fprintf(stderr, "%s\n%s\n%s\n", what, cluster_->Status().dump().c_str(),
                 run_->Describe().c_str());
    return false;
  }
  bool Joined() const {
    return tests::EventsOf(cluster_->folder(), "join").size() >= joined_before_ + hosts_ - first_;
  }

  bool Measure() {
    constexpr std::uint64_t kMegabyte = 1'000'000;
    // Not before the synchronization, which stopped the members for its ring.
    const double since = tests::EventsOf(cluster_->folder(), "sync").back().value("t", 0.0) + 1;
    if (!tests::Eventually([&] { return LastStep(cluster_->folder()).time > since; }, kLongest)) {
      return Failed("the members do not train on");
    }
    const Moment begin = LastStep(cluster_->folder());
    // Looking at the clock alone: to read the run's file again and again would cost the members.
    const auto until = Clock::now() + std::chrono::seconds(5);
    tests::Eventually([&] { return Clock::now() >= until; }, kLongest);
    const Moment calm = LastStep(cluster_->folder());
    joined_before_ = tests::EventsOf(cluster_->folder(), "join").size();
    std::vector<std::uint64_t> before(hosts_, 0);
    for (std::size_t host = first_; host < hosts_; ++host) before[host] = CameTo(host);
    for (std::size_t host = first_; host < hosts_; ++host) cluster_->Join(host);
    const auto any_has = [&](std::uint64_t bytes) {
      for (std::size_t host = first_; host < hosts_; ++host) {
        if (CameTo(host, before[host]) >= bytes) return true;
      }
      return false;
    };
    const auto all_have = [&](std::uint64_t bytes) {
      for (std::size_t host = first_; host < hosts_; ++host) {
        if (CameTo(host, before[host]) < bytes) return false;
      }
      return true;
    };
    if (!tests::Eventually([&] { return any_has(kMegabyte); }, kLongest)) {
      return Failed("no joiner gets anything");
    }
    const auto started = Clock::now();
    const Moment first = LastStep(cluster_->folder());
    if (!tests::Eventually([&] { return all_have(on_the_wire_); }, kLongest)) {
      return Failed("not every joiner gets all");
    }
    const std::chrono::duration<double> took = Clock::now() - started;
    const Moment last = LastStep(cluster_->folder());
    const bool joined = tests::Eventually([&] { return Joined(); }, kLongest);
    syncs_ = SyncsOf(cluster_->folder()) - 1;
    Print(StepsPerSecond(begin, calm), StepsPerSecond(first, last), took.count());
    if (syncs_ > 0) std::printf("         with %zu synchronizations since the first\n", syncs_);
    if (!joined) std::printf("         not all came in\n");
    run_->Signal(SIGKILL);
    return joined;
  }

  void Print(double calm, double during, double took) const {
    const double megabytes = static_cast<double>(bytes_) / 1e6;
    const double copy = megabytes / copy_seconds_;
    const double rate = (megabytes - 1) / took;  // Of each, until the last one has all.
    std::printf("%7zu %7.0f %9.1f %9.1f %9.2f %9.2f %9.2f %9.2f %9.2f\n", hosts_ - first_,
                options_.megabits, calm, during, during / calm, took, rate, copy, rate / copy);
    std::fflush(stdout);
  }

  const Options& options_;
  const std::size_t first_;  // Host of the first joiner; the members are before it.
  const std::size_t hosts_;
  const std::uint64_t bytes_;
  const std::uint64_t on_the_wire_;  // With the headers of IP and TCP, which the network counts.
  double copy_seconds_ = 0;
  std::size_t joined_before_ = 0;
  std::size_t syncs_ = 0;
  tests::Sandbox sandbox_;
  std::unique_ptr<NetEmulator> network_;
  std::unique_ptr<tests::NetworkCluster> cluster_;
  std::unique_ptr<tests::Process> run_;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("what a join costs those who train, on an emulated network; as root");
  app.add_option("--members", options.members, "who train before anyone joins")
      ->check(CLI::Range(2, 16))
      ->capture_default_str();
  app.add_option("--joiners", options.joiners, "who join at once, one line each")
      ->delimiter(',')
      ->check(CLI::Range(1, 32))
      ->capture_default_str();
  app.add_option("--floats", options.floats, "of the model")->capture_default_str();
  app.add_option("--step-time", options.step_time, "seconds")->capture_default_str();
  app.add_option("--megabits", options.megabits, "per second, of each way between two hosts")
      ->capture_default_str();
  app.add_flag("--cards", options.cards, "each host sends and receives no more than that in all");
  CLI11_PARSE(app, argc, argv);

  if (const absl::Status can = NetEmulator::Check(); !can.ok()) {
    std::printf("left out: %s\n", std::string(can.message()).c_str());
    return 0;
  }
  std::printf("%zu members, %.1f MB, steps of %.0f ms%s\n", options.members,
              static_cast<double>(options.floats) * sizeof(float) / 1e6, options.step_time * 1e3,
              options.cards ? ", a card of that rate in each host" : "");
  std::printf(
      "joiners  Mbit/s   steps/s    during     ratio   seconds MB/s each  TCP MB/s     ratio\n");
  for (const std::size_t joiners : options.joiners) {
    if (!Bench(options, joiners).Run()) return 1;
  }
  return 0;
}
