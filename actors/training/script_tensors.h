// The tensors of a TorchScript module that are part of a model. Has torch types, as models.h; may
// throw as models.h.
#ifndef RONDO_ACTORS_TRAINING_SCRIPT_TENSORS_H_
#define RONDO_ACTORS_TRAINING_SCRIPT_TENSORS_H_

#include <absl/status/statusor.h>
#include <torch/script.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace actors {

// Where a module holds a tensor.
struct ScriptPlace {
  c10::intrusive_ptr<c10::ivalue::Object> object;
  std::size_t index = 0;
};

struct ScriptTensor {
  std::string name;  // "conv1.weight"; the first, if it has several.
  torch::Tensor value;
  bool trained = false;     // A parameter, and not frozen.
  std::uint32_t depth = 0;  // Modules with parameters between it and the last one.
  std::vector<ScriptPlace> places;
};

// Those that are trained, then those that are not, both in the order of the file. MODEL_UNREADABLE,
// exit 8, with `path` and the tensor's name: not float32, not dense, not finite, overlaps another;
// or nothing to train.
absl::StatusOr<std::vector<ScriptTensor>> FindScriptTensors(const torch::jit::Module& module,
                                                            const std::string& path);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_SCRIPT_TENSORS_H_
