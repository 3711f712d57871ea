#include "actors/training/tensors.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/training/data_file.h"
#include "actors/training/torch_file.h"
#include "runtime/base/error.h"
#include "runtime/base/hash.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

// What the fields of a ZIP archive can count.
constexpr std::uint64_t kMostBytes = (std::uint64_t{4} << 30) - 1;
constexpr std::int64_t kMostClasses = 4096;                  // As many as a message may count.
constexpr std::int64_t kMostFloats = std::int64_t{1} << 26;  // Of a sample.
constexpr char kHint[] =
    "write the file by torch.save({\"inputs\": x, \"targets\": y}, path), x of float32 or uint8, y "
    "of "
    "integers from 0";

// One file.
class TensorSamples final : public Samples {
 public:
  TensorSamples(std::string contents, const FileTensor& inputs, std::vector<std::uint32_t> targets)
      : contents_(std::move(contents)),
        offset_(inputs.offset),
        are_bytes_(inputs.type == ElementType::kUint8),
        each_(inputs.elements() / targets.size()),
        targets_(std::move(targets)) {}

  std::size_t size() const override { return targets_.size(); }
  std::uint32_t LabelOf(std::size_t sample) const override { return targets_[sample]; }
  void PutInput(std::size_t sample, float* input) const override {
    const char* const from = Of(sample);
    if (!are_bytes_) {
      std::memcpy(input, from, each_ * sizeof(float));
      return;
    }
    for (std::size_t i = 0; i < each_; ++i) {
      input[i] = static_cast<float>(static_cast<unsigned char>(from[i])) / 255.0f;
    }
  }
  void PutTargets(std::size_t sample, std::int64_t* targets) const override {
    *targets = targets_[sample];
  }
  std::uint64_t Fingerprint() const override {
    const std::array<std::uint64_t, 3> parts = {
        each_, runtime::HashBytes(Of(0), static_cast<std::size_t>(Of(size()) - Of(0))),
        runtime::HashBytes(targets_.data(), targets_.size() * sizeof(std::uint32_t))};
    return runtime::HashBytes(parts.data(), sizeof(parts));
  }

 private:
  const char* Of(std::size_t sample) const {
    return contents_.data() + offset_ + sample * each_ * (are_bytes_ ? 1 : sizeof(float));
  }

  const std::string contents_;  // Of the file.
  const std::size_t offset_;    // Of the first sample in it.
  const bool are_bytes_;
  const std::size_t each_;  // Elements of a sample.
  const std::vector<std::uint32_t> targets_;
};

std::int64_t IntegerAt(const FileTensor& tensor, std::uint64_t place) {
  std::uint64_t number = 0;
  const std::size_t bytes = SizeOf(tensor.type);
  for (std::size_t i = 0; i < bytes; ++i) {
    number |= std::uint64_t{static_cast<unsigned char>(tensor.bytes[place * bytes + i])} << (8 * i);
  }
  if (tensor.type == ElementType::kUint8) return static_cast<std::int64_t>(number);
  const unsigned unused = 64 - 8 * static_cast<unsigned>(bytes);
  return static_cast<std::int64_t>(number << unused) >> unused;
}

// Of inputs, without their first size; {}: they are none.
ImageShape ShapeOfOne(const FileTensor& inputs) {
  const std::vector<std::int64_t>& sizes = inputs.sizes;
  ImageShape none{0, 0, 0};
  if (sizes.size() < 2 || sizes.size() > 4) return none;
  std::int64_t floats = 1;
  std::array<std::uint32_t, 3> last = {1, 1, 1};
  for (std::size_t i = 1; i < sizes.size(); ++i) {
    if (sizes[i] > kMostFloats / floats) return none;
    floats *= sizes[i];
    last[i + 3 - sizes.size()] = static_cast<std::uint32_t>(sizes[i]);
  }
  return {last[0], last[1], last[2]};
}

