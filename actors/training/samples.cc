#include "actors/training/samples.h"

#include <array>
#include <string>
#include <utility>

#include "actors/training/libsvm.h"
#include "actors/training/tensors.h"
#include "actors/training/text.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

std::array<float, 256> UnitsOfBytes() {
  std::array<float, 256> units{};
  for (std::size_t byte = 0; byte < 256; ++byte) units[byte] = static_cast<float>(byte) / 255.0f;
  return units;
}

class Images final : public Samples {
 public:
  // `images` is a part of `owner`.
  Images(std::shared_ptr<const Dataset> owner, const ImageSet& images)
      : owner_(std::move(owner)), images_(images) {}

  std::size_t size() const override { return images_.size(); }
  std::uint32_t LabelOf(std::size_t sample) const override { return images_.labels[sample]; }
  void PutInput(std::size_t sample, float* input) const override {
    const std::uint8_t* const pixels = images_.image(sample);
    const std::size_t count = images_.shape.pixels();
    for (std::size_t i = 0; i < count; ++i) input[i] = unit_of_byte_[pixels[i]];
  }
  void PutTargets(std::size_t sample, std::int64_t* targets) const override {
    *targets = images_.labels[sample];
  }
  std::uint64_t Fingerprint() const override { return actors::Fingerprint(images_); }

 private:
  const std::shared_ptr<const Dataset> owner_;
  const ImageSet& images_;
  const std::array<float, 256> unit_of_byte_ = UnitsOfBytes();
};

}  // namespace

std::vector<std::uint32_t> LabelsOf(const Samples& samples) {
  std::vector<std::uint32_t> labels(samples.size());
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = samples.LabelOf(i);
  return labels;
}

LabelledData LabelledImages(std::shared_ptr<const Dataset> images) {
  LabelledData data;
  data.shape.input = images->train.shape;
  data.train = std::make_shared<Images>(images, images->train);
  data.test = std::make_shared<Images>(images, images->test);
  return data;
}

absl::StatusOr<LabelledData> LoadData(const DataOptions& options) {
  if (ShapeOf(options.source).has_value()) {
    ASSIGN_OR_RETURN(std::shared_ptr<const Dataset> images, LoadDataset(options));
    return LabelledImages(std::move(images));
  }
  REQUIRE(!options.own);
  ASSIGN_OR_RETURN(const std::string place, FindData(options));
  if (options.source == "text") return ReadText(place, options.context);
  if (options.source == "libsvm") return ReadLibsvm(place);
  REQUIRE(options.source == "tensors");
  return ReadTensors(place);
}

}  // namespace actors
