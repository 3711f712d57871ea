// Whose drift was unlike the others' in the last round, as the members tell with their READY; and
// whose is left out of the ring for that.
#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "actors/round.h"

namespace actors {

namespace {

// The last ring's part in the smoothed addition.
constexpr double kNewest = 0.5;
// With less of theta, synchronizations would follow each other.
constexpr double kLeastShareOfTheta = 0.25;

}  // namespace

// v_k is the drift of member k when the mean was adopted: sum p_k ‖v_k‖² - (sum p_k <xi, v_k>)², as
// `linear` estimates it (where only some have a direction, too high).
void Round::NoteWhatTheRingAdded() {
  if (!committed_.variance.has_value()) return;
  double weights = 0, squared = 0, along = 0;
  for (const auto& [node, weight] : committed_.weights) {
    const std::optional<std::uint32_t> rank = RankOf(node);
    const bool told = rank.has_value() && ready_[*rank].drift.has_value() &&
                      ready_[*rank].drift->round == synchronizations();
    if (!told) return;
    const CommittedDrift& drift = *ready_[*rank].drift;
    weights += weight;
    squared += weight * drift.squared_end;
    along += weight * drift.projection_end;
  }
  if (!(weights > 0) || !std::isfinite(squared) || !std::isfinite(along)) return;
  const double end = squared / weights - (along / weights) * (along / weights);
  variance_added_ = std::max(0.0, end - *committed_.variance);
  usual_addition_ = usual_addition_.has_value()
                        ? (1 - kNewest) * *usual_addition_ + kNewest * *variance_added_
                        : *variance_added_;
}

double Round::ThetaForOverlap() const {
  const double theta = RuleNow().theta;
  return std::max(kLeastShareOfTheta * theta, theta - usual_addition_.value_or(0));
}

void Round::JudgeDrifts() {
  NoteWhatTheRingAdded();
  const CommittedRing ring = std::exchange(committed_, {});
  if (ring.weights.empty()) return;  // They were told before, or there was no round.
  std::vector<DriftSample> samples;
  for (const auto& [node, weight] : ring.weights) {
    DriftSample& sample = samples.emplace_back(DriftSample{.node = node, .weight = weight});
    const std::optional<std::uint32_t> rank = RankOf(node);
    if (!rank.has_value()) continue;  // It is gone; its part in the mean is not.
    const std::optional<CommittedDrift>& drift = ready_[*rank].drift;
    if (drift.has_value() && drift->round == synchronizations()) sample.reading = drift->reading;
  }
  drifts_ = CompareDrifts(samples);
  std::erase_if(drifts_, [this](const MemberDrift& drift) { return !RankOf(drift.node); });
  std::ranges::sort(drifts_, {}, [this](const MemberDrift& drift) { return *RankOf(drift.node); });
  outliers_.Judge(drifts_, ring.steps);
}

// They keep weight 0 in the variance, too, from the next report on: theta bounds the spread of the
// models that are averaged (I7).
void Round::LeaveOutOutliers() {
  left_out_.assign(members_.size(), false);
  if (options_.refuse_outliers) {
    std::vector<runtime::NodeId> nodes;
    for (const Member& member : members_) nodes.push_back(member.node);
    for (const runtime::NodeId node : outliers_.ToLeaveOut(nodes)) left_out_[*RankOf(node)] = true;
    // Rather an outlier's drift than none: the others' may all be no numbers.
    bool anyone_adds = false;
    for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
      anyone_adds = anyone_adds || RingWeight(rank) > 0;
    }
    if (!anyone_adds) left_out_.assign(members_.size(), false);
  }
  for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
    weights_[rank] = left_out_[rank] || ready_[rank].rests ? 0 : members_[rank].weight;
  }
}

}  // namespace actors
