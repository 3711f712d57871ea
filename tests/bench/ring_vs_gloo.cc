// Our ring beside Gloo's allreduces, and beside its own bare chunk loop (bare_ring.h), in the same
// processes, one after the other in each repeat, so that all see the same machine.
//
// Gloo adds up one buffer in place. Ours reads a model and its base and leaves their mean in a
// third vector, and hashes and checks every byte on the way. What the same mean costs around a sum
// of Gloo's, drift before and division after, is measured too, as `mean`; hashes are not.
//
//   ring_vs_gloo [--workers 2,4,8] [--elements 62006,2600000,25000000] [--repeats 41]
//                [--seconds 12]
//
// Prints for each world size and length the median and the best time of the slowest rank, and the
// processor time of all ranks together; on the right ours over the bare loop, which is what safety
// costs, over Gloo's best in that row, and over Gloo's best and `mean`. A case ends after
// `repeats`, or after `seconds` and three repeats.
#include <absl/strings/str_format.h>
#include <gloo/allreduce.h>
#include <gloo/allreduce_bcube.h>
#include <gloo/allreduce_halving_doubling.h>
#include <gloo/allreduce_ring_chunked.h>
#include <gloo/math.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/file_store.h>
#include <gloo/transport/tcp/device.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include "runtime/base/kernels.h"
#include "runtime/base/status.h"
#include "runtime/collective/ring_benchmark.h"
#include "tests/bench/bare_ring.h"

