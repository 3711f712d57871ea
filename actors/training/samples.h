// The seam between a trainer and what it trains on: labelled samples of any kind. A batch is made
// of them when it is used, so each kind is kept as it takes the least memory: images as bytes, text
// as characters, sparse rows as what is not 0. C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_SAMPLES_H_
#define RONDO_ACTORS_TRAINING_SAMPLES_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "actors/training/dataset.h"
#include "actors/training/image_shape.h"
#include "actors/training/training_options.h"

namespace actors {

// One part of a set. Never changes, so that trainers of several threads may read it.
class Samples {
 public:
  virtual ~Samples() = default;

  virtual std::size_t size() const = 0;
  // The class of a sample, by which partitions divide; of text, its last target.
  virtual std::uint32_t LabelOf(std::size_t sample) const = 0;
  // What a model is given: shape.input.pixels() floats.
  virtual void PutInput(std::size_t sample, float* input) const = 0;
  // What it should predict of that: shape.targets classes.
  virtual void PutTargets(std::size_t sample, std::int64_t* targets) const = 0;
  // Over all of it: members of a run compare it.
  virtual std::uint64_t Fingerprint() const = 0;
};

// What a model makes what of.
struct SampleShape {
  ImageShape input;
  std::uint32_t classes = kImageClasses;
  std::uint32_t targets = 1;  // Predictions of a sample: of text one for each of its characters.
};

struct LabelledData {
  SampleShape shape;
  std::shared_ptr<const Samples> train;
  std::shared_ptr<const Samples> test;
};

std::vector<std::uint32_t> LabelsOf(const Samples& samples);

// Pixels are scaled to [0, 1].
LabelledData LabelledImages(std::shared_ptr<const Dataset> images);

// The set that `options` name; the errors of LoadDataset.
absl::StatusOr<LabelledData> LoadData(const DataOptions& options);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_SAMPLES_H_
