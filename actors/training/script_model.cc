#include "actors/training/script_model.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <algorithm>
#include <cstdint>
#include <sstream>
#include <utility>

#include "actors/training/script_tensors.h"
#include "runtime/base/error.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

constexpr char kSaveHint[] = "save the module in Python: torch.jit.save(torch.jit.script(m), FILE)";

std::string Trimmed(const std::string& line) {
  constexpr std::size_t kLongest = 300;
  const std::size_t begin = line.find_first_not_of(" \t\r");
  return begin == std::string::npos ? "" : line.substr(begin, kLongest);
}

// What torch says is many lines of code; the reason is one of them.
std::string ReasonIn(const std::string& text) {
  constexpr char kUnknown[] = "Unknown builtin op: ";
  if (const std::size_t at = text.find(kUnknown); at != std::string::npos) {
    const std::size_t begin = at + sizeof(kUnknown) - 1;
    std::string name = text.substr(begin, text.find_first_of(" \n", begin) - begin);
    while (!name.empty() && name.back() == '.') name.pop_back();
    return absl::StrCat("it uses the operator ", name, ", which LibTorch ", TORCH_VERSION,
                        " does not know");
  }
  std::string first, last;
  for (const auto& line : absl::StrSplit(text, '\n')) {
    const std::string trimmed = Trimmed(std::string(line.data(), line.size()));
    if (trimmed.empty()) continue;
    if (first.empty()) first = trimmed;
    last = trimmed;
  }
  const bool interpreted = text.find("Traceback of TorchScript") != std::string::npos;
  return interpreted ? last : first;
}

