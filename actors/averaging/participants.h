// Which members train in a round, if not all do (strategy.participants, client sampling as in
// arXiv 1602.05629). Each member is drawn for itself, so that whoever comes or goes changes nothing
// for the others; if nobody of those present is drawn, the one closest to it trains. Who rests
// takes part in the ring with weight 0, and has the next model as everybody else. Pure: the same
// answer on every member, from the run's seed.
#ifndef RONDO_ACTORS_AVERAGING_PARTICIPANTS_H_
#define RONDO_ACTORS_AVERAGING_PARTICIPANTS_H_

#include <cstdint>
#include <span>

namespace actors {

struct ParticipantsOptions {
  double share = 1;  // Of the members, in (0, 1], on average over the rounds.
  std::uint64_t seed = 0;
};

// Whether `slot` trains in round `round`; `slots` are those of all members, itself included.
bool Participates(const ParticipantsOptions& options, std::uint64_t round, std::uint32_t slot,
                  std::span<const std::uint32_t> slots);

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_PARTICIPANTS_H_
