// A model that somebody scripted or traced in Python and saved by torch.jit.save:
// forward(samples) -> logits. Has torch types, as models.h.
//
// Its layout is [parameters | floating-point buffers], in the order of the file; a parameter that
// asks for no gradient stands with the buffers, unless none asks for one. What shares memory, as
// tied weights do, is there once. Integer buffers (num_batches_tracked) and plain attributes stay
// in the module: they are no part of the model that is averaged.
//
// Dropout and whatever else draws takes torch's generator, which Train seeds from `random`: masks
// follow from seed, slot and step, on one build of torch. The graph is interpreted as it stands:
// the optimizing executor would give other bits in its first calls than later, so that a newcomer
// could not repeat what others computed.
#ifndef RONDO_ACTORS_TRAINING_SCRIPT_MODEL_H_
#define RONDO_ACTORS_TRAINING_SCRIPT_MODEL_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <torch/script.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "actors/training/flat_vector.h"
#include "actors/training/model.h"
#include "actors/training/model_file.h"

namespace actors {

class ScriptModel final : public Model {
 public:
  // MODEL_UNREADABLE, exit 8, with the file and the reason: no TorchScript, an operator or version
  // that this torch does not know, no parameters, one that is not float32 or holds no number.
  static absl::StatusOr<std::unique_ptr<ScriptModel>> Load(const ModelFile& file);

  // Whether it can be used so, by a pass over samples of zeros in each mode, which leaves traces.
  // MODEL_DOES_NOT_FIT, exit 8, with the file and the reason.
  absl::Status CheckFits(const ModelUse& use);

  const Layout& layout() const override { return layout_; }
  void SetInitial(absl::Span<float> floats) override;
  torch::Tensor Train(const torch::Tensor& samples, const Tensors& parameters,
                      RandomStream& random) override;
  torch::Tensor Predict(const torch::Tensor& samples, const Tensors& parameters) override;
  std::string ToTorchScript(absl::Span<const float> parameters) override;

 private:
  // A place of the module that holds one of the tensors of the layout.
  struct Slot {
    c10::intrusive_ptr<c10::ivalue::Object> object;
    std::size_t index = 0;  // Within the object.
    std::size_t entry = 0;  // Within the layout.
  };

  ScriptModel(std::string path, torch::jit::Module module)
      : path_(std::move(path)), module_(std::move(module)) {}
  // Finds slots_ and layout_, and copies the values to own_.
  absl::Status ReadParameters(const ModelFile& file);
  void Bind(const Tensors& tensors);
  // What forward assigned to a buffer, as to an attribute, comes into the vector.
  void TakeBack(const Tensors& tensors);
  torch::Tensor Run(const torch::Tensor& samples, const Tensors& tensors, bool training);

  const std::string path_;
  torch::jit::Module module_;
  Layout layout_;
  std::vector<Slot> slots_;
  // The initial values; later what Predict and ToTorchScript work on, lest a forward that writes to
  // its parameters should write to a base that others read.
  FlatVector own_;
};

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_SCRIPT_MODEL_H_
