#include "actors/training/model_plan.h"

#include <absl/strings/str_cat.h>

#include <functional>
#include <numeric>
#include <optional>
#include <utility>

#include "runtime/base/error.h"
#include "runtime/base/require.h"

namespace actors {
namespace {

// How a convolution goes over an image.
struct Window {
  std::int64_t size = 3;
  std::int64_t stride = 1;
  std::int64_t padding = 0;

  std::int64_t Positions(std::int64_t length) const {
    const std::int64_t room = length + 2 * padding - size;
    return room < 0 ? 0 : room / stride + 1;
  }
};

constexpr Window kHalf{.size = 2, .stride = 2};

// Adds layer to layer and follows the shape of the value between them. After a layer that its input
// is too small for, the rest has no meaning and Finish gives none.
class PlanBuilder {
 public:
  PlanBuilder(const ImageShape& input, std::uint32_t classes, double dropout)
      : dropout_(dropout),
        classes_(classes),
        channels_(input.channels),
        rows_(input.rows),
        columns_(input.columns) {
    plan_.input = input;
  }

  std::int64_t channels() const { return channels_; }
  std::int64_t classes() const { return classes_; }

  void Convolution(const std::string& name, std::int64_t outputs, const Window& window,
                   bool has_bias = true) {
    ++weighted_layers_;
    Add({.kind = LayerKind::kConvolution,
         .first_entry = Entries(),
         .has_bias = has_bias,
         .size = window.size,
         .stride = window.stride,
         .padding = window.padding});
    Parameter(name + ".weight", {outputs, channels_, window.size, window.size});
    if (has_bias) Parameter(name + ".bias", {outputs});
    Reshape(outputs, window.Positions(rows_), window.Positions(columns_));
  }

  // Of what Flatten left.
  void Linear(const std::string& name, std::int64_t outputs) {
    ++weighted_layers_;
    Add({.kind = LayerKind::kLinear, .first_entry = Entries()});
    Parameter(name + ".weight", {outputs, channels_});
    Parameter(name + ".bias", {outputs});
    channels_ = outputs;
  }

  // Of text as rows of one character each.
  void Embedding(const std::string& name, std::int64_t width) {
    if (channels_ != 1 || rows_ != 1) fits_ = false;
    ++weighted_layers_;
    Add({.kind = LayerKind::kEmbedding, .first_entry = Entries()});
    Parameter(name + ".token", {classes_, width});
    Parameter(name + ".position", {columns_, width});
    channels_ = width;
  }

  void LayerNorm(const std::string& name) {
    Add({.kind = LayerKind::kLayerNorm, .first_entry = Entries(), .size = channels_});
    Parameter(name + ".weight", {channels_}, /*fill=*/1);
    Parameter(name + ".bias", {channels_});
  }

  // Of what a Linear of three times `width` left.
  void CausalAttention(std::int64_t width, std::int64_t heads) {
    REQUIRE(channels_ == 3 * width && width % heads == 0);
    Add({.kind = LayerKind::kCausalAttention, .groups = heads});
    channels_ = width;
  }

  void Gelu() { Add({.kind = LayerKind::kGelu}); }

  // To what was kept, which has as many channels.
  void AddKept() {
    REQUIRE(channels_ == kept_channels_);
    Add({.kind = LayerKind::kAdd});
  }

  void GroupNorm(const std::string& name, std::int64_t groups) {
    REQUIRE(channels_ % groups == 0);
    Add({.kind = LayerKind::kGroupNorm, .first_entry = Entries(), .groups = groups});
    Parameter(name + ".weight", {channels_}, /*fill=*/1);
    Parameter(name + ".bias", {channels_});
  }

  void BatchNorm(const std::string& name) {
    Add({.kind = LayerKind::kBatchNorm, .first_entry = Entries(), .first_buffer = buffers_.size()});
    Parameter(name + ".weight", {channels_}, /*fill=*/1);
    Parameter(name + ".bias", {channels_});
    buffers_.push_back(Entry(name + ".running_mean", {channels_}, 0));
    buffers_.push_back(Entry(name + ".running_var", {channels_}, 1));
  }

