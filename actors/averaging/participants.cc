#include "actors/averaging/participants.h"

#include <algorithm>
#include <limits>

#include "runtime/base/random.h"

namespace actors {
namespace {

// Uniform in [0, 1), of this slot in this round.
double DrawOf(const ParticipantsOptions& options, std::uint64_t round, std::uint32_t slot) {
  runtime::SplitMix64 of_round(options.seed ^ (round * 0x9e3779b97f4a7c15u));
  runtime::SeededRandom random(of_round.Next() ^ slot);
  return random.Fraction();
}

}  // namespace

bool Participates(const ParticipantsOptions& options, std::uint64_t round, std::uint32_t slot,
                  std::span<const std::uint32_t> slots) {
  if (options.share >= 1) return true;
  const double own = DrawOf(options, round, slot);
  double least = std::numeric_limits<double>::infinity();
  for (const std::uint32_t other : slots) least = std::min(least, DrawOf(options, round, other));
  return own < options.share || own == least;
}

}  // namespace actors
