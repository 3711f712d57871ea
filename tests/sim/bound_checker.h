// Compares the true variance with theta plus the steps of which the monitor could not know. Knows
// nothing of phi, marks and bounds: only who moved, who spoke, and who was heard.
#ifndef RONDO_TESTS_SIM_BOUND_CHECKER_H_
#define RONDO_TESTS_SIM_BOUND_CHECKER_H_

#include <algorithm>
#include <cstddef>
#include <map>
#include <vector>

namespace tests {

inline double SquaredDistance(const std::vector<float>& from, const std::vector<double>& to) {
  double sum = 0;
  for (std::size_t i = 0; i < from.size(); ++i) sum += (from[i] - to[i]) * (from[i] - to[i]);
  return sum;
}

class BoundChecker {
 public:
  struct Member {
    double weight = 0;  // p_k.
    std::vector<float> drift;
    // The drift that the policy answers for: all that there was to say of it was heard. What lies
    // beyond are steps the monitor could not know of.
    std::vector<float> known;
    std::vector<float> answer;
    bool holds_marks = false;  // Those of the last publication or COMMIT.
    bool unheard = false;  // Has said something under them that was not heard, or started a poll.
  };

  BoundChecker(double theta, std::size_t dimension) : theta_(theta), center_(dimension) {}

  Member& member(int id) { return members_[id]; }
  void Remove(int id) { members_.erase(id); }

  // The view opens with the weights of its members set. Other weights may give the same drifts
  // another variance, which is not the policy's doing.
  void Opened() {
    jump_ = std::max(0.0, Excess(&Member::known, center_) - theta_);
    for (auto& [id, member] : members_) member.holds_marks = false;
  }
  void Spoke(int id) { members_[id].unheard = true; }
  void Silent(int id) {
    Member& member = members_[id];
    if (member.holds_marks && !member.unheard) member.known = member.drift;
  }
  // The last thing that it said, so the steps since were silent.
  void Heard(int id) {
    members_[id].unheard = false;
    Silent(id);
  }
  void Answered(int id) {
    members_[id].answer = members_[id].drift;
    members_[id].holds_marks = false;
  }
  void Judged(std::vector<double> center) {
    center_ = std::move(center);
    jump_ = 0;
    for (auto& [id, member] : members_) {
      member.known = member.answer;
      member.unheard = false;
    }
  }
  void Committed() {
    center_.assign(center_.size(), 0);
    jump_ = 0;
    for (auto& [id, member] : members_) {
      member.known.assign(center_.size(), 0);
      member.holds_marks = member.unheard = false;
    }
  }

  double Variance() const {
    std::vector<double> mean(center_.size());
    for (const auto& [id, member] : members_) {
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += member.weight * member.drift[i];
    }
    return Excess(&Member::drift, mean);
  }
  // By how much the steps that the monitor could not know of have moved their members away from
  // the center that all of them are measured from.
  double Margin() const {
    double margin = jump_;
    for (const auto& [id, member] : members_) {
      margin += member.weight * std::max(0.0, SquaredDistance(member.drift, center_) -
                                                  SquaredDistance(member.known, center_));
    }
    return margin;
  }
  // The variance as far as float32 states can tell (quantum_marks.h).
  bool Holds() const {
    const double squares = Excess(&Member::drift, std::vector<double>(center_.size()));
    return Variance() * (1 - 1e-5) - 1e-6 * squares <= theta_ + Margin();
  }

 private:
  double Excess(std::vector<float> Member::*what, const std::vector<double>& point) const {
    double sum = 0;
    for (const auto& [id, member] : members_) {
      sum += member.weight * SquaredDistance(member.*what, point);
    }
    return sum;
  }

  double theta_;
  std::vector<double> center_;  // xhat·xi.
  double jump_ = 0;
  std::map<int, Member> members_;
};

}  // namespace tests

#endif  // RONDO_TESTS_SIM_BOUND_CHECKER_H_
