// Vectors for the tests of averaging; all reproducible from a seed.
#ifndef RONDO_TESTS_ACTORS_AVERAGING_VECTORS_H_
#define RONDO_TESTS_ACTORS_AVERAGING_VECTORS_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace tests {

inline std::vector<float> GaussianVector(std::size_t n, std::uint64_t seed, float scale = 1) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(n);
  for (float& value : values) value = normal(random);
  return values;
}

// Every 617th coordinate is 1, the rest 0.
inline std::vector<float> SparseVector(std::size_t n) {
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; i += 617) values[i] = 1;
  return values;
}

// Student's t with 2 degrees of freedom: its fourth moment is infinite, a few coordinates stand
// out.
inline std::vector<float> HeavyTailedVector(std::size_t n, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::student_t_distribution<float> student(2);
  std::vector<float> values(n);
  for (float& value : values) value = student(random);
  return values;
}

inline double SquaredNorm(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * value;
  return sum;
}

// sum p_k ‖u_k - mean‖² for the drifts u_k = locals[k] - base, all in double.
inline double ExactVariance(std::span<const std::vector<float>> locals, std::span<const float> base,
                            std::span<const float> weights) {
  double total = 0;
  for (const float weight : weights) total += weight;
  double variance = 0;
  for (std::size_t i = 0; i < base.size(); ++i) {
    double mean = 0;
    for (std::size_t k = 0; k < locals.size(); ++k) {
      mean += weights[k] / total * (static_cast<double>(locals[k][i]) - base[i]);
    }
    for (std::size_t k = 0; k < locals.size(); ++k) {
      const double difference = static_cast<double>(locals[k][i]) - base[i] - mean;
      variance += weights[k] / total * difference * difference;
    }
  }
  return variance;
}

// sum p_k ‖u_k‖².
inline double MeanSquaredDrift(std::span<const std::vector<float>> locals,
                               std::span<const float> base, std::span<const float> weights) {
  double total = 0, sum = 0;
  for (std::size_t k = 0; k < locals.size(); ++k) {
    total += weights[k];
    for (std::size_t i = 0; i < base.size(); ++i) {
      const double drift = static_cast<double>(locals[k][i]) - base[i];
      sum += weights[k] * drift * drift;
    }
  }
  return sum / total;
}

}  // namespace tests

#endif  // RONDO_TESTS_ACTORS_AVERAGING_VECTORS_H_