// Runs `body`, which returns a Status; what torch throws becomes `refuse(reason)`.
template <typename Body, typename Refuse>
absl::Status CatchReason(Body body, Refuse refuse) {
  try {
    return body();
  } catch (const c10::Error& error) {
    return refuse(ReasonIn(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return refuse(ReasonIn(error.what()));
  }
}

// The entries of `found`, what is trained first.
Layout LayoutOf(const std::vector<ScriptTensor>& found) {
  Layout layout;
  for (const ScriptTensor& tensor : found) {
    const auto count = static_cast<std::uint64_t>(tensor.value.numel());
    layout.entries.push_back(
        {tensor.name, tensor.value.sizes().vec(), layout.total, count, tensor.depth, /*fill=*/0});
    layout.total += count;
    if (tensor.trained) layout.trainable += count;
  }
  return layout;
}

void CheckLogits(const torch::Tensor& logits, std::int64_t samples, std::int64_t classes) {
  TORCH_CHECK(logits.scalar_type() == torch::kFloat, "forward gives ", logits.scalar_type(),
              ", not float32");
  TORCH_CHECK(logits.dim() == 2 && logits.size(0) == samples && logits.size(1) == classes,
              "forward gives ", logits.sizes(), " for ", samples, " samples in ", classes,
              " classes, not [", samples, ", ", classes, "]");
}

}  // namespace

absl::StatusOr<std::unique_ptr<ScriptModel>> ScriptModel::Load(const ModelFile& file) {
  std::unique_ptr<ScriptModel> model;
  RETURN_IF_ERROR(CatchReason(
      [&] {
        std::istringstream bytes(file.bytes);
        torch::jit::Module module = torch::jit::load(bytes, torch::kCPU);
        model.reset(new ScriptModel(file.path, std::move(module)));
        return absl::OkStatus();
      },
      [&](const std::string& reason) {
        const bool newer = absl::StrContains(reason, "does not know") ||
                           absl::StrContains(reason, "maximum supported version");
        return ModelUnreadable(
            file.path, absl::StrCat("cannot be read as TorchScript: ", reason),
            newer ? "save it by a torch that is no newer than " TORCH_VERSION : kSaveHint);
      }));
  RETURN_IF_ERROR(CatchReason([&] { return model->ReadParameters(file); },
                              [&](const std::string& reason) {
                                return ModelUnreadable(
                                    file.path, absl::StrCat("cannot be trained: ", reason), "");
                              }));
  return model;
}

absl::Status ScriptModel::ReadParameters(const ModelFile& file) {
  ASSIGN_OR_RETURN(const std::vector<ScriptTensor> found, FindScriptTensors(module_, path_));
  layout_ = LayoutOf(found);
  layout_.file_hash = file.hash;
  own_ = FlatVector(layout_.total);
  const Tensors tensors = TensorsOver(layout_, own_.data());
  const torch::NoGradGuard no_gradient;
  for (std::size_t entry = 0; entry < found.size(); ++entry) {
    tensors[entry].copy_(found[entry].value);
    for (const ScriptPlace& place : found[entry].places) {
      slots_.push_back({place.object, place.index, entry});
    }
  }
  return absl::OkStatus();
}

absl::Status ScriptModel::CheckFits(const ModelUse& use) {
  const auto zeros = [&](std::int64_t samples) {
    return torch::zeros({samples, use.input.channels, use.input.rows, use.input.columns});
  };
  return CatchReason(
      [&] {
        constexpr std::int64_t kSamples = 2;
        const Tensors tensors = TensorsOver(layout_, own_.data());
        {
          const torch::NoGradGuard no_gradient;
          CheckLogits(Run(zeros(kSamples), tensors, false), kSamples, use.classes);
        }
        if (use.batch == 0) return absl::OkStatus();
        for (std::size_t i = 0; i < tensors.size(); ++i) {
          if (layout_.entries[i].offset < layout_.trainable) tensors[i].set_requires_grad(true);
        }
        const torch::Tensor logits = Run(zeros(use.batch), tensors, true);
        CheckLogits(logits, use.batch, use.classes);
        TORCH_CHECK(logits.requires_grad(), "what forward gives follows from no parameter");
        return absl::OkStatus();
      },
      [&](const std::string& reason) {
        return runtime::MakeError(
            "MODEL_DOES_NOT_FIT", runtime::Exit::kUnreadable,
            absl::StrCat("the model ", path_, " does not fit samples of ", use.input.Text(), " in ",
                         use.classes, " classes: ", reason),
            "its forward takes one tensor, samples x channels x rows x columns, and gives logits, "
            "samples x classes");
      });
}

void ScriptModel::SetInitial(absl::Span<float> floats) {
  REQUIRE(floats.size() == layout_.total);
  std::copy_n(own_.data(), own_.size(), floats.data());
}

torch::Tensor ScriptModel::Train(const torch::Tensor& samples, const Tensors& parameters,
                                 RandomStream& random) {
  const std::uint64_t high = random.NextWord();
  torch::manual_seed(high << 32 | random.NextWord());
  return Run(samples, parameters, true);
}

torch::Tensor ScriptModel::Predict(const torch::Tensor& samples, const Tensors& parameters) {
  const torch::NoGradGuard no_gradient;
  const Tensors copies = TensorsOver(layout_, own_.data());
  for (std::size_t i = 0; i < copies.size(); ++i) copies[i].copy_(parameters[i]);
  return Run(samples, copies, false);
}

std::string ScriptModel::ToTorchScript(absl::Span<const float> parameters) {
  REQUIRE(parameters.size() == layout_.total);
  std::copy(parameters.begin(), parameters.end(), own_.data());
  const Tensors copies = TensorsOver(layout_, own_.data());
  for (std::size_t i = 0; i < copies.size(); ++i) {
    if (layout_.entries[i].offset < layout_.trainable) copies[i].set_requires_grad(true);
  }
  Bind(copies);
  module_.eval();
  std::ostringstream bytes;
  module_.save(bytes);
  return bytes.str();
}

torch::Tensor ScriptModel::Run(const torch::Tensor& samples, const Tensors& tensors,
                               bool training) {
  Bind(tensors);
  module_.train(training);
  const torch::jit::GraphOptimizerEnabledGuard interpreted(false);
  const c10::IValue result = module_.forward({samples});
  TORCH_CHECK(result.isTensor(), "forward gives ", result.tagKind(), ", not a tensor");
  TakeBack(tensors);
  return result.toTensor();
}

void ScriptModel::Bind(const Tensors& tensors) {
  for (const Slot& slot : slots_) slot.object->setSlot(slot.index, tensors[slot.entry]);
}

void ScriptModel::TakeBack(const Tensors& tensors) {
  const torch::NoGradGuard no_gradient;
  for (const Slot& slot : slots_) {
    const torch::Tensor& ours = tensors[slot.entry];
    const torch::Tensor theirs = slot.object->getSlot(slot.index).toTensor();
    if (theirs.is_same(ours)) continue;
    const LayoutEntry& entry = layout_.entries[slot.entry];
    TORCH_CHECK(entry.offset >= layout_.trainable, "forward assigns to the parameter ", entry.name);
    TORCH_CHECK(theirs.sizes() == ours.sizes(), "forward gives the buffer ", entry.name,
                " another shape");
    ours.copy_(theirs);
    slot.object->setSlot(slot.index, ours);
  }
}

}  // namespace actors
