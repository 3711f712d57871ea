#include "actors/averaging/quantum_marks.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace actors {

QuantumMarks::QuantumMarks(const Quanta& quanta, const LocalState& answer)
    : xhat_(quanta.xhat), quantum_(quanta.quantum), xi_id_(answer.xi_id), base_(Phi(answer)) {}

double QuantumMarks::Phi(const LocalState& state) const {
  // Two members' distances from two points bound nothing together.
  if (xhat_ != 0 && state.xi_id != xi_id_) return std::numeric_limits<double>::infinity();
  return state.squared_norm - 2 * xhat_ * state.projection + xhat_ * xhat_;
}

double QuantumMarks::Above(double phi) const {
  // A step may pass several. Below the base, the first one still holds.
  const double passed = std::max(0.0, std::floor((phi - base_) / quantum_));
  // Where the quantum is lost in the rounding of phi, phi itself is the mark.
  return std::max(phi, base_ + (passed + 1) * quantum_);
}

}  // namespace actors
