#include "actors/sweep/sweep_plan.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "runtime/base/error.h"
#include "runtime/base/hash.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

using runtime::Exit;
using runtime::MakeError;

constexpr char kStrategy[] = "strategy.name";
constexpr char kTau[] = "strategy.tau";

std::string TextOf(const SweepSettings& settings, const std::string& key) {
  const auto found = settings.find(key);
  if (found == settings.end()) return "";
  const auto* const text = std::get_if<std::string>(&found->second);
  return text == nullptr ? "" : *text;
}

bool WantsTau(const SweepPoint& point) {
  const std::string strategy = TextOf(point.settings, kStrategy);
  return (strategy == "local" || strategy == "clock") && !point.settings.contains(kTau);
}

bool Agree(const SweepSettings& a, const SweepSettings& b) {
  return std::all_of(a.begin(), a.end(), [&b](const SweepSettings::value_type& setting) {
    const auto other = b.find(setting.first);
    return setting.first == kStrategy || other == b.end() || other->second == setting.second;
  });
}

// All combinations of a case's values; the last axis changes fastest.
std::vector<SweepPoint> Combine(const SweepCase& of) {
  std::vector<SweepPoint> points = {{.settings = {}, .seeds = of.seeds}};
  for (const SweepAxis& axis : of.axes) {
    std::vector<SweepPoint> longer;
    for (const SweepPoint& point : points) {
      for (const ConfigValue& value : axis.values) {
        longer.push_back(point);
        longer.back().settings[axis.key] = value;
        longer.back().origins[axis.key] = axis.origin;
      }
    }
    points = std::move(longer);
  }
  return points;
}

absl::Status TooManyRuns() {
  return MakeError("CONFIG_INVALID_VALUE", Exit::kUsage,
                   absl::StrCat("the sweep has more than ", kMostSweepRuns, " runs"),
                   "give fewer values, or split it");
}

std::size_t CombinationsOf(const SweepCase& of) {
  std::size_t count = of.seeds.size();
  for (const SweepAxis& axis : of.axes) {
    count *= axis.values.size();
    if (count > kMostSweepRuns) break;
  }
  return count;
}

// `point` once for each fda point among the first `count` of `points` that it can be matched with.
absl::StatusOr<std::vector<SweepPoint>> Match(const SweepPoint& point,
                                              const std::vector<SweepPoint>& points,
                                              std::size_t count) {
  std::vector<SweepPoint> made;
  for (std::size_t i = 0; i < count; ++i) {
    const SweepPoint& fda = points[i];
    if (TextOf(fda.settings, kStrategy) != "fda" || !Agree(point.settings, fda.settings)) continue;
    for (const std::uint64_t seed : point.seeds) {
      if (std::find(fda.seeds.begin(), fda.seeds.end(), seed) != fda.seeds.end()) continue;
      return MakeError(
          "CONFIG_CONFLICT", Exit::kUsage,
          absl::StrCat("seed ", seed, " of ", DescribePoint(point.settings), " has no run of ",
                       DescribePoint(fda.settings), " whose interval it could take as its tau"),
          "give both the same seeds");
    }
    made.push_back(point);
    made.back().matched = i;
  }
  if (!made.empty()) return made;
  return MakeError("CONFIG_CONFLICT", Exit::kUsage,
                   absl::StrCat("no fda point of the sweep agrees with ",
                                DescribePoint(point.settings), ", whose tau was to follow from it"),
                   "set strategy.name = \"fda\" in a case with the same other values, or give a "
                   "strategy.tau");
}

void AddOnce(const SweepPoint& point, std::vector<SweepPoint>& points) {
  for (SweepPoint& other : points) {
    if (other.settings != point.settings || other.matched != point.matched) continue;
    for (const std::uint64_t seed : point.seeds) {
      if (std::find(other.seeds.begin(), other.seeds.end(), seed) == other.seeds.end()) {
        other.seeds.push_back(seed);
      }
    }
    return;
  }
  points.push_back(point);
}

}  // namespace

