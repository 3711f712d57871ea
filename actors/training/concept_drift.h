// A stream that drifts: what a sample means changes at given steps of the run (data.drift), from
// one concept to the next. Concept 0, the data as they are, holds for steps 1 to N, concept c for
// the steps from c N + 1 on. It follows from the run's step alone, so all workers change at the
// same step (without a barrier: each when its count of the run's steps is there), and a newcomer
// begins in the concept in force. After as many concepts as there are classes, or four quarter
// turns, the first one recurs. C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_CONCEPT_DRIFT_H_
#define RONDO_ACTORS_TRAINING_CONCEPT_DRIFT_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "actors/training/samples.h"

namespace actors {

struct DriftRule {
  enum class Kind {
    kNone,
    kLabels,  // Sudden, of P(y|x): the labels take places on a circle in an order drawn from
              // data.seed, and with each concept every label becomes its neighbour.
    kRotate,  // Sudden, of P(x): with each concept images are turned left by another 90 degrees.
  };
  Kind kind = Kind::kNone;
  std::uint64_t every = 0;  // N, in steps; > 0 but of kNone.

  // In force at the run's step `step`, counted from 1; 0 is before the first.
  std::uint64_t ConceptAt(std::uint64_t step) const {
    return kind == Kind::kNone || step == 0 ? 0 : (step - 1) / every;
  }
};

// "none", "labels:1500", "rotate:1500" (steps, 1 to 1e12). CONFIG_INVALID_VALUE, exit 2.
absl::StatusOr<DriftRule> ParseDrift(const std::string& text);

// Only images that are as high as wide can be turned, and only samples of one label each can have
// their labels changed: CONFIG_INVALID_VALUE, exit 2.
absl::Status CheckDrift(const DriftRule& rule, const SampleShape& shape);

// What the concept in force makes of samples. Training thread.
class ConceptDrift {
 public:
  // REQUIREs what CheckDrift takes. `seed` is data.seed.
  ConceptDrift(const DriftRule& rule, const SampleShape& shape, std::uint64_t seed);

  // The run's step, for all that follows. Costs something where the concept changes only.
  void MoveTo(std::uint64_t step);

  std::uint32_t LabelOf(std::uint32_t label) const {
    return labels_.empty() ? label : labels_[label];
  }
  // Where in the image as it is the value at each place comes from; null: images stay as they are.
  const std::uint32_t* sources() const { return sources_.empty() ? nullptr : sources_.data(); }

 private:
  void PermuteLabels(std::uint64_t number);
  void TurnImages(std::uint64_t quarter_turns);

  DriftRule rule_;
  ImageShape shape_;
  std::uint64_t concept_ = 0;
  std::vector<std::uint32_t> circle_;  // The labels in their order; empty but of kLabels.
  // Of the concept in force; empty where it changes nothing.
  std::vector<std::uint32_t> labels_;
  std::vector<std::uint32_t> sources_;
};

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_CONCEPT_DRIFT_H_