namespace {

using runtime::Duration;
using runtime::SharedBoard;
using runtime::Time;

constexpr auto kTimeout = std::chrono::minutes(5);
constexpr std::size_t kWarmUps = 2;
constexpr std::size_t kFewestRepeats = 3;
// What is this slow to warm up is left out.
constexpr Duration kTooSlow = std::chrono::seconds(4);
const std::vector<std::string> kNames = {"tcp",     "ipc",     "tcp",   "ipc", "ring",
                                         "chunked", "halving", "bcube", "mean"};
constexpr std::size_t kBare = 2;  // Ours are before it.
constexpr std::size_t kGloo = 4;
constexpr std::size_t kMean = 8;  // The last; between them is Gloo.
// Gets lost for seconds, up to a minute, when there are more processes than cores: then left out.
constexpr std::size_t kGlooRing = kGloo;

Duration CpuTime() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

// Everything that one process takes part in.
struct Contenders {
  std::vector<float> values;
  float* pointer = nullptr;
  std::vector<float> local, base;  // Of `bare` and `mean`, which use `values` too.
  std::unique_ptr<runtime::BenchmarkMember> tcp, ipc;
  std::unique_ptr<BareRing> bare_tcp, bare_ipc;
  std::shared_ptr<gloo::rendezvous::Context> context;
  std::vector<std::function<absl::Status()>> run;  // In the order of kNames.
};

std::function<absl::Status()> Ours(runtime::BenchmarkMember& member, Time deadline) {
  return [&member, deadline] { return member.Run(deadline).status(); };
}

// The mean of the ranks, over a base of zeros.
std::function<absl::Status()> Bare(Contenders& all, BareRing& ring, std::uint32_t workers) {
  return [&all, &ring, mean = static_cast<float>(workers - 1) / 2] {
    RETURN_IF_ERROR(ring.Run(all.local, all.base, all.values));
    const bool right = all.values.front() == mean && all.values.back() == mean;
    return right ? absl::OkStatus() : absl::DataLossError("a bare ring gave a wrong mean");
  };
}

std::function<absl::Status()> Mean(Contenders& all, std::uint32_t workers) {
  return [&all, workers] {
    runtime::WeightedDrift(all.local, all.base, 1, all.values);
    runtime::Finalize(all.base, all.values, static_cast<float>(workers), all.values);
    return absl::OkStatus();
  };
}

std::function<absl::Status()> Plain(std::shared_ptr<gloo::Algorithm> algorithm) {
  return [algorithm] {
    algorithm->run();
    return absl::OkStatus();
  };
}

// Gloo throws; RunCase catches.
void AddGloo(Contenders& all, std::uint32_t rank, std::uint32_t workers,
             const std::string& folder) {
  gloo::transport::tcp::attr attributes;
  attributes.hostname = "127.0.0.1";
  std::shared_ptr<gloo::transport::Device> device = gloo::transport::tcp::CreateDevice(attributes);
  gloo::rendezvous::FileStore store(folder);
  all.context = std::make_shared<gloo::rendezvous::Context>(static_cast<int>(rank),
                                                            static_cast<int>(workers));
  all.context->connectFullMesh(store, device);
  const auto count = static_cast<int>(all.values.size());
  const std::vector<float*> pointers = {all.pointer};
  all.run.emplace_back([&all, count] {
    gloo::AllreduceOptions options(all.context);
    options.setAlgorithm(gloo::AllreduceOptions::Algorithm::RING);
    options.setOutput(all.pointer, static_cast<std::size_t>(count));
    options.setReduceFunction(
        static_cast<void (*)(void*, const void*, const void*, std::size_t)>(&gloo::sum<float>));
    gloo::allreduce(options);
    return absl::OkStatus();
  });
  all.run.push_back(
      Plain(std::make_shared<gloo::AllreduceRingChunked<float>>(all.context, pointers, count)));
  all.run.push_back(
      Plain(std::make_shared<gloo::AllreduceHalvingDoubling<float>>(all.context, pointers, count)));
  all.run.push_back(
      Plain(std::make_shared<gloo::AllreduceBcube<float>>(all.context, pointers, count)));
}

struct Case {
  std::uint32_t workers;
  std::size_t elements;
  std::size_t repeats;
  Duration enough;  // Time after which no further repeat begins.
};

// The last row of the board says that there are no more repeats.
std::size_t RowsOf(const Case& test) { return 2 * (kWarmUps + test.repeats) * kNames.size() + 1; }

absl::Status RunMember(const Case& test, std::uint32_t rank, SharedBoard& board,
                       const std::string& folder, Time deadline) {
  Contenders all;
  all.values.assign(test.elements, 0.0F);
  all.pointer = all.values.data();
  all.base = all.values;
  all.local.assign(test.elements, static_cast<float>(rank));
  runtime::RingBenchmarkOptions options;
  options.workers = test.workers;
  options.elements = test.elements;
  options.transport = runtime::RingTransport::kTcp;
  ASSIGN_OR_RETURN(all.tcp, runtime::BenchmarkMember::Create(options, rank, board, deadline));
  if (!board.Meet(deadline)) return absl::DeadlineExceededError("a worker is missing");
  options.transport = runtime::RingTransport::kIpc;
  ASSIGN_OR_RETURN(all.ipc, runtime::BenchmarkMember::Create(options, rank, board, deadline));
  if (!board.Meet(deadline)) return absl::DeadlineExceededError("a worker is missing");
  ASSIGN_OR_RETURN(all.bare_tcp, BareRing::Create(runtime::RingTransport::kTcp, test.workers,
                                                  test.elements, rank, board, deadline));
  ASSIGN_OR_RETURN(all.bare_ipc, BareRing::Create(runtime::RingTransport::kIpc, test.workers,
                                                  test.elements, rank, board, deadline));
  all.run = {Ours(*all.tcp, deadline), Ours(*all.ipc, deadline),
             Bare(all, *all.bare_tcp, test.workers), Bare(all, *all.bare_ipc, test.workers)};
  AddGloo(all, rank, test.workers, folder);
  all.run.push_back(Mean(all, test.workers));
  std::vector<bool> left_out(all.run.size());
  left_out[kGlooRing] = test.workers > std::thread::hardware_concurrency();
  const Time begin = std::chrono::steady_clock::now();
  Duration& end = board.At(RowsOf(test) - 1, 0);
  for (std::size_t i = 0; i < kWarmUps + test.repeats; ++i) {
    for (std::size_t which = 0; which < all.run.size(); ++which) {
      if (left_out[which]) continue;
      if (!board.Meet(deadline)) return absl::DeadlineExceededError("a worker is missing");
      const Duration cpu = CpuTime();
      const Time start = std::chrono::steady_clock::now();
      RETURN_IF_ERROR(all.run[which]());
      const Duration time = std::chrono::steady_clock::now() - start;
      if (!board.Meet(deadline)) return absl::DeadlineExceededError("a worker is missing");
      const std::size_t row = 2 * (i * all.run.size() + which);
      board.At(row, rank) = time;
      board.At(row + 1, rank) = CpuTime() - cpu;
      if (!board.Meet(deadline)) return absl::DeadlineExceededError("a worker is missing");
      // The same verdict on all ranks, because all see the same times.
      if (i < kWarmUps && board.Slowest(row) > kTooSlow) left_out[which] = true;
    }
    if (rank == 0 && i + 1 >= kWarmUps + kFewestRepeats) {
      end = Duration(std::chrono::steady_clock::now() - begin > test.enough ? 1 : 0);
    }
    if (!board.Meet(deadline)) return absl::DeadlineExceededError("a worker is missing");
    if (end.count() != 0) break;
  }
  if (!board.Meet(deadline)) return absl::DeadlineExceededError("a worker is missing");
  return absl::OkStatus();
}

double Milliseconds(Duration duration) { return 1e3 * runtime::ToSeconds(duration); }

// What one contender needed, in milliseconds, sorted.
struct Needed {
  std::vector<double> times, cpus;
};

Needed NeededBy(const Case& test, SharedBoard& board, std::size_t which) {
  Needed needed;
  for (std::size_t i = kWarmUps; i < kWarmUps + test.repeats; ++i) {
    const std::size_t row = 2 * (i * kNames.size() + which);
    if (board.Slowest(row) == Duration(0)) continue;  // Left out, or after the end.
    needed.times.push_back(Milliseconds(board.Slowest(row)));
    Duration cpu{0};
    for (std::uint32_t rank = 0; rank < test.workers; ++rank) cpu += board.At(row + 1, rank);
    needed.cpus.push_back(Milliseconds(cpu));
  }
  std::sort(needed.times.begin(), needed.times.end());
  std::sort(needed.cpus.begin(), needed.cpus.end());
  return needed;
}

const char* Gap(std::size_t which) {
  return which == kBare || which == kGloo || which == kMean ? "  " : "";
}

// One number for each contender; infinite: left out.
void PrintRow(const std::string& head, const std::vector<double>& values) {
  std::printf("%-22s", head.c_str());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) {
      std::printf("%s%9.3f", Gap(i), values[i]);
    } else {
      std::printf("%s%9s", Gap(i), "-");
    }
  }
  const double theirs = *std::min_element(values.begin() + kGloo, values.begin() + kMean);
  const double same = theirs + values[kMean];
  std::printf("  %6.2f %6.2f  %6.2f %6.2f  %6.2f %6.2f\n", values[0] / values[kBare],
              values[1] / values[kBare + 1], values[0] / theirs, values[1] / theirs,
              values[0] / same, values[1] / same);
}

