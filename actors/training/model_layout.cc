#include "actors/training/model_layout.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "actors/training/dataset.h"
#include "actors/training/model_plan.h"
#include "actors/training/random.h"
#include "runtime/base/require.h"

namespace actors {
namespace {

Layout LayoutFor(const ModelOptions& options, const ImageShape& input) {
  const absl::StatusOr<ModelPlan> plan = PlanModel(options, input);
  REQUIRE(plan.ok());
  return plan->layout;
}

}  // namespace

Layout Lenet5Layout() { return LayoutFor(ModelOptions(), ImageShape()); }

Layout QuadraticLayout(std::uint64_t dimension) {
  return {.entries = {{.name = "w",
                       .shape = {static_cast<std::int64_t>(dimension)},
                       .count = dimension}},
          .trainable = dimension,
          .total = dimension};
}

Layout LayoutOf(const TrainingOptions& options) {
  if (options.model.name == "quadratic") return QuadraticLayout(options.quadratic.dimension);
  const std::optional<ImageShape> shape = ShapeOf(options.data.source);
  REQUIRE(shape.has_value());
  return LayoutFor(options.model, *shape);
}

void DrawInitialModel(const Layout& layout, const ModelOptions& options,
                      absl::Span<float> parameters) {
  REQUIRE(parameters.size() == layout.total);
  const bool he_normal = options.init == "he_normal";
  REQUIRE(he_normal || options.init == "glorot_uniform");
  for (std::size_t i = 0; i < layout.entries.size(); ++i) {
    const LayoutEntry& entry = layout.entries[i];
    const absl::Span<float> values = parameters.subspan(entry.offset, entry.count);
    std::fill(values.begin(), values.end(), entry.fill);
    if (entry.shape.size() < 2) continue;
    // Inputs and outputs that a weight connects: each kernel position counts.
    const auto outputs = static_cast<std::uint64_t>(entry.shape[0]);
    const auto inputs = static_cast<std::uint64_t>(entry.shape[1]);
    const std::uint64_t kernel = entry.count / (outputs * inputs);
    const std::uint64_t fans = he_normal ? inputs * kernel : (inputs + outputs) * kernel;
    const auto scale =
        static_cast<float>(std::sqrt((he_normal ? 2.0 : 6.0) / static_cast<double>(fans)));
    RandomStream random(options.seed, Purpose::kInitialModel, static_cast<std::uint32_t>(i));
    for (float& weight : values) {
      weight = scale * (he_normal ? random.NextNormal() : random.NextSymmetric());
    }
  }
}

}  // namespace actors
