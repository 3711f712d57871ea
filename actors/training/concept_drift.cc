#include "actors/training/concept_drift.h"

#include <absl/strings/numbers.h>

#include <numeric>
#include <utility>

#include "actors/training/random.h"
#include "runtime/base/error.h"
#include "runtime/base/require.h"

namespace actors {
namespace {

constexpr std::uint64_t kMostSteps = 1'000'000'000'000;

std::vector<std::uint32_t> DrawCircle(std::uint32_t classes, std::uint64_t seed) {
  std::vector<std::uint32_t> circle(classes);
  std::iota(circle.begin(), circle.end(), 0u);
  RandomStream random(seed, Purpose::kConcept);
  for (std::uint32_t left = classes; left > 1; --left) {
    std::swap(circle[left - 1], circle[random.NextBelow(left)]);
  }
  return circle;
}

}  // namespace

absl::StatusOr<DriftRule> ParseDrift(const std::string& text) {
  DriftRule rule;
  if (text == "none") return rule;
  const std::size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  const bool has_steps = colon != std::string::npos &&
                         absl::SimpleAtoi(text.substr(colon + 1), &rule.every) && rule.every >= 1 &&
                         rule.every <= kMostSteps;
  if (name == "labels") rule.kind = DriftRule::Kind::kLabels;
  if (name == "rotate") rule.kind = DriftRule::Kind::kRotate;
  if (has_steps && rule.kind != DriftRule::Kind::kNone) return rule;
  return runtime::MakeError("CONFIG_INVALID_VALUE", runtime::Exit::kUsage,
                            "data.drift = \"" + text + "\" names no way for a stream to drift",
                            "data.drift takes \"none\", \"labels:STEPS\" or \"rotate:STEPS\", the "
                            "steps from one concept to the next");
}

absl::Status CheckDrift(const DriftRule& rule, const SampleShape& shape) {
  const bool turns = rule.kind == DriftRule::Kind::kRotate;
  const std::string kind = turns ? "rotate" : "labels";
  std::string why;
  if (rule.kind == DriftRule::Kind::kLabels && shape.targets != 1)
    why = "labels of one sample each";
  if (turns && shape.input.rows != shape.input.columns) why = "images that are as high as wide";
  if (why.empty()) return absl::OkStatus();
  return runtime::MakeError(
      "CONFIG_INVALID_VALUE", runtime::Exit::kUsage,
      "data.drift = \"" + kind + ":...\" needs " + why + ", and a sample is " + shape.input.Text(),
      "leave data.drift out, or take another data.source");
}

ConceptDrift::ConceptDrift(const DriftRule& rule, const SampleShape& shape, std::uint64_t seed)
    : rule_(rule), shape_(shape.input) {
  REQUIRE(CheckDrift(rule, shape).ok());
  if (rule.kind == DriftRule::Kind::kLabels) circle_ = DrawCircle(shape.classes, seed);
}

void ConceptDrift::MoveTo(std::uint64_t step) {
  const std::uint64_t number = rule_.ConceptAt(step);
  if (number == std::exchange(concept_, number)) return;
  switch (rule_.kind) {
    case DriftRule::Kind::kNone: return;
    case DriftRule::Kind::kLabels: return PermuteLabels(number);
    case DriftRule::Kind::kRotate: return TurnImages(number % 4);
  }
}

void ConceptDrift::PermuteLabels(std::uint64_t number) {
  const std::size_t classes = circle_.size();
  labels_.resize(classes);
  for (std::size_t place = 0; place < classes; ++place) {
    labels_[circle_[place]] = circle_[(place + number) % classes];
  }
}

// Turned left once, what was in the last column is in the first row.
void ConceptDrift::TurnImages(std::uint64_t quarter_turns) {
  const std::uint32_t side = shape_.rows;
  sources_.resize(quarter_turns == 0 ? 0 : shape_.pixels());
  for (std::size_t place = 0; place < sources_.size(); ++place) {
    const std::size_t channel = place / (std::size_t{side} * side);
    auto row = static_cast<std::uint32_t>(place / side % side);
    auto column = static_cast<std::uint32_t>(place % side);
    for (std::uint64_t turn = 0; turn < quarter_turns; ++turn) {
      row = std::exchange(column, side - 1 - row);
    }
    sources_[place] = static_cast<std::uint32_t>((channel * side + row) * side + column);
  }
}

}  // namespace actors
