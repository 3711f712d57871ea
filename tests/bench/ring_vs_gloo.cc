// Our ring beside Gloo's allreduces, in the same processes, one after the other in each repeat, so
// that both see the same machine. Prints a table per world size and length; the last column is
// our best median over Gloo's best. Ours also subtracts a base, hashes and checks every byte.
//   ring_vs_gloo [--workers 2,4,8] [--elements 62006,2600000,25000000] [--repeats 15]
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
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "runtime/base/status.h"
#include "runtime/collective/ring_benchmark.h"

namespace {

using runtime::Duration;
using runtime::SharedBoard;
using runtime::Time;

constexpr auto kTimeout = std::chrono::minutes(5);
constexpr std::size_t kWarmUps = 2;
// Gloo's plain ring gets lost for seconds when there are more processes than cores; what is this
// slow to warm up is left out.
constexpr Duration kTooSlow = std::chrono::seconds(4);
const std::vector<std::string> kNames = {"ours tcp",          "ours ipc",     "gloo ring",
                                         "gloo ring chunked", "gloo halving", "gloo bcube"};
constexpr std::size_t kOurs = 2;  // The first two.

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
  std::unique_ptr<runtime::BenchmarkMember> tcp, ipc;
  std::shared_ptr<gloo::rendezvous::Context> context;
  std::vector<std::function<absl::Status()>> run;  // In the order of kNames.
};

std::function<absl::Status()> Ours(runtime::BenchmarkMember& member, Time deadline) {
  return [&member, deadline] { return member.Run(deadline).status(); };
}

std::function<absl::Status()> Plain(std::shared_ptr<gloo::Algorithm> algorithm) {
  return [algorithm] {
    algorithm->run();
    return absl::OkStatus();
  };
}

// Gloo throws; main's guard catches.
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
};

absl::Status RunMember(const Case& test, std::uint32_t rank, SharedBoard& board,
                       const std::string& folder, Time deadline) {
  Contenders all;
  all.values.assign(test.elements, 0.0F);
  all.pointer = all.values.data();
  runtime::RingBenchmarkOptions options;
  options.workers = test.workers;
  options.elements = test.elements;
  options.transport = runtime::RingTransport::kTcp;
  ASSIGN_OR_RETURN(all.tcp, runtime::BenchmarkMember::Create(options, rank, board, deadline));
  if (!board.Meet(deadline)) return absl::DeadlineExceededError("a worker is missing");
  options.transport = runtime::RingTransport::kIpc;
  ASSIGN_OR_RETURN(all.ipc, runtime::BenchmarkMember::Create(options, rank, board, deadline));
  all.run = {Ours(*all.tcp, deadline), Ours(*all.ipc, deadline)};
  AddGloo(all, rank, test.workers, folder);
  std::vector<bool> left_out(all.run.size());
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
      left_out[which] = i < kWarmUps && board.Slowest(row) > kTooSlow;
    }
  }
  if (!board.Meet(deadline)) return absl::DeadlineExceededError("a worker is missing");
  return absl::OkStatus();
}

double Milliseconds(Duration duration) { return 1e3 * runtime::ToSeconds(duration); }

void Print(const Case& test, SharedBoard& board) {
  std::printf("K=%u, %.2f MB\n  %-18s %9s %9s %9s %9s\n", test.workers,
              4e-6 * static_cast<double>(test.elements), "", "median ms", "min", "max", "CPU ms");
  std::vector<double> medians;
  for (std::size_t which = 0; which < kNames.size(); ++which) {
    std::vector<double> times;
    std::vector<double> cpus;
    for (std::size_t i = kWarmUps; i < kWarmUps + test.repeats; ++i) {
      const std::size_t row = 2 * (i * kNames.size() + which);
      times.push_back(Milliseconds(board.Slowest(row)));
      Duration cpu{0};
      for (std::uint32_t rank = 0; rank < test.workers; ++rank) cpu += board.At(row + 1, rank);
      cpus.push_back(Milliseconds(cpu));
    }
    std::sort(times.begin(), times.end());
    std::sort(cpus.begin(), cpus.end());
    if (times.back() == 0) {
      std::printf("  %-18s too slow to warm up\n", kNames[which].c_str());
      medians.push_back(std::numeric_limits<double>::infinity());
      continue;
    }
    medians.push_back(times[times.size() / 2]);
    std::printf("  %-18s %9.3f %9.3f %9.3f %9.3f\n", kNames[which].c_str(), medians.back(),
                times.front(), times.back(), cpus[cpus.size() / 2]);
  }
  const double ours = *std::min_element(medians.begin(), medians.begin() + kOurs);
  const double theirs = *std::min_element(medians.begin() + kOurs, medians.end());
  std::printf("  tcp / Gloo's best %.2f, our best / Gloo's best %.2f\n", medians[0] / theirs,
              ours / theirs);
  std::fflush(stdout);
}

absl::Status RunCase(const Case& test) {
  const Time deadline = std::chrono::steady_clock::now() + kTimeout;
  ASSIGN_OR_RETURN(
      const std::unique_ptr<SharedBoard> board,
      SharedBoard::Create(test.workers, 2 * (kWarmUps + test.repeats) * kNames.size()));
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
  std::size_t repeats = 15;
  CLI::App app("Times our ring beside Gloo.");
  app.add_option("--workers", workers, "world sizes")->delimiter(',');
  app.add_option("--elements", elements, "lengths in floats")->delimiter(',');
  app.add_option("--repeats", repeats, "of each");
  CLI11_PARSE(app, argc, argv);
  for (const std::uint32_t world_size : workers) {
    for (const std::size_t length : elements) {
      const absl::Status status = RunCase({world_size, length, repeats});
      if (!status.ok()) {
        std::fprintf(stderr, "%s\n", status.ToString().c_str());
        return 1;
      }
    }
  }
  return 0;
}