void PrintHeads() {
  std::printf("%-22s%-20s%-20s%-38s%-11s  %-13s  %-13s  %s\n%-22s", "ms for one allreduce",
              "     ours", "     bare loop", "     Gloo", "", "ours / bare", "ours / best",
              "ours / (best + mean)", "  K       MB");
  for (std::size_t i = 0; i < kNames.size(); ++i) std::printf("%s%9s", Gap(i), kNames[i].c_str());
  std::printf("  %6s %6s  %6s %6s  %6s %6s\n", "tcp", "ipc", "tcp", "ipc", "tcp", "ipc");
}

void Print(const Case& test, SharedBoard& board) {
  constexpr double kLeftOut = std::numeric_limits<double>::infinity();
  std::vector<double> medians, bests, cpus;
  std::size_t repeats = 0;
  for (std::size_t which = 0; which < kNames.size(); ++which) {
    const Needed needed = NeededBy(test, board, which);
    const bool none = needed.times.empty();
    medians.push_back(none ? kLeftOut : needed.times[needed.times.size() / 2]);
    bests.push_back(none ? kLeftOut : needed.times.front());
    cpus.push_back(none ? kLeftOut : needed.cpus[needed.cpus.size() / 2]);
    repeats = std::max(repeats, needed.times.size());
  }
  const std::string head = absl::StrFormat("%3u %8.2f  med. %2u", test.workers,
                                           4e-6 * static_cast<double>(test.elements), repeats);
  PrintRow(head, medians);
  PrintRow("              best", bests);
  PrintRow("              CPU", cpus);
  std::fflush(stdout);
}

absl::Status RunCase(const Case& test) {
  const Time deadline = std::chrono::steady_clock::now() + kTimeout;
  ASSIGN_OR_RETURN(const std::unique_ptr<SharedBoard> board,
                   SharedBoard::Create(test.workers, RowsOf(test)));
  std::string folder = (std::filesystem::temp_directory_path() / "rondo-gloo-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return absl::UnavailableError("no temporary folder");
  const absl::Status status =
      runtime::RunForked(test.workers, deadline, [&](std::uint32_t rank) -> absl::Status {
        try {
          return RunMember(test, rank, *board, folder, deadline);
        } catch (const std::exception& error) {
          return absl::InternalError(error.what());
        }
      });
  std::filesystem::remove_all(folder);
  RETURN_IF_ERROR(status);
  Print(test, *board);
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::uint32_t> workers = {2, 4, 8};
  std::vector<std::size_t> elements = {62006, 2600000, 25000000};
  std::size_t repeats = 41;
  double seconds = 12;
  CLI::App app("Times our ring beside Gloo.");
  app.add_option("--workers", workers, "world sizes")->delimiter(',');
  app.add_option("--elements", elements, "lengths in floats")->delimiter(',');
  app.add_option("--repeats", repeats, "of each, at most")->check(CLI::PositiveNumber);
  app.add_option("--seconds", seconds, "for one world size and length");
  CLI11_PARSE(app, argc, argv);
  const auto enough = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  PrintHeads();
  for (const std::uint32_t world_size : workers) {
    for (const std::size_t length : elements) {
      const absl::Status status = RunCase({world_size, length, repeats, enough});
      if (!status.ok()) {
        std::fprintf(stderr, "%s\n", status.ToString().c_str());
        return 1;
      }
    }
  }
  return 0;
}
