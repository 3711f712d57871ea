#include "actors/training/dirichlet.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/base/require.h"

namespace actors {
namespace {

using Shares = std::vector<std::vector<std::uint64_t>>;

constexpr double kLn2 = 0.693147180559945309417;

// In (0, 1), never an end.
double Unit(RandomStream& random) {
  return (static_cast<double>(random.NextWord()) + 0.5) * 0x1p-32;
}

// Shares of one class, by the bounds floor(samples * (p_1 + ... + p_k)).
void DealClass(std::uint64_t samples, std::size_t label, std::vector<double> weights,
               Shares& shares) {
  const double all = std::accumulate(weights.begin(), weights.end(), 0.0);
  double sum = 0;
  std::uint64_t dealt = 0;
  for (std::size_t rank = 0; rank < weights.size(); ++rank) {
    sum += weights[rank];
    const bool last = rank + 1 == weights.size();
    const auto bound = static_cast<std::uint64_t>(static_cast<double>(samples) * (sum / all));
    const std::uint64_t next = last ? samples : std::clamp(bound, dealt, samples);
    shares[rank][label] = next - dealt;
    dealt = next;
  }
}

Shares DrawShares(const DirichletOptions& options, absl::Span<const std::uint64_t> samples_by_class,
                  int attempt) {
  Shares shares(options.world_size, std::vector<std::uint64_t>(samples_by_class.size(), 0));
  std::vector<double> weights(options.world_size);
  for (std::size_t label = 0; label < samples_by_class.size(); ++label) {
    RandomStream random(options.seed, Purpose::kDirichlet, static_cast<std::uint32_t>(label),
                        static_cast<std::uint64_t>(attempt));
    for (double& weight : weights) weight = LogOfGamma(options.concentration, random);
    // Gamma numbers over their sum are Dirichlet's; over the largest first, so that none overflows.
    const double largest = *std::max_element(weights.begin(), weights.end());
    for (double& weight : weights) weight = Exponential(weight - largest);
    DealClass(samples_by_class[label], label, weights, shares);
  }
  return shares;
}

}  // namespace

// x = m 2^e with m about 1, and ln m = 2 artanh s = 2 (s + s³/3 + s⁵/5 + ...), s = (m-1)/(m+1),
// |s| < 0.172; behind the last term that counts, s^23 / 23, is below 1e-18.
double Logarithm(double x) {
  REQUIRE(x > 0);
  int exponent = 0;
  double mantissa = std::frexp(x, &exponent);
  if (mantissa < 0.70710678118654752) {
    mantissa *= 2;
    --exponent;
  }
  const double s = (mantissa - 1) / (mantissa + 1);
  double series = 0;
  for (int n = 21; n >= 1; n -= 2) series = series * (s * s) + 1.0 / n;
  return 2 * s * series + exponent * kLn2;
}

// x = k ln 2 + r, |r| < 0.35, and e^r = 1 + r (1 + r/2 (1 + r/3 ...)).
double Exponential(double x) {
  REQUIRE(x <= 0);
  if (x < -700) return 0;  // Below 1e-304.
  const double power = std::floor(x / kLn2 + 0.5);
  const double rest = x - power * kLn2;
  double series = 1;
  for (int n = 16; n >= 1; --n) series = 1 + rest / n * series;
  return std::ldexp(series, static_cast<int>(power));
}

// Cheng's algorithm GB (1977) takes shapes of 1 and more; below, Gamma(a) = Gamma(a+1) U^(1/a).
double LogOfGamma(double shape, RandomStream& random) {
  REQUIRE(shape > 0);
  if (shape < 1) {
    const double log_unit = Logarithm(Unit(random));
    return LogOfGamma(shape + 1, random) + log_unit / shape;
  }
  const double width = std::sqrt(2 * shape - 1);
  const double log_shape = Logarithm(shape);
  for (;;) {
    const double u = Unit(random);
    const double z = u * u * Unit(random);
    const double v = Logarithm(u / (1 - u)) / width;
    // v is at most ln(2^33) / width: far above 0 the number would be refused anyway.
    const double log_number = log_shape + v;
    const double number = v > 0 ? shape / Exponential(-v) : shape * Exponential(v);
    if (shape - 2 * kLn2 + (shape + width) * v - number >= Logarithm(z)) return log_number;
  }
}

std::optional<Shares> DrawDirichletShares(const DirichletOptions& options,
                                          absl::Span<const std::uint64_t> samples_by_class) {
  REQUIRE(options.world_size >= 1);
  for (int attempt = 0; attempt < kDirichletTries; ++attempt) {
    Shares shares = DrawShares(options, samples_by_class, attempt);
    const bool enough = std::all_of(shares.begin(), shares.end(), [&](const auto& shard) {
      return std::accumulate(shard.begin(), shard.end(), std::uint64_t{0}) >= options.least_samples;
    });
    if (enough) return shares;
  }
  return std::nullopt;
}

}  // namespace actors