  void Relu() { Add({.kind = LayerKind::kRelu}); }
  void Tanh() { Add({.kind = LayerKind::kTanh}); }

  void TanhPool() {
    if (rows_ % 2 != 0 || columns_ % 2 != 0) fits_ = false;
    Add({.kind = LayerKind::kTanhPool, .size = 2});
    Reshape(channels_, rows_ / 2, columns_ / 2);
  }

  void MaxPool(const Window& window) { Pool(LayerKind::kMaxPool, window); }
  void AveragePool(const Window& window) { Pool(LayerKind::kAveragePool, window); }
  void GlobalAveragePool() {
    Add({.kind = LayerKind::kGlobalAveragePool});
    Reshape(channels_, 1, 1);
  }

  void Flatten() {
    Add({.kind = LayerKind::kFlatten});
    Reshape(channels_ * rows_ * columns_, 1, 1);
  }

  void Keep() {
    Add({.kind = LayerKind::kKeep});
    kept_channels_ = channels_;
  }
  // With what was kept, of as many rows and columns.
  void Concatenate() {
    Add({.kind = LayerKind::kConcatenate});
    channels_ += kept_channels_;
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
    for (Layer& layer : plan_.layers) {
      if (layer.kind == LayerKind::kBatchNorm) layer.first_buffer += layout.entries.size();
    }
    for (const LayoutEntry& entry : layout.entries) layout.trainable += entry.count;
    layout.entries.insert(layout.entries.end(), buffers_.begin(), buffers_.end());
    for (LayoutEntry& entry : layout.entries) {
      entry.offset = layout.total;
      entry.depth = weighted_layers_ - entry.depth;
      layout.total += entry.count;
    }
    return std::move(plan_);
  }

 private:
  std::size_t Entries() const { return plan_.layout.entries.size(); }
  void Add(const Layer& layer) { plan_.layers.push_back(layer); }

  void Pool(LayerKind kind, const Window& window) {
    Add({.kind = kind, .size = window.size, .stride = window.stride, .padding = window.padding});
    Reshape(channels_, window.Positions(rows_), window.Positions(columns_));
  }

  void Parameter(std::string name, std::vector<std::int64_t> shape, float fill = 0) {
    plan_.layout.entries.push_back(Entry(std::move(name), std::move(shape), fill));
  }

  LayoutEntry Entry(std::string name, std::vector<std::int64_t> shape, float fill) const {
    const auto count = static_cast<std::uint64_t>(
        std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>()));
    return {.name = std::move(name),
            .shape = std::move(shape),
            .count = count,
            .depth = weighted_layers_,
            .fill = fill};
  }

  void Reshape(std::int64_t channels, std::int64_t rows, std::int64_t columns) {
    if (rows < 1 || columns < 1) fits_ = false;
    channels_ = channels;
    rows_ = rows;
    columns_ = columns;
  }

