// `rondo bench allreduce`.
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "apps/rondo/format.h"
#include "apps/rondo/verbs.h"
#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"
#include "runtime/collective/ring_benchmark.h"

namespace apps {
namespace {

// Base, local model and shadow of every worker.
constexpr std::uint64_t kVectors = 3;
constexpr runtime::Duration kTimeout = std::chrono::minutes(10);

runtime::RingTransport TransportOf(actors::TransportName name) {
  switch (name) {
    case actors::TransportName::kAuto: return runtime::RingTransport::kAuto;
    case actors::TransportName::kTcp: return runtime::RingTransport::kTcp;
    case actors::TransportName::kIpc: return runtime::RingTransport::kIpc;
  }
  REQUIRE(false);
}

absl::Status CheckMemory(const BenchAllreduceOptions& options) {
  const std::uint64_t needed =
      kVectors * sizeof(float) * options.elements * std::uint64_t{options.workers};
  const std::uint64_t present = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                                static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  if (needed <= present) return absl::OkStatus();
  return runtime::MakeError(
      "NOT_ENOUGH_MEMORY", runtime::Exit::kUsage,
      absl::StrCat(options.workers, " workers of ", FormatCount(options.elements), " floats need ",
                   FormatBytes(needed), ", this machine has ", FormatBytes(present)),
      "take fewer --workers or --elements");
}

std::string Milliseconds(double milliseconds) { return absl::StrFormat("%.3f ms", milliseconds); }

}  // namespace

absl::StatusOr<int> BenchAllreduce(const BenchAllreduceOptions& options, Output& output) {
  RETURN_IF_ERROR(CheckMemory(options));
  const absl::StatusOr<runtime::RingBenchmarkResult> result =
      runtime::RunRingBenchmark({.workers = options.workers,
                                 .elements = options.elements,
                                 .repeats = options.repeats,
                                 .transport = TransportOf(options.transport),
                                 .timeout = kTimeout});
  if (!result.ok()) {
    return runtime::MakeError(
        "BENCH_FAILED", runtime::Exit::kRunFailed,
        absl::StrCat("the allreduce failed: ", std::string(result.status().message())));
  }
  const double median = 1e3 * runtime::ToSeconds(result->Median());
  const double least = 1e3 * runtime::ToSeconds(result->times.front());
  const double most = 1e3 * runtime::ToSeconds(result->times.back());
  // The vector's bytes over the time: what a caller of an allreduce sees, whatever the ring's size.
  const double gigabytes = sizeof(float) * static_cast<double>(options.elements) / 1e6 / median;
  // Processes of one machine take ipc unless told otherwise.
  const std::string transport = options.transport == actors::TransportName::kTcp ? "tcp" : "ipc";
  nlohmann::ordered_json json{{"workers", options.workers},
                              {"elements", options.elements},
                              {"repeats", options.repeats},
                              {"transport", transport},
                              {"median_ms", median},
                              {"min_ms", least},
                              {"max_ms", most},
                              {"gbytes_per_s", gigabytes}};
  json["payload_bytes"] = result->payload_bytes;
  json["total_bytes"] = result->total_bytes;
  output.Data("bench", json.dump());
  output.Text(absl::StrCat(
      "allreduce of ", FormatCount(options.elements), " floats (",
      FormatBytes(sizeof(float) * options.elements), ") over ", transport, ", ", options.workers,
      options.workers == 1 ? " worker" : " workers", ", ", FormatCount(options.repeats),
      options.repeats == 1 ? " repeat\n" : " repeats\n", "median  ", Milliseconds(median),
      "\nleast   ", Milliseconds(least), "\nmost    ", Milliseconds(most), "\nspeed   ",
      FormatNumber(gigabytes), " GB/s of the vector\nsent    ", FormatBytes(result->payload_bytes),
      " of floats by each worker, ", FormatBytes(result->total_bytes), " in all\n"));
  return 0;
}

}  // namespace apps
