// A model as torch computes it, built in or from a TorchScript file. Has torch types, as models.h.
//
// It owns no parameters: they are tensors over a flat vector in the order of its layout, which each
// call is given. All functions may throw c10::Error and what else torch throws, which
// torch_trainer.cc catches. One thread.
#ifndef RONDO_ACTORS_TRAINING_MODEL_H_
#define RONDO_ACTORS_TRAINING_MODEL_H_

#include <absl/status/statusor.h>
#include <absl/types/span.h>

#include <cstdint>
#include <memory>
#include <string>

#include "actors/training/image_shape.h"
#include "actors/training/models.h"
#include "actors/training/random.h"
#include "actors/training/trainer.h"
#include "actors/training/training_options.h"

namespace actors {

// What a model is to take and give.
struct ModelUse {
  ImageShape input;
  std::int64_t classes = 0;
  std::int64_t batch = 0;  // Samples that Train will be given; 0: it is for Predict alone.
};

class Model {
 public:
  virtual ~Model() = default;

  virtual const Layout& layout() const = 0;
  // What training begins with. `floats` has layout().total of them. Before the other calls.
  virtual void SetInitial(absl::Span<float> floats) = 0;
  // Samples -> logits, to train on: through dropout, whose masks follow from `random`, and with the
  // statistics of the batch, which go into the buffers among `parameters`.
  virtual torch::Tensor Train(const torch::Tensor& samples, const Tensors& parameters,
                              RandomStream& random) = 0;
  // Samples -> logits, as for a test. Writes to none of `parameters`.
  virtual torch::Tensor Predict(const torch::Tensor& samples, const Tensors& parameters) = 0;
  // The bytes of a TorchScript file with these parameters.
  virtual std::string ToTorchScript(absl::Span<const float> parameters) = 0;
};

// The model that `options` name. Errors: those of PlanModel or, of a file, of ReadModelFile,
// ScriptModel::Load and ScriptModel::CheckFits.
absl::StatusOr<std::unique_ptr<Model>> MakeModel(const ModelOptions& options, const ModelUse& use);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_MODEL_H_
