// The cost of one local state beside one read of the same memory: what FDA adds to a training step.
//
//   state_bench --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
// Argument: d = LeNet-5, VGG16*, and 25 million parameters. The variants of the processor's
// instruction sets are benchmarked at the middle size.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "actors/averaging/ams_sketch.h"
#include "actors/averaging/drift_kernels.h"
#include "actors/averaging/estimator.h"
#include "actors/averaging/exact_estimator.h"
#include "actors/averaging/linear_estimator.h"
#include "actors/averaging/naive_estimator.h"
#include "actors/averaging/sketch_estimator.h"

namespace actors {
namespace {

constexpr std::int64_t kLenet = 61'706;
constexpr std::int64_t kVgg = 2'592'202;
constexpr std::int64_t kLarge = 25'000'000;

std::vector<float> RandomVector(std::size_t n, std::uint32_t seed) {
  std::minstd_rand random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(n);
  for (float& value : values) value = uniform(random);
  return values;
}

struct Vectors {
  explicit Vectors(std::size_t n)
      : local(RandomVector(n, 1)), base(RandomVector(n, 2)), direction(RandomVector(n, 3)) {}
  std::vector<float> local, base, direction;
};

void SetRates(benchmark::State& state, int vectors) {
  state.SetBytesProcessed(state.iterations() * state.range(0) * vectors *
                          static_cast<std::int64_t>(sizeof(float)));
}

// Combines the bits of both vectors: as fast as memory delivers them.
void ReadOnly(benchmark::State& state) {
  typedef std::uint64_t Words __attribute__((vector_size(16)));
  const Vectors vectors(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    Words total[4] = {};
    for (const std::vector<float>* vector : {&vectors.local, &vectors.base}) {
      for (std::size_t i = 0; i + 16 <= vector->size(); i += 16) {
        for (std::size_t part = 0; part < 4; ++part) {
          Words words;
          __builtin_memcpy(&words, vector->data() + i + 4 * part, sizeof(words));
          total[part] ^= words;
        }
      }
    }
    total[0] ^= total[1] ^ total[2] ^ total[3];
    benchmark::DoNotOptimize(total[0]);
  }
  SetRates(state, 2);
}

void Run(benchmark::State& state, Summarizer& summarizer, int reads) {
  const Vectors vectors(static_cast<std::size_t>(state.range(0)));
  UpdateDirection direction;
  if (summarizer.UsesDirection()) {
    direction = {.id = {.newer_base = {1, 2}, .older_base = {3, 4}}, .values = vectors.direction};
  }
  LocalState local_state;
  summarizer.Summarize(vectors.local, vectors.base, direction, local_state);  // Allocates.
  for (auto _ : state) {
    summarizer.Summarize(vectors.local, vectors.base, direction, local_state);
    benchmark::DoNotOptimize(local_state.squared_norm);
  }
  SetRates(state, reads);
}

void Naive(benchmark::State& state) {
  NaiveSummarizer summarizer;
  Run(state, summarizer, 2);
}

void Linear(benchmark::State& state) {
  LinearSummarizer summarizer;
  Run(state, summarizer, 3);
}

void Sketch(benchmark::State& state) {
  SketchSummarizer summarizer(AmsSketchOptions{}, static_cast<std::size_t>(state.range(0)));
  Run(state, summarizer, 2);
}

void Exact(benchmark::State& state) {
  ExactSummarizer summarizer;
  Run(state, summarizer, 2);
}

void SketchTableSetup(benchmark::State& state) {
  for (auto _ : state) {
    const AmsSketch sketch(AmsSketchOptions{}, static_cast<std::size_t>(state.range(0)));
    benchmark::DoNotOptimize(sketch.tables().signs);
  }
}

void SketchVariant(benchmark::State& state) {
  const auto level = static_cast<runtime::CpuLevel>(state.range(1));
  if (level > runtime::SupportedCpuLevels().back()) {
    state.SkipWithError("this processor lacks the variant");
    return;
  }
  const DriftKernels& kernels = DriftKernelsFor(level);
  state.SetLabel(level == runtime::CpuLevel::kBaseline ? "baseline"
                 : level == runtime::CpuLevel::kV3     ? "v3"
                                                       : "v4");
  const Vectors vectors(static_cast<std::size_t>(state.range(0)));
  AmsSketch sketch(AmsSketchOptions{}, vectors.local.size());
  std::vector<float> out(sketch.values());
  for (auto _ : state) {
    benchmark::DoNotOptimize(sketch.Sketch(kernels, vectors.local, vectors.base, out));
  }
  SetRates(state, 2);
}

void LinearVariant(benchmark::State& state) {
  const auto level = static_cast<runtime::CpuLevel>(state.range(1));
  if (level > runtime::SupportedCpuLevels().back()) {
    state.SkipWithError("this processor lacks the variant");
    return;
  }
  const DriftKernels& kernels = DriftKernelsFor(level);
  state.SetLabel(level == runtime::CpuLevel::kBaseline ? "baseline"
                 : level == runtime::CpuLevel::kV3     ? "v3"
                                                       : "v4");
  const Vectors vectors(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(kernels.along(vectors.local.data(), vectors.base.data(),
                                           vectors.direction.data(), vectors.local.size()));
  }
  SetRates(state, 3);
}

void Sizes(benchmark::internal::Benchmark* bench) {
  bench->Arg(kLenet)->Arg(kVgg)->Arg(kLarge)->Unit(benchmark::kMicrosecond);
}

void Variants(benchmark::internal::Benchmark* bench) {
  bench->ArgsProduct({{kLenet, kVgg}, {0, 1, 2}})->Unit(benchmark::kMicrosecond);
}

BENCHMARK(ReadOnly)->Apply(Sizes);
BENCHMARK(Naive)->Apply(Sizes);
BENCHMARK(Linear)->Apply(Sizes);
BENCHMARK(Sketch)->Apply(Sizes);
BENCHMARK(Exact)->Apply(Sizes);
BENCHMARK(SketchTableSetup)->Apply(Sizes);
BENCHMARK(LinearVariant)->Apply(Variants);
BENCHMARK(SketchVariant)->Apply(Variants);

}  // namespace
}  // namespace actors
