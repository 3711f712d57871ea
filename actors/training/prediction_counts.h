// How many predictions were right. Counts add up, over steps and over workers. C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_PREDICTION_COUNTS_H_
#define RONDO_ACTORS_TRAINING_PREDICTION_COUNTS_H_

#include <cstdint>
#include <optional>

namespace actors {

struct PredictionCounts {
  std::uint64_t correct = 0;
  std::uint64_t all = 0;  // 0 of a model that has no classes.

  PredictionCounts& operator+=(const PredictionCounts& other) {
    correct += other.correct;
    all += other.all;
    return *this;
  }
  PredictionCounts& operator-=(const PredictionCounts& other) {
    correct -= other.correct;
    all -= other.all;
    return *this;
  }

  friend bool operator==(const PredictionCounts& a, const PredictionCounts& b) {
    return a.correct == b.correct && a.all == b.all;
  }

  // The part that was wrong, 0..1; of none there is none. Of predictions that were made on each
  // batch before the step on it, this is the prequential error (Dawid 1984; Gama et al. 2013).
  std::optional<double> Error() const {
    if (all == 0) return std::nullopt;
    return 1 - static_cast<double>(correct) / static_cast<double>(all);
  }
};

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_PREDICTION_COUNTS_H_
