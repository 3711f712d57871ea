#include "actors/training/model_plan.h"

#include <absl/strings/str_cat.h>

#include <functional>
#include <numeric>
#include <optional>
#include <utility>

#include "actors/training/dataset.h"
#include "runtime/base/error.h"
#include "runtime/base/require.h"

namespace actors {
namespace {

// How a convolution goes over an image.
struct Window {
  std::int64_t size = 3;
  std::int64_t padding = 0;
};

// Adds layer to layer and follows the shape of the value between them. After a layer that its input
// is too small for, the rest has no meaning and Finish gives none.
class PlanBuilder {
 public:
  PlanBuilder(const ImageShape& input, double dropout)
      : dropout_(dropout), channels_(input.channels), rows_(input.rows), columns_(input.columns) {
    plan_.input = input;
  }

  void Convolution(const std::string& name, std::int64_t outputs, const Window& window) {
    ++weighted_layers_;
    const std::int64_t fewer = 2 * window.padding - window.size + 1;
    Add({.kind = LayerKind::kConvolution,
         .first_entry = Entries(),
         .size = window.size,
         .padding = window.padding});
    Parameter(name + ".weight", {outputs, channels_, window.size, window.size});
    Parameter(name + ".bias", {outputs});
    Reshape(outputs, rows_ + fewer, columns_ + fewer);
  }

  // Of what Flatten left.
  void Linear(const std::string& name, std::int64_t outputs) {
    ++weighted_layers_;
    Add({.kind = LayerKind::kLinear, .first_entry = Entries()});
    Parameter(name + ".weight", {outputs, channels_});
    Parameter(name + ".bias", {outputs});
    channels_ = outputs;
  }

  void GroupNorm(const std::string& name, std::int64_t groups) {
    REQUIRE(channels_ % groups == 0);
    Add({.kind = LayerKind::kGroupNorm, .first_entry = Entries(), .groups = groups});
    Parameter(name + ".weight", {channels_}, /*fill=*/1);
    Parameter(name + ".bias", {channels_});
  }

  void Relu() { Add({.kind = LayerKind::kRelu}); }
  void Tanh() { Add({.kind = LayerKind::kTanh}); }

  void TanhPool() {
    if (rows_ % 2 != 0 || columns_ % 2 != 0) fits_ = false;
    Add({.kind = LayerKind::kTanhPool, .size = 2});
    Reshape(channels_, rows_ / 2, columns_ / 2);
  }

  void MaxPool(std::int64_t size) {
    Add({.kind = LayerKind::kMaxPool, .size = size});
    Reshape(channels_, rows_ / size, columns_ / size);
  }

  void Flatten() {
    Add({.kind = LayerKind::kFlatten});
    Reshape(channels_ * rows_ * columns_, 1, 1);
  }

  void Dropout() {
    has_dropout_ = true;
    if (dropout_ > 0) Add({.kind = LayerKind::kDropout, .rate = dropout_});
  }
  bool HasDropout() const { return has_dropout_; }

  // Nothing if an image is too small.
  std::optional<ModelPlan> Finish() {
    if (!fits_) return std::nullopt;
    Layout& layout = plan_.layout;
    for (LayoutEntry& entry : layout.entries) {
      entry.offset = layout.total;
      entry.depth = weighted_layers_ - entry.depth;
      layout.total += entry.count;
    }
    layout.trainable = layout.total;
    return std::move(plan_);
  }

 private:
  std::size_t Entries() const { return plan_.layout.entries.size(); }
  void Add(const Layer& layer) { plan_.layers.push_back(layer); }

  void Parameter(std::string name, std::vector<std::int64_t> shape, float fill = 0) {
    const auto count = static_cast<std::uint64_t>(
        std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>()));
    plan_.layout.entries.push_back({.name = std::move(name),
                                    .shape = std::move(shape),
                                    .count = count,
                                    .depth = weighted_layers_,
                                    .fill = fill});
  }

  void Reshape(std::int64_t channels, std::int64_t rows, std::int64_t columns) {
    if (rows < 1 || columns < 1) fits_ = false;
    channels_ = channels;
    rows_ = rows;
    columns_ = columns;
  }

  ModelPlan plan_;
  double dropout_;
  bool has_dropout_ = false;
  std::int64_t channels_, rows_, columns_;  // What the layers so far leave.
  std::uint32_t weighted_layers_ = 0;       // Convolutions and linear layers so far.
  bool fits_ = true;
};

void AddLenet5(PlanBuilder& plan) {
  plan.Convolution("conv1", 6, {.size = 5, .padding = 2});
  plan.TanhPool();
  plan.Convolution("conv2", 16, {.size = 5});
  plan.TanhPool();
  plan.Flatten();
  plan.Linear("fc1", 120);
  plan.Tanh();
  plan.Linear("fc2", 84);
  plan.Tanh();
  plan.Linear("fc3", kImageClasses);
}

void AddLogistic(PlanBuilder& plan) {
  plan.Flatten();
  plan.Linear("fc", kImageClasses);
}

void AddCnnWithGroupNorm(PlanBuilder& plan) {
  constexpr std::int64_t kGroups = 8;
  for (const int block : {1, 2, 3}) {
    plan.Convolution(absl::StrCat("conv", block), std::int64_t{8} << block,
                     {.size = 3, .padding = 1});
    plan.GroupNorm(absl::StrCat("norm", block), kGroups);
    plan.Relu();
    if (block < 3) plan.MaxPool(2);
  }
  plan.Flatten();
  plan.Linear("fc", kImageClasses);
}

void AddVgg16s(PlanBuilder& plan) {
  int number = 0;
  for (const std::int64_t outputs : {64, 128, 256}) {
    for (int twice = 0; twice < 2; ++twice) {
      plan.Convolution(absl::StrCat("conv", ++number), outputs, {.size = 3, .padding = 1});
      plan.Relu();
    }
    plan.MaxPool(2);
  }
  plan.Flatten();
  for (const char* const name : {"fc1", "fc2"}) {
    plan.Linear(name, 512);
    plan.Relu();
    plan.Dropout();
  }
  plan.Linear("fc3", kImageClasses);
}

absl::Status Refuse(const std::string& message, const std::string& hint) {
  return runtime::MakeError("CONFIG_INVALID_VALUE", runtime::Exit::kUsage, message, hint);
}

}  // namespace

absl::StatusOr<ModelPlan> PlanModel(const ModelOptions& options, const ImageShape& input) {
  PlanBuilder builder(input, options.dropout);
  if (options.name == "lenet5") {
    AddLenet5(builder);
  } else if (options.name == "logistic") {
    AddLogistic(builder);
  } else if (options.name == "cnn-gn") {
    AddCnnWithGroupNorm(builder);
  } else {
    REQUIRE(options.name == "vgg16s");
    AddVgg16s(builder);
  }
  if (options.dropout > 0 && !builder.HasDropout()) {
    return Refuse(absl::StrCat("model.dropout = ", options.dropout, ", but model.name = \"",
                               options.name, "\" has no dropout layer"),
                  "leave model.dropout out");
  }
  std::optional<ModelPlan> plan = builder.Finish();
  if (plan.has_value()) return *std::move(plan);
  return Refuse(
      absl::StrCat("model.name = \"", options.name, "\" does not fit images of ", input.Text()),
      "take another model.name or data.source");
}

}  // namespace actors
