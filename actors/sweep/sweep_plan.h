// Which runs a sweep consists of, and in which order. Pure.
//
// A point is one setting of all axes; a run is a point with a seed. With match_tau = "fda" a point
// of strategy local or clock without strategy.tau is made once for each fda point that agrees with
// it in every other key that both set; each of its runs takes as tau the mean interval, in steps,
// of the fda run of the same seed (algorithm.md 3: the control that decides whether the trigger is
// worth anything).
#ifndef RONDO_ACTORS_SWEEP_SWEEP_PLAN_H_
#define RONDO_ACTORS_SWEEP_SWEEP_PLAN_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/sweep/sweep_config.h"

namespace actors {

using SweepSettings = std::map<std::string, ConfigValue>;  // By key.

struct SweepPoint {
  SweepSettings settings;
  std::vector<std::uint64_t> seeds;
  std::optional<std::size_t> matched;          // The fda point whose interval is its tau.
  std::map<std::string, std::string> origins;  // Of the settings, "paper.toml:12".
};

struct SweepRun {
  std::size_t point = 0;
  std::uint64_t seed = 0;
  std::optional<std::size_t> matched;  // The run, an earlier one, whose interval is its tau.
};

// No point stands there twice. CONFIG_CONFLICT, exit 2: no fda point for one that is to be matched,
// or not with its seeds; CONFIG_INVALID_VALUE: more than kMostSweepRuns.
absl::StatusOr<std::vector<SweepPoint>> ExpandSweep(const SweepConfig& config);
inline constexpr std::size_t kMostSweepRuns = 10'000;

// Seed by seed, so that a sweep that is not at its end has something of every point; what is
// matched comes behind all others of its seed.
std::vector<SweepRun> OrderSweep(const std::vector<SweepPoint>& points);

// `base` with what a run sets. An axis is before flags and the environment.
absl::StatusOr<ResolvedConfig> ResolveSweepRun(const ConfigSources& base, const SweepPoint& point,
                                               std::uint64_t seed,
                                               std::optional<std::uint64_t> tau);

// The values of `config` other than defaults, without run.out, as 16 hexadecimal digits: runs that
// have them equal are the same run. New keys of later versions do not change it.
std::string IdentityOf(const RunConfig& config);

// The mean interval between synchronizations, in whole steps, at least 1.
std::uint64_t MatchedTau(std::uint64_t steps, std::uint64_t syncs);

// As in TOML, but texts without their quotes.
std::string PlainText(const ConfigValue& value);
// "fda, linear, theta 2, workers 5": the values of strategy without their keys' section.
std::string DescribePoint(const SweepSettings& settings);

}  // namespace actors

#endif  // RONDO_ACTORS_SWEEP_SWEEP_PLAN_H_
