// Whose drift was unlike the others' in the last round, as the members tell with their READY; and
// whose is left out of the ring for that.
#include <algorithm>
#include <utility>

#include "actors/round.h"

namespace actors {

void Round::JudgeDrifts() {
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
    weights_[rank] = left_out_[rank] ? 0 : members_[rank].weight;
  }
}

}  // namespace actors
