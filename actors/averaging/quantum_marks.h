// The policy `quantum` for naive and linear (algorithm.md 7.1): no barrier. Members train on at
// their own pace, each watches a number of its own against marks, and the monitor asks all of them
// only when the marks that were passed could add up to a variance above theta. QuantumWorker is
// one half, QuantumMonitor the other; here is what both share, and why the bound holds.
//
// 1. The mean is the point from which the squared distances are least: for every point c,
//        Var = sum p_k ‖u_k - ubar‖² <= sum p_k ‖u_k - c‖².
//    Let c = xhat·xi, for one number xhat and the one direction xi that all members hold, and
//        phi_k = ‖u_k‖² - 2·xhat·<xi,u_k> + xhat² >= ‖u_k - c‖²,    since ‖xi‖ <= 1.
//    So Var <= sum p_k phi_k, whatever step each member is at. The sum is least at
//    xhat = sum p_k <xi,u_k>, where it is the H of `linear`. Without a common direction xhat is 0,
//    c needs none, and the sum is the H of `naive`.
// 2. At a poll each member answers with ‖u_k‖² and <xi,u_k>. If H <= theta, the monitor publishes
//    xhat and a quantum q, less than the slack theta - H. The marks of k are phi_k(answer) + i·q;
//    k reports when phi_k is above its mark, and then takes the next mark that is not below phi_k.
//    b_k is the mark of k as the monitor knows it. A member whose every report is heard has
//    phi_k <= b_k. At first sum p_k b_k = H + q <= theta; the monitor polls when a report takes the
//    sum above theta.
// 3. So at every instant, with b_k as they were when their sum was last <= theta,
//        Var <= theta + sum p_k max(0, phi_k - b_k),
//    and an excess of k can only come from steps whose report was not heard under this xhat:
//    - those from the step that passed b_k until the report arrives; if that starts a poll, until
//      k has marks again or stops to synchronize;
//    - those between an answer and the marks made from it. k holds them against the answer that it
//      gave, so it reports at once if it is past one.
//    That is the overshoot of the policy; without delays one step of each member, as in lockstep.
// 4. COMMIT makes every contributor's drift 0 and publishes xhat = 0 and marks i·q from 0. All the
//    drift that a member keeps (passed over, adopted) is excess until it has these marks; if it is
//    past one, it reports at once.
// 5. When members come or go, the weights p_k change under drifts that were within theta, and no
//    b_k says anything of the new sum. The new view starts with a poll; until that is judged, the
//    excess is against sum p_k phi_k as it was when the view opened.
//
// Rounding. A state is float32 of sums within 1e-6, as in lockstep, so that phi_k, and the bound
// with it, may be low by about 1e-6·(‖u_k‖ + |xhat|)². Nothing is taken off theta for that: all the
// rest cannot be seen beside it. Both halves compute phi and marks in double, by this code, from
// the same floats, and so agree to the bit; and a mark is never below the phi it was made for.
#ifndef RONDO_ACTORS_AVERAGING_QUANTUM_MARKS_H_
#define RONDO_ACTORS_AVERAGING_QUANTUM_MARKS_H_

#include <cstdint>

#include "actors/averaging/local_state.h"

namespace actors {

// Numbers polls and commits of one monitor, from 1, ever upwards: whatever is stamped with an
// older number is void.
using PollId = std::uint64_t;

// Monitor to all members: answer with your state.
struct QuantumPoll {
  PollId poll = 0;
};

// Worker to monitor: the answer to a poll, or word that a mark was passed.
struct QuantumReport {
  PollId poll = 0;  // The poll that is answered, or whose marks were passed.
  std::uint64_t number =
      0;  // Rises from each report of a member to its next; of an answer, 0 will do.
  LocalState state;
};

// Monitor to all members: the marks until the next poll. A COMMIT carries one, too.
struct Quanta {
  PollId poll = 0;
  double xhat = 0;
  double quantum = 0;  // Above 0; infinite in a view of one member, who has nothing to report.
};

// The marks of one member under one publication.
class QuantumMarks {
 public:
  // `answer` is what the member answered to the poll; after COMMIT a state of no drift.
  QuantumMarks(const Quanta& quanta, const LocalState& answer);

  // Infinite if xhat counts and the state was projected on another direction than the answer.
  double Phi(const LocalState& state) const;
  // The first mark above `phi` (NaN for NaN).
  double Above(double phi) const;
  double First() const { return base_ + quantum_; }

 private:
  double xhat_;
  double quantum_;
  XiId xi_id_;
  double base_;
};

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_QUANTUM_MARKS_H_