// Byte of the first element of `inputs` that is no number.
absl::Status CheckFinite(const std::string& path, const FileTensor& inputs) {
  if (inputs.type != ElementType::kFloat32) return absl::OkStatus();
  for (std::size_t at = 0; at < inputs.bytes.size(); at += sizeof(float)) {
    float value = 0;
    std::memcpy(&value, inputs.bytes.data() + at, sizeof(value));
    if (std::isfinite(value)) continue;
    return DataCorrupt(path, absl::StrCat("byte ", inputs.offset + at),
                       absl::StrCat("an input is ", value, ", no number to train on"), kHint);
  }
  return absl::OkStatus();
}

struct Part {
  ImageShape shape;
  std::uint32_t classes = 0;
  std::shared_ptr<const Samples> samples;
};

// Targets below `most_classes`.
absl::StatusOr<Part> ReadPart(const std::string& path, std::int64_t most_classes) {
  ASSIGN_OR_RETURN(std::string contents, ReadDataFile(path, kMostBytes, kHint));
  const auto tensors = ReadTorchFile(contents);
  if (!tensors.ok()) {
    // "byte 12: ...".
    const std::string why(tensors.status().message());
    const std::size_t colon = std::min(why.find(": "), why.size());
    return DataCorrupt(path, why.substr(0, colon), why.substr(std::min(colon + 2, why.size())),
                       kHint);
  }
  const auto inputs = tensors->find("inputs");
  const auto targets = tensors->find("targets");
  if (inputs == tensors->end() || targets == tensors->end()) {
    return DataCorrupt(
        path, "byte 0",
        "the dict has no \"" + std::string(inputs == tensors->end() ? "inputs" : "targets") + "\"",
        kHint);
  }
  const FileTensor& x = inputs->second;
  const FileTensor& y = targets->second;
  Part part;
  part.shape = ShapeOfOne(x);
  if (part.shape.pixels() == 0 ||
      (x.type != ElementType::kFloat32 && x.type != ElementType::kUint8)) {
    return DataCorrupt(path, absl::StrCat("byte ", x.offset),
                       "inputs must have 2 to 4 dimensions, the first that of the samples, and "
                       "elements of float32 or uint8",
                       kHint);
  }
  if (y.type == ElementType::kFloat32 || y.sizes.size() != 1 || y.sizes[0] != x.sizes[0]) {
    return DataCorrupt(path, absl::StrCat("byte ", y.offset),
                       absl::StrCat("targets must be ", x.sizes[0], " integers, one a sample"),
                       kHint);
  }
  RETURN_IF_ERROR(CheckFinite(path, x));
  std::vector<std::uint32_t> classes(y.elements());
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const std::int64_t label = IntegerAt(y, i);
    if (label < 0 || label >= most_classes) {
      return DataCorrupt(path, absl::StrCat("byte ", y.offset + i * SizeOf(y.type)),
                         absl::StrCat("target ", label, " of sample ", i,
                                      " is out of range, expected 0 to ", most_classes - 1),
                         kHint);
    }
    classes[i] = static_cast<std::uint32_t>(label);
    part.classes = std::max(part.classes, classes[i] + 1);
  }
  part.samples = std::make_shared<TensorSamples>(std::move(contents), x, std::move(classes));
  return part;
}

}  // namespace

absl::StatusOr<LabelledData> ReadTensors(const std::string& folder) {
  ASSIGN_OR_RETURN(const Part train, ReadPart(folder + "/train.pt", kMostClasses));
  ASSIGN_OR_RETURN(const Part test, ReadPart(folder + "/test.pt", train.classes));
  if (train.shape.Text() != test.shape.Text()) {
    return DataCorrupt(folder + "/test.pt", "byte 0",
                       absl::StrCat("the samples are ", test.shape.Text(),
                                    ", and those of train.pt ", train.shape.Text()),
                       kHint);
  }
  LabelledData data;
  data.shape.input = train.shape;
  data.shape.classes = train.classes;
  data.train = train.samples;
  data.test = test.samples;
  return data;
}

}  // namespace actors
