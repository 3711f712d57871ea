#include "actors/averaging/theta_tuner.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/base/require.h"

namespace actors {
namespace {

constexpr std::size_t kRecent = 3;
constexpr std::size_t kRoundsNearAim = 2;
constexpr double kNearAim = 1.25;
// Where measurements never settle the last one is taken.
constexpr int kMostMeasured = 10;
constexpr std::uint64_t kGrowth = 4;
// A round ends after so many aims, whatever the variance is.
constexpr std::uint64_t kLongestAims = 4;

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::uint64_t InSteps(double aim) {
  return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::llround(aim)));
}

// How far apart two positive numbers are, as a factor of at least 1.
double Factor(double a, double b) { return std::max(a / b, b / a); }

}  // namespace

ThetaTuner::ThetaTuner(const ThetaTunerOptions& options)
    : options_(options),
      rule_{.theta = kNoTheta, .max_interval = std::min(kFirstInterval, options.longest_interval)} {
  REQUIRE(options.budget > 0 && options.budget < 1 && options.longest_interval >= 1);
}

double ThetaTuner::Aim() const {
  std::vector<double> stops, steps;
  for (const RoundTiming& round : recent_) {
    stops.push_back(round.stop_seconds);
    steps.push_back(round.train_seconds / static_cast<double>(round.steps));
  }
  const double step = std::max(Median(std::move(steps)), 1e-9);
  const double aim = Median(std::move(stops)) * (1 - options_.budget) / (options_.budget * step);
  const auto longest = static_cast<double>(options_.longest_interval);
  return std::clamp(aim, std::min<double>(kShortestInterval, longest), longest);
}

std::string ThetaTuner::OnRound(const RoundTiming& round) {
  if (round.steps == 0 || !std::isfinite(round.variance_estimate)) return "";
  recent_.push_back(round);
  if (recent_.size() > kRecent) recent_.pop_front();
  if (!holding_) return Measure(round);
  if (Factor(static_cast<double>(round.members), static_cast<double>(members_)) >= kChange) {
    return BeginAgain(absl::StrCat(round.members, " workers instead of ", members_), aim_);
  }
  if (recent_.size() < kRecent) return "";
  const double aim = Aim();
  if (Factor(aim, aim_) < kChange) return "";
  return BeginAgain(
      absl::StrFormat("a synchronization is worth %.1f steps now, not %.1f", aim, aim_), aim);
}

std::string ThetaTuner::BeginAgain(std::string_view reason, double aim) {
  holding_ = false;
  thetas_.clear();
  measured_ = 0;
  const RoundTiming last = recent_.back();
  recent_ = {last};  // The others are of another time.
  rule_ = {.theta = kNoTheta, .max_interval = InSteps(aim)};
  return absl::StrFormat("theta is chosen again: %s", reason);
}

std::string ThetaTuner::Measure(const RoundTiming& round) {
  ++measured_;
  const double aim = Aim();
  const double share = aim / static_cast<double>(round.steps);
  if (Factor(share, 1) <= kNearAim || measured_ >= kMostMeasured) {
    thetas_.push_back(round.variance_estimate * share);
  }
  if (thetas_.size() >= kRoundsNearAim || measured_ >= kMostMeasured) {
    aim_ = aim;
    return Choose(round.members);
  }
  rule_.max_interval = std::min(InSteps(aim), kGrowth * round.steps);
  return "";
}

std::string ThetaTuner::Choose(std::size_t members) {
  holding_ = true;
  members_ = members;
  const double theta = *std::ranges::max_element(thetas_);
  const RoundTiming& last = recent_.back();
  const std::string why = absl::StrFormat(
      "a synchronization takes %.3g s and a step %.3g s, so that one in %.0f steps takes %.3g %% "
      "of the time",
      last.stop_seconds, last.train_seconds / static_cast<double>(last.steps), aim_,
      100 * options_.budget);
  if (!(theta > 0)) {  // One worker, say.
    rule_ = {.theta = kNoTheta, .max_interval = InSteps(aim_)};
    return absl::StrFormat("no theta, for the copies do not differ: %s", why);
  }
  rule_ = {.theta = theta,
           .max_interval = std::min(kLongestAims * InSteps(aim_), options_.longest_interval)};
  return absl::StrFormat("theta %.4g: %s", theta, why);
}

}  // namespace actors