  ModelPlan plan_;
  std::vector<LayoutEntry> buffers_;  // Of the layers so far.
  double dropout_;
  std::int64_t classes_;
  bool has_dropout_ = false;
  std::int64_t channels_, rows_, columns_;  // What the layers so far leave.
  std::int64_t kept_channels_ = 0;
  std::uint32_t weighted_layers_ = 0;  // Convolutions and linear layers so far.
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
  plan.Linear("fc3", plan.classes());
}

void AddLogistic(PlanBuilder& plan) {
  plan.Flatten();
  plan.Linear("fc", plan.classes());
}

void AddCnnWithGroupNorm(PlanBuilder& plan) {
  constexpr std::int64_t kGroups = 8;
  for (const int block : {1, 2, 3}) {
    plan.Convolution(absl::StrCat("conv", block), std::int64_t{8} << block,
                     {.size = 3, .padding = 1});
    plan.GroupNorm(absl::StrCat("norm", block), kGroups);
    plan.Relu();
    if (block < 3) plan.MaxPool(kHalf);
  }
  plan.Flatten();
  plan.Linear("fc", plan.classes());
}

void AddVgg16s(PlanBuilder& plan) {
  int number = 0;
  for (const std::int64_t outputs : {64, 128, 256}) {
    for (int twice = 0; twice < 2; ++twice) {
      plan.Convolution(absl::StrCat("conv", ++number), outputs, {.size = 3, .padding = 1});
      plan.Relu();
    }
    plan.MaxPool(kHalf);
  }
  plan.Flatten();
  for (const char* const name : {"fc1", "fc2"}) {
    plan.Linear(name, 512);
    plan.Relu();
    plan.Dropout();
  }
  plan.Linear("fc3", plan.classes());
}

// BatchNorm, ReLU, convolution without bias.
void AddNormedConvolution(PlanBuilder& plan, const std::string& name, std::int64_t outputs,
                          const Window& window) {
  plan.BatchNorm(name + ".norm");
  plan.Relu();
  plan.Convolution(name + ".conv", outputs, window, /*has_bias=*/false);
}

void AddDenseNet(PlanBuilder& plan, const std::vector<int>& blocks) {
  constexpr std::int64_t kGrowth = 32;
  plan.Convolution("stem", 2 * kGrowth, {.size = 7, .stride = 2, .padding = 3}, false);
  plan.BatchNorm("stem.norm");
  plan.Relu();
  plan.MaxPool({.size = 3, .stride = 2, .padding = 1});
  for (std::size_t block = 0; block < blocks.size(); ++block) {
    for (int layer = 1; layer <= blocks[block]; ++layer) {
      const std::string name = absl::StrCat("block", block + 1, ".layer", layer);
      plan.Keep();
      AddNormedConvolution(plan, name + ".narrow", 4 * kGrowth, {.size = 1});
      plan.Dropout();
      AddNormedConvolution(plan, name + ".grow", kGrowth, {.size = 3, .padding = 1});
      plan.Dropout();
      plan.Concatenate();
    }
    if (block + 1 == blocks.size()) break;
    AddNormedConvolution(plan, absl::StrCat("transition", block + 1), plan.channels() / 2,
                         {.size = 1});
    plan.AveragePool(kHalf);
  }
  plan.BatchNorm("norm");
  plan.Relu();
  plan.GlobalAveragePool();
  plan.Flatten();
  plan.Linear("fc", plan.classes());
}

void AddTransformer(PlanBuilder& plan) {
  constexpr std::int64_t kWidth = 64;
  constexpr std::int64_t kHeads = 4;
  plan.Embedding("embedding", kWidth);
  for (const int block : {1, 2}) {
    const std::string name = absl::StrCat("block", block);
    plan.Keep();
    plan.LayerNorm(name + ".norm1");
    plan.Linear(name + ".attention.in", 3 * kWidth);
    plan.CausalAttention(kWidth, kHeads);
    plan.Linear(name + ".attention.out", kWidth);
    plan.Dropout();
    plan.AddKept();
    plan.Keep();
    plan.LayerNorm(name + ".norm2");
    plan.Linear(name + ".fc1", 4 * kWidth);
    plan.Gelu();
    plan.Linear(name + ".fc2", kWidth);
    plan.Dropout();
    plan.AddKept();
  }
  plan.LayerNorm("norm");
  plan.Linear("fc", plan.classes());
}

absl::Status Refuse(const std::string& message, const std::string& hint) {
  return runtime::MakeError("CONFIG_INVALID_VALUE", runtime::Exit::kUsage, message, hint);
}

}  // namespace

absl::StatusOr<ModelPlan> PlanModel(const ModelOptions& options, const ImageShape& input,
                                    std::uint32_t classes) {
  PlanBuilder builder(input, classes, options.dropout);
  if (options.name == "lenet5") {
    AddLenet5(builder);
  } else if (options.name == "logistic") {
    AddLogistic(builder);
  } else if (options.name == "cnn-gn") {
    AddCnnWithGroupNorm(builder);
  } else if (options.name == "vgg16s") {
    AddVgg16s(builder);
  } else if (options.name == "transformer") {
    AddTransformer(builder);
  } else {
    REQUIRE(options.name == "densenet121" || options.name == "densenet201");
    AddDenseNet(builder, options.name == "densenet121" ? std::vector{6, 12, 24, 16}
                                                       : std::vector{6, 12, 48, 32});
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
