// What a run sends: by the paper's formula, so that results compare with theirs, and as a ring
// sends it, for predictions (algorithm.md 5). Bytes, all workers together. Pure.
#ifndef RONDO_ACTORS_AVERAGING_COST_H_
#define RONDO_ACTORS_AVERAGING_COST_H_

#include <cstdint>
#include <optional>

#include "actors/averaging/sync_policy.h"

namespace actors {

// How much a run did. With changing membership the member counts are sums over rounds and steps;
// with K members throughout they are K times the number.
struct RunCounts {
  std::uint64_t member_synchronizations = 0;  // Sum over synchronizations of the members in it.
  std::uint64_t member_steps = 0;             // Sum over steps of the members that took it.
  std::uint64_t initial_members = 0;          // Members of the first view.

  RunCounts& operator+=(const RunCounts& later) {
    member_synchronizations += later.member_synchronizations;
    member_steps += later.member_steps;
    if (initial_members == 0) initial_members = later.initial_members;
    return *this;
  }
};

RunCounts CountsOf(std::uint64_t members, std::uint64_t steps, std::uint64_t synchronizations);

// Bytes of one state of `options` as the paper counts them; 0 for fixed schedules.
std::uint64_t PolicyStateBytes(const SyncPolicyOptions& options);

// bytes_paper = 4d·2·member_synchronizations + state_bytes·member_steps, a star: every member sends
// its model up and gets one down, states go one way. All but `synchronous` pay one initial
// exchange.
std::uint64_t PaperBytes(const SyncPolicyOptions& options, std::uint64_t parameters,
                         const RunCounts& counts);

// What a ring over `members` of `floats` floats (trainable part and buffers) sends at least,
// payload of all members together: 2(K - 1)·4·floats, which is 2(K - 1)/K·4·floats each.
std::uint64_t RingLowerBound(std::uint64_t members, std::uint64_t floats);

struct PredictedBytes {
  std::uint64_t ring = 0;   // Payload, by the lower bound.
  std::uint64_t state = 0;  // States, one way.
  std::uint64_t total = 0;
};

// For constant membership, before the run.
PredictedBytes PredictBytes(const SyncPolicyOptions& options, std::uint64_t floats,
                            std::uint64_t members, std::uint64_t steps,
                            std::uint64_t synchronizations);

// How many synchronizations `steps` steps will have, the last one of the run included. Exact for
// fixed schedules. fda: an estimate for Adam, whose steps diffuse with a variance of about
// 0.45·d·eta_t² each, so that it is `clock` with tau = theta / (0.45·d·eta_0²). Where rates change
// each step has to be looked at: none for more than kMostStepsForetold of them.
inline constexpr std::uint64_t kMostStepsForetold = 20'000'000;
std::optional<std::uint64_t> PredictSynchronizations(const SyncPolicyOptions& options,
                                                     std::uint64_t parameters, std::uint64_t steps);

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_COST_H_
