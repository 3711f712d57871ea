// Times rings of forked processes on this machine; prints one JSON object.
//   ring_bench --workers 4 --elements 2500000 --transport auto|tcp|ipc --repeats 20
#include <cstdio>
#include <map>
#include <string>

#include <CLI/CLI.hpp>

#include "runtime/collective/ring_benchmark.h"

int main(int argc, char** argv) {
  runtime::RingBenchmarkOptions options;
  CLI::App app("Times the ring allreduce between processes of this machine.");
  const std::map<std::string, runtime::RingTransport> transports = {
      {"auto", runtime::RingTransport::kAuto},
      {"tcp", runtime::RingTransport::kTcp},
      {"ipc", runtime::RingTransport::kIpc}};
  app.add_option("--workers", options.workers, "processes, 1 to 32");
  app.add_option("--elements", options.elements, "floats in the vector");
  app.add_option("--repeats", options.repeats, "rings that are timed");
  app.add_option("--chunk-bytes", options.ring.chunk_bytes, "multiple of 65536");
  app.add_option("--credits", options.ring.credits, "chunks in flight, 1 to 32");
  app.add_option("--transport", options.transport, "auto, tcp or ipc")
      ->transform(CLI::CheckedTransformer(transports));
  CLI11_PARSE(app, argc, argv);

  const auto result = runtime::RunRingBenchmark(options);
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().ToString().c_str());
    return 1;
  }
  const double median = runtime::ToSeconds(result->Median());
  const double bytes = 4.0 * static_cast<double>(options.elements);
  std::printf(
      "{\"workers\": %u, \"elements\": %zu, \"repeats\": %u, \"median_ms\": %.3f, \"min_ms\": "
      "%.3f, "
      "\"max_ms\": %.3f, \"gigabytes_per_second\": %.3f, \"payload_bytes\": %llu, "
      "\"total_bytes\": %llu}\n",
      options.workers, options.elements, options.repeats, 1e3 * median,
      1e3 * runtime::ToSeconds(result->times.front()),
      1e3 * runtime::ToSeconds(result->times.back()), bytes / median / 1e9,
      static_cast<unsigned long long>(result->payload_bytes),
      static_cast<unsigned long long>(result->total_bytes));
  return 0;
}