absl::StatusOr<std::vector<SweepPoint>> ExpandSweep(const SweepConfig& config) {
  std::size_t runs = 0;
  for (const SweepCase& one : config.cases) runs += CombinationsOf(one);
  if (runs > kMostSweepRuns) return TooManyRuns();
  std::vector<SweepPoint> points;
  std::vector<SweepPoint> to_match;
  for (const SweepCase& one : config.cases) {
    for (const SweepPoint& point : Combine(one)) {
      AddOnce(point, config.match_tau && WantsTau(point) ? to_match : points);
    }
  }
  const std::size_t count = points.size();
  for (const SweepPoint& point : to_match) {
    ASSIGN_OR_RETURN(const std::vector<SweepPoint> made, Match(point, points, count));
    runs += made.size() * point.seeds.size();
    if (runs > kMostSweepRuns) return TooManyRuns();
    points.insert(points.end(), made.begin(), made.end());
  }
  return points;
}

std::vector<SweepRun> OrderSweep(const std::vector<SweepPoint>& points) {
  std::vector<std::uint64_t> seeds;
  for (const SweepPoint& point : points) {
    for (const std::uint64_t seed : point.seeds) {
      if (std::find(seeds.begin(), seeds.end(), seed) == seeds.end()) seeds.push_back(seed);
    }
  }
  std::vector<SweepRun> runs;
  for (const std::uint64_t seed : seeds) {
    std::map<std::size_t, std::size_t> run_of;  // Point to run, of this seed.
    // ExpandSweep has put those that are matched behind the others.
    for (std::size_t i = 0; i < points.size(); ++i) {
      const SweepPoint& point = points[i];
      if (std::find(point.seeds.begin(), point.seeds.end(), seed) == point.seeds.end()) continue;
      SweepRun run{.point = i, .seed = seed};
      if (point.matched.has_value()) run.matched = run_of.at(*point.matched);
      run_of[i] = runs.size();
      runs.push_back(run);
    }
  }
  return runs;
}

absl::StatusOr<ResolvedConfig> ResolveSweepRun(const ConfigSources& base, const SweepPoint& point,
                                               std::uint64_t seed,
                                               std::optional<std::uint64_t> tau) {
  ConfigSources sources = base;
  for (const auto& [key, value] : point.settings) {
    sources.overrides.push_back({key, ToTomlLiteral(value), point.origins.at(key)});
  }
  sources.overrides.push_back({"run.seed", std::to_string(seed), "sweep.seeds"});
  if (tau.has_value()) {
    sources.overrides.push_back({kTau, std::to_string(*tau), "sweep.match_tau"});
  }
  return ResolveRunConfig(sources);
}

std::string IdentityOf(const RunConfig& config) {
  const RunConfig usual;
  std::string text;
  for (const ConfigKey& key : ConfigKeys()) {
    if (key.FullName() == "run.out" || key.get(config) == key.get(usual)) continue;
    absl::StrAppend(&text, key.FullName(), " = ", ToTomlLiteral(key.get(config)), "\n");
  }
  return absl::StrCat(absl::Hex(runtime::HashText(text), absl::kZeroPad16));
}

std::uint64_t MatchedTau(std::uint64_t steps, std::uint64_t syncs) {
  if (syncs == 0) return std::max<std::uint64_t>(steps, 1);
  return std::max<std::uint64_t>((steps + syncs / 2) / syncs, 1);
}

std::string PlainText(const ConfigValue& value) {
  const auto* const text = std::get_if<std::string>(&value);
  return text == nullptr ? ToTomlLiteral(value) : *text;
}

std::string DescribePoint(const SweepSettings& settings) {
  std::string text;
  const auto add = [&text](const std::string& part) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", part);
  };
  // What it is before how much of it.
  for (const char* name : {kStrategy, "strategy.estimator", "strategy.decision"}) {
    const auto found = settings.find(name);
    if (found != settings.end()) add(PlainText(found->second));
  }
  for (const auto& [key, value] : settings) {
    if (key == kStrategy || key == "strategy.estimator" || key == "strategy.decision") continue;
    const bool is_short = !absl::EndsWith(key, ".name") && !absl::StartsWith(key, "server.");
    add(absl::StrCat(is_short ? key.substr(key.find('.') + 1) : key, " ", PlainText(value)));
  }
  return text.empty() ? "the config as it is" : text;
}

}  // namespace actors
