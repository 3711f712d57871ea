#include "actors/training/script_tensors.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "actors/training/model_file.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

// Where its floats lie, the first and behind the last.
std::pair<const float*, const float*> Extent(const torch::Tensor& tensor) {
  std::int64_t last = 0;
  for (std::int64_t i = 0; i < tensor.dim(); ++i) last += (tensor.size(i) - 1) * tensor.stride(i);
  const float* const first = tensor.data_ptr<float>();
  return {first, first + last + 1};
}

bool IsSame(const torch::Tensor& one, const torch::Tensor& other) {
  return one.data_ptr<float>() == other.data_ptr<float>() && one.sizes() == other.sizes() &&
         one.strides() == other.strides();
}

class Finder {
 public:
  explicit Finder(const std::string& path) : path_(path) {}

  absl::Status Visit(const std::string& prefix, const torch::jit::Module& module) {
    const auto type = module.type();
    bool has_parameters = false;
    for (std::size_t i = 0; i < type->numAttributes(); ++i) {
      const bool is_parameter = type->is_parameter(i);
      if (!is_parameter && !type->is_buffer(i)) continue;
      const c10::IValue value = module._ivalue()->getSlot(i);
      if (!value.isTensor()) continue;  // None, as the bias that a layer does without.
      const torch::Tensor tensor = value.toTensor();
      if (!tensor.defined() || tensor.numel() == 0) continue;
      if (!is_parameter && !tensor.is_floating_point()) continue;
      const std::string name =
          absl::StrCat(prefix, prefix.empty() ? "" : ".", type->getAttributeName(i));
      if (is_parameter && !std::exchange(has_parameters, true)) ++modules_;
      RETURN_IF_ERROR(Add(name, tensor, is_parameter, {module._ivalue(), i}));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<ScriptTensor>> Finish() {
    const auto asks = [](const ScriptTensor& found) { return found.value.requires_grad(); };
    // A file in which nobody asks for a gradient, as model.pt, is trained whole.
    if (std::any_of(found_.begin(), found_.end(), asks)) {
      for (ScriptTensor& found : found_) found.trained = found.trained && asks(found);
    }
    for (ScriptTensor& found : found_) found.depth = modules_ - found.depth;
    const auto buffers = std::stable_partition(
        found_.begin(), found_.end(), [](const ScriptTensor& found) { return found.trained; });
    if (buffers == found_.begin()) {
      return ModelUnreadable(path_, "has no parameters to train",
                             "save the module itself, not one that torch.jit.freeze made of it");
    }
    return std::move(found_);
  }

 private:
  absl::Status Add(const std::string& name, const torch::Tensor& tensor, bool is_parameter,
                   ScriptPlace place) {
    const std::string what = absl::StrCat(is_parameter ? "the parameter " : "the buffer ", name);
    if (tensor.layout() != torch::kStrided || tensor.scalar_type() != torch::kFloat) {
      return ModelUnreadable(
          path_,
          absl::StrCat("has ", what, " of ", c10::toString(tensor.scalar_type()),
                       tensor.layout() == torch::kStrided ? "" : ", not dense",
                       ", and only dense float32 (Float) can be trained and averaged"),
          "convert the module before it is saved: m.float()");
    }
    for (ScriptTensor& found : found_) {
      if (IsSame(found.value, tensor)) {  // Tied.
        found.places.push_back(std::move(place));
        return absl::OkStatus();
      }
      const auto [first, end] = Extent(tensor);
      const auto [other_first, other_end] = Extent(found.value);
      if (first < other_end && other_first < end) {
        return ModelUnreadable(path_, absl::StrCat("has ", what, ", a part of ", found.name),
                               "give each its own memory before the module is saved: .clone()");
      }
    }
    if (!tensor.isfinite().all().item<bool>()) {
      return ModelUnreadable(path_,
                             absl::StrCat("has ", what,
                                          ", which holds values that are no "
                                          "finite numbers"),
                             "save it from a training that did not diverge");
    }
    found_.push_back({name, tensor, is_parameter, modules_, {std::move(place)}});
    return absl::OkStatus();
  }

  const std::string path_;
  std::vector<ScriptTensor> found_;
  std::uint32_t modules_ = 0;  // With parameters, so far.
};

}  // namespace

absl::StatusOr<std::vector<ScriptTensor>> FindScriptTensors(const torch::jit::Module& module,
                                                            const std::string& path) {
  Finder finder(path);
  for (const auto& named : module.named_modules()) {
    RETURN_IF_ERROR(finder.Visit(named.name, named.value));
  }
  return finder.Finish();
}

}  // namespace actors
