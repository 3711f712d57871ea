#include "actors/training/model_layout.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "actors/training/dataset.h"
#include "actors/training/random.h"
#include "runtime/base/require.h"

namespace actors {
namespace {

struct Tensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::uint32_t depth = 0;
};

// All trainable, one behind the other.
Layout LayoutFrom(std::vector<Tensor> tensors) {
  Layout layout;
  for (Tensor& tensor : tensors) {
    const auto count = static_cast<std::uint64_t>(std::accumulate(
        tensor.shape.begin(), tensor.shape.end(), std::int64_t{1}, std::multiplies<>()));
    layout.entries.push_back({.name = std::move(tensor.name),
                              .shape = std::move(tensor.shape),
                              .offset = layout.total,
                              .count = count,
                              .depth = tensor.depth});
    layout.total += count;
  }
  layout.trainable = layout.total;
  return layout;
}

}  // namespace

Layout Lenet5Layout() {
  return LayoutFrom({{"conv1.weight", {6, 1, 5, 5}, 4},
                     {"conv1.bias", {6}, 4},
                     {"conv2.weight", {16, 6, 5, 5}, 3},
                     {"conv2.bias", {16}, 3},
                     {"fc1.weight", {120, 400}, 2},
                     {"fc1.bias", {120}, 2},
                     {"fc2.weight", {84, 120}, 1},
                     {"fc2.bias", {84}, 1},
                     {"fc3.weight", {kImageClasses, 84}, 0},
                     {"fc3.bias", {kImageClasses}, 0}});
}

Layout LogisticLayout() {
  return LayoutFrom(
      {{"fc.weight", {kImageClasses, kImagePixels}, 0}, {"fc.bias", {kImageClasses}, 0}});
}

Layout QuadraticLayout(std::uint64_t dimension) {
  return LayoutFrom({{"w", {static_cast<std::int64_t>(dimension)}, 0}});
}

Layout LayoutOf(const TrainingOptions& options) {
  if (options.model.name == "quadratic") return QuadraticLayout(options.quadratic.dimension);
  if (options.model.name == "logistic") return LogisticLayout();
  REQUIRE(options.model.name == "lenet5");
  return Lenet5Layout();
}

void DrawInitialModel(const Layout& layout, const ModelOptions& options,
                      absl::Span<float> parameters) {
  REQUIRE(parameters.size() == layout.total);
  const bool he_normal = options.init == "he_normal";
  REQUIRE(he_normal || options.init == "glorot_uniform");
  std::fill(parameters.begin(), parameters.end(), 0.0f);
  for (std::size_t i = 0; i < layout.entries.size(); ++i) {
    const LayoutEntry& entry = layout.entries[i];
    if (entry.shape.size() < 2) continue;
    // Inputs and outputs that a weight connects: each kernel position counts.
    const auto outputs = static_cast<std::uint64_t>(entry.shape[0]);
    const auto inputs = static_cast<std::uint64_t>(entry.shape[1]);
    const std::uint64_t kernel = entry.count / (outputs * inputs);
    const std::uint64_t fans = he_normal ? inputs * kernel : (inputs + outputs) * kernel;
    const auto scale =
        static_cast<float>(std::sqrt((he_normal ? 2.0 : 6.0) / static_cast<double>(fans)));
    RandomStream random(options.seed, Purpose::kInitialModel, static_cast<std::uint32_t>(i));
    for (float& weight : parameters.subspan(entry.offset, entry.count)) {
      weight = scale * (he_normal ? random.NextNormal() : random.NextSymmetric());
    }
  }
}

}  // namespace actors
