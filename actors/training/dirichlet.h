// Label skew by a Dirichlet distribution (Hsu, Qi and Brown 2019; Li et al. 2022): of each class,
// every rank gets a share drawn from Dir(A, ..., A). A small A gives each rank few classes, a large
// one makes the shards alike. Pure, and by exactly rounded operations only: members on different
// machines must come to the same shards, and C libraries round logarithms as they like.
// C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_DIRICHLET_H_
#define RONDO_ACTORS_TRAINING_DIRICHLET_H_

#include <absl/types/span.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "actors/training/random.h"

namespace actors {

inline constexpr int kDirichletTries = 100;

struct DirichletOptions {
  double concentration = 1;         // A > 0.
  std::uint32_t world_size = 1;     // Ranks, >= 1.
  std::uint64_t seed = 0;           // data.seed.
  std::uint64_t least_samples = 1;  // That every rank is to have.
};

// The natural logarithm of x > 0, and e^x for x <= 0: within 1e-14, with the same bits everywhere.
double Logarithm(double x);
double Exponential(double x);

// The logarithm of a number from the gamma distribution of shape `shape` > 0 and scale 1. Of a
// logarithm, because with a shape of 0.01 most of the numbers themselves are too small for a float.
double LogOfGamma(double shape, RandomStream& random);

// How many samples of each class each rank gets, [rank][class]. A class's shares add up to its
// samples. Drawn anew until every rank has least_samples; none if kDirichletTries draws all leave
// one with fewer.
std::optional<std::vector<std::vector<std::uint64_t>>> DrawDirichletShares(
    const DirichletOptions& options, absl::Span<const std::uint64_t> samples_by_class);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_DIRICHLET_H_
