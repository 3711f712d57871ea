// Whose drift is unlike the others': from what members read of their drifts at a COMMIT. Pure.
//
// In the ring of a round, with p_k = w_k / sum of w, m = sum of p_k u_k. Member k alone knows u_k,
// and reads ‖u_k‖², <u_k, m> and ‖m‖² in one pass. The mean drift of the others follows from that:
// o_k = sum over j != k of p_j u_j = m - p_k u_k (longer or shorter than their mean, which changes
// no cosine), so
//   <u_k, o_k> = <u_k, m> - p_k ‖u_k‖²     ‖o_k‖² = ‖m‖² - 2 p_k <u_k, m> + p_k² ‖u_k‖².
// The cosine to the others is what tells; in that to m a member's own part hides what it does.
//
// z says how far from the others a member is, in robust deviations: (median - its cosine to the
// others) / scale, or (log of its norm - median) / scale if that is more; what is more aligned or
// shorter than usual harms nobody. scale = 1.4826 x the median distance from the median. Mean and
// standard deviation would not do: of K members none is more than (K-1)/√K of these from the mean,
// 1.5 with K = 4, because the one that is far off stretches both. Of fewer than half the members
// the median takes no notice. It has a floor, 0.1 of cosine and 0.5 of log norm, as the members of
// a small run may agree by chance to any number of digits. With K < 3 there is no z: of two that
// differ nobody knows which is the odd one.
//
// An outlier has z >= 3 in two rounds in a row: by its norm (it is 4.5 times as long as usual and
// outvotes the others), or by its cosine, which in the second of the two is -0.4 or less: it undoes
// what they do. z alone will not do, as a node with other classes than the rest is far off, and is
// what federated training is for. Nor will one round: where every node has other classes, each may
// be thrown far off once, but hardly twice in a row. It stays an outlier until it
// is near the others (z < 2) in three rounds in a row: the drift of one that is left out is soon
// at right angles to theirs instead of against them, and still 3 times as long. Measured on MNIST,
// four nodes, LeNet-5, Adam, theta 2, up to 3000 steps; cosine to the others in rounds 1, 2 and 3,
// and the range of all later ones:
//                                      of the odd one          of the others
//   labels shuffled (4 seeds)          .1  -.4  -.6  -.6..-.8  .8  .9  .8  .4..-.2
//   label 0 only, and all of it       -.1   .0  -.1  -.1..-.2  .8  .9  .9  .8.. .1
//   label:0 (all of it, and others)    .3   .5   .6   .4.. .1  .8  .9  .9  .8.. .2
//   sorted:60                                                  .3  .5  .7  .7.. .1
//   iid                                                        .9  .9  .9  .8.. .3
// The lowest of any honest odd one was -.32 (SGD, label 0 only), the highest of any shuffled one in
// its third round -.58. Five nodes of two classes each: -.5 for all of them, which z forgives. What
// is named although it is honest: a node with a single class, where rounds take hundreds of steps
// because the model knows all training samples by heart.
//
// Rounds of fewer than 8 steps give no grounds. Where drifts are averaged so often, members with
// other data hold the model between them, each pulling its way, and label:0 looks like wrong labels
// (-0.5 with one step a round). So `synchronous` tells all numbers, and names nobody.
//
// It finds mistakes: data or labels that are wrong, another unit, a broken machine. It does not
// find liars, who may say of their drift what they want.
#ifndef RONDO_ACTORS_AVERAGING_DRIFT_TELEMETRY_H_
#define RONDO_ACTORS_AVERAGING_DRIFT_TELEMETRY_H_

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "actors/averaging/drift_kernel_table.h"
#include "runtime/base/ids.h"

namespace actors {

// What one member of the ring of a round says of its drift in it.
struct DriftSample {
  runtime::NodeId node;
  float weight = 0;                     // In that ring; 0: it added nothing.
  std::optional<DriftReading> reading;  // None: it has not said.
};

// What is told of it; none where it cannot be told, as of a drift that is 0 or no number.
struct MemberDrift {
  runtime::NodeId node;
  std::optional<double> norm;              // ‖u‖.
  std::optional<double> cosine;            // To the mean drift, its own part included; -1 to 1.
  std::optional<double> cosine_to_others;  // To the mean drift of the others.
  std::optional<double> cosine_z;          // Above 0: less aligned than the others usually are;
  std::optional<double> norm_z;            // longer than they usually are.
  // By OutlierWatch.
  bool outlier = false;
  bool changed = false;  // `outlier`, by this round.

  std::optional<double> z() const;  // The larger of the two.
  bool HasBecomeOutlier() const { return outlier && changed; }
};

// All members of one ring, in the order given.
std::vector<MemberDrift> CompareDrifts(std::span<const DriftSample> samples);

// Remembers from round to round who is an outlier. One thread.
class OutlierWatch {
 public:
  // The next round's drifts, of so many steps: fills in `outlier` and `changed`. Whoever is not
  // among them is forgotten.
  void Judge(std::span<MemberDrift> drifts, std::uint64_t steps);
  // Those whom a ring of these members is to leave out: the farthest first, and always fewer than
  // half of them.
  std::vector<runtime::NodeId> ToLeaveOut(std::span<const runtime::NodeId> members) const;

 private:
  struct Record {
    MemberDrift last;  // Of rounds that may give grounds.
    int quiet = 0;     // Such rounds in a row that gave none.
  };
  std::map<runtime::NodeId, Record> records_;
};

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_DRIFT_TELEMETRY_H_
