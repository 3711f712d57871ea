#include "actors/training/torch_trainer.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "actors/training/batch_sampler.h"
#include "actors/training/blas.h"
#include "actors/training/concept_drift.h"
#include "actors/training/flat_optimizer.h"
#include "actors/training/flat_vector.h"
#include "actors/training/make_trainer.h"
#include "actors/training/model_layout.h"
#include "actors/training/models.h"
#include "actors/training/partition.h"
#include "actors/training/quadratic_trainer.h"
#include "runtime/base/atomic_file.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

constexpr std::size_t kEvaluationBatch = 500;

// The edge where torch's exceptions become statuses. `body` returns a Status or a StatusOr.
template <typename Body>
auto CatchTorch(const char* what, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const c10::Error& error) {
    return absl::InternalError(std::string(what) + ": " + error.what_without_backtrace());
  } catch (const std::exception& error) {
    return absl::InternalError(std::string(what) + ": " + error.what());
  }
}

// Inputs and targets as torch takes them; reused from batch to batch.
class Batch {
 public:
  Batch(std::size_t capacity, const SampleShape& shape)
      : floats_(shape.input.pixels()),
        targets_of_each_(shape.targets),
        inputs_(torch::empty({static_cast<std::int64_t>(capacity), shape.input.channels,
                              shape.input.rows, shape.input.columns})),
        targets_(torch::empty({static_cast<std::int64_t>(capacity * shape.targets)}, torch::kLong)),
        before_drift_(floats_) {}

  // Sets place `place` to one of `samples`, as `drift` makes it.
  void Put(std::size_t place, const Samples& samples, std::size_t sample,
           const ConceptDrift& drift) {
    float* const input = inputs_.data_ptr<float>() + place * floats_;
    if (const std::uint32_t* const sources = drift.sources(); sources == nullptr) {
      samples.PutInput(sample, input);
    } else {
      samples.PutInput(sample, before_drift_.data());
      for (std::size_t i = 0; i < floats_; ++i) input[i] = before_drift_[sources[i]];
    }
    std::int64_t* const targets = targets_.data_ptr<std::int64_t>() + place * targets_of_each_;
    samples.PutTargets(sample, targets);
    for (std::size_t i = 0; i < targets_of_each_; ++i)
      targets[i] = drift.LabelOf(static_cast<std::uint32_t>(targets[i]));
  }

  // Of the first `count` places.
  torch::Tensor inputs(std::size_t count) const {
    return inputs_.narrow(0, 0, static_cast<std::int64_t>(count));
  }
  torch::Tensor targets(std::size_t count) const {
    return targets_.narrow(0, 0, static_cast<std::int64_t>(count * targets_of_each_));
  }

 private:
  std::size_t floats_;  // Of an input.
  std::size_t targets_of_each_;
  torch::Tensor inputs_;
  torch::Tensor targets_;
  std::vector<float> before_drift_;
};

// Bounds what the inputs of a test take to 16 MB.
std::size_t EvaluationBatch(const SampleShape& shape) {
  constexpr std::size_t kMostFloats = std::size_t{1} << 22;
  return std::clamp<std::size_t>(kMostFloats / shape.input.pixels(), 1, kEvaluationBatch);
}

// A row of logits for each target.
torch::Tensor Flat(const torch::Tensor& logits) { return logits.reshape({-1, logits.size(-1)}); }

std::uint64_t CountCorrect(const torch::Tensor& logits, const torch::Tensor& labels) {
  const torch::NoGradGuard no_gradient;
  return static_cast<std::uint64_t>(logits.argmax(1).eq(labels).sum().item<std::int64_t>());
}

class TorchTrainer final : public Trainer {
 public:
  TorchTrainer(const TrainingOptions& options, const PartitionRule& partition,
               const DriftRule& drift, ModelPlan plan, LabelledData data)
      : options_(options),
        partition_(partition),
        drift_(drift, data.shape, options.data.seed),
        plan_(std::move(plan)),
        data_(std::move(data)),
        labels_(LabelsOf(*data_.train)),
        fingerprint_(options.data.own ? 0 : data_.train->Fingerprint()),
        local_(layout_.total),
        gradient_(layout_.trainable),
        parameters_(TensorsOver(layout_, local_.data())),
        optimizer_(options.optimizer, layout_.trainable),
        batch_(options.optimizer.batch, data_.shape),
        evaluation_batch_size_(EvaluationBatch(data_.shape)),
        evaluation_batch_(evaluation_batch_size_, data_.shape) {
    DrawInitialModel(layout_, options_.model, local_.span());
    const Tensors gradients = TensorsOver(layout_, gradient_.data(), layout_.trainable);
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      parameters_[i].set_requires_grad(true);
      // Given a gradient, the backward pass adds to it in place: it stays in the flat vector.
      parameters_[i].mutable_grad() = gradients[i];
    }
  }

  const Layout& layout() const override { return layout_; }
  absl::Span<float> local() override { return local_.span(); }

  absl::Status Place(const Placement& placement) override {
    REQUIRE(placement.rank < placement.world_size);
    const auto [part, parts] = PartOf(placement.rank, placement.world_size);
    ASSIGN_OR_RETURN(std::vector<std::vector<std::uint32_t>> shards,
                     Partition(partition_, labels_, parts, options_.data.seed));
    std::vector<std::uint32_t>& shard = shards[part];
    RETURN_IF_ERROR(options_.data.own
                        ? CheckOwnPart(options_.data, shard.size(), options_.optimizer.batch)
                        : CheckShard(shard.size(), options_.optimizer.batch));
    const BatchOrder order =
        options_.data.batches == "permutation" ? BatchOrder::kPermutation : BatchOrder::kUniform;
    sampler_.emplace(std::move(shard), options_.optimizer.batch, order, options_.model.seed,
                     placement.slot);
    slot_ = placement.slot;
    return absl::OkStatus();
  }

  void AtRunStep(std::uint64_t step) override { drift_.MoveTo(step); }

  absl::StatusOr<StepOutcome> Step(std::uint64_t step, double learning_rate) override {
    REQUIRE(sampler_.has_value());
    const absl::Span<const std::uint32_t> samples = sampler_->Draw(step);
    for (std::size_t i = 0; i < samples.size(); ++i) {
      batch_.Put(i, *data_.train, samples[i], drift_);
    }
    const absl::Span<float> buffers = local_.span().subspan(layout_.trainable);
    buffers_before_.assign(buffers.begin(), buffers.end());
    ASSIGN_OR_RETURN(const StepOutcome outcome,
                     CatchTorch("training step", [&]() -> absl::StatusOr<StepOutcome> {
                       return ComputeGradient(samples.size(), step);
                     }));
    // Before the optimizer: its moments and the model stay as they were.
    if (!std::isfinite(outcome.loss)) {
      std::copy(buffers_before_.begin(), buffers_before_.end(), buffers.begin());
      return absl::DataLossError("the loss is not finite at step " + std::to_string(step));
    }
    optimizer_.Step(learning_rate, gradient_.span(), local_.span().first(layout_.trainable));
    return outcome;
  }

  absl::StatusOr<EvaluationCounts> Evaluate(absl::Span<const float> model, std::uint32_t part,
                                            std::uint32_t parts) override {
    REQUIRE(model.size() == layout_.total && part < parts);
    const auto [begin, end] = TestSamples(part, parts);
    return CatchTorch("evaluation", [&, begin = begin, end = end] {
      return absl::StatusOr<EvaluationCounts>(Count(model, begin, end));
    });
  }

  FlatOptimizer& optimizer() override { return optimizer_; }

  absl::Status Save(absl::Span<const float> model, const std::string& path) override {
    const absl::StatusOr<std::string> bytes =
        CatchTorch("saving the model",
                   [&]() -> absl::StatusOr<std::string> { return ToTorchScript(plan_, model); });
    RETURN_IF_ERROR(bytes.status());
    return runtime::ReplaceFile(path, *bytes);
  }

  DataSummary Data() const override {
    REQUIRE(sampler_.has_value());
    DataSummary summary;
    summary.fingerprint = fingerprint_;
    summary.train_samples = options_.data.own ? sampler_->shard().size() : labels_.size();
    const auto [begin, end] = TestSamples(0, 1);
    summary.test_samples = end - begin;
    summary.sample_shape = {plan_.input.rows, plan_.input.columns};
    if (const std::uint32_t channels = plan_.input.channels; channels > 1) {
      summary.sample_shape.insert(summary.sample_shape.begin(), channels);
    }
    const std::uint32_t classes = data_.shape.classes;
    if (options_.data.own) {
      summary.samples_by_class = CountByClass(labels_, sampler_->shard(), classes);
    } else {
      summary.samples_by_class.assign(classes, 0);
      for (const std::uint32_t label : labels_) ++summary.samples_by_class[label];
    }
    return summary;
  }

 private:
  // Which part of how many is this worker's: its share of the members' common data, or of those of
  // its node, which no change of the members touches.
  std::pair<std::uint32_t, std::uint32_t> PartOf(std::uint32_t part, std::uint32_t parts) const {
    if (options_.data.own) return {options_.data.part, options_.data.parts};
    return {part, parts};
  }

  // The first one, and the one after the last.
  std::pair<std::size_t, std::size_t> TestSamples(std::uint32_t rank,
                                                  std::uint32_t world_size) const {
    const auto [part, parts] = PartOf(rank, world_size);
    const std::size_t samples = data_.test->size();
    return {samples * part / parts, samples * (part + 1) / parts};
  }

  // Fills gradient_ from the first `count` places of batch_.
  StepOutcome ComputeGradient(std::size_t count, std::uint64_t step) {
    RandomStream dropout(options_.model.seed, Purpose::kDropout, slot_, step);
    gradient_.SetZero();
    const torch::Tensor logits = Flat(Forward(plan_, batch_.inputs(count), parameters_, &dropout));
    const torch::Tensor loss =
        torch::nll_loss(torch::log_softmax(logits, 1), batch_.targets(count));
    loss.backward();
    CheckTensorsInPlace();
    StepOutcome outcome;
    outcome.loss = loss.item<float>();
    outcome.samples = static_cast<std::uint32_t>(count);
    outcome.predictions.correct = CountCorrect(logits, batch_.targets(count));
    outcome.predictions.all = count * data_.shape.targets;
    return outcome;
  }

  // Much of torch replaces a parameter's storage or gradient without a word.
  void CheckTensorsInPlace() const {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const std::uint64_t offset = layout_.entries[i].offset;
      REQUIRE(parameters_[i].data_ptr<float>() == local_.data() + offset);
      if (offset >= layout_.trainable) continue;
      REQUIRE(parameters_[i].grad().data_ptr<float>() == gradient_.data() + offset);
    }
  }

  // Over test samples begin..end-1.
  EvaluationCounts Count(absl::Span<const float> model, std::size_t begin, std::size_t end) {
    const torch::NoGradGuard no_gradient;
    // from_blob wants a pointer to non-const; nothing writes through it.
    const Tensors parameters = TensorsOver(layout_, const_cast<float*>(model.data()));
    EvaluationCounts counts;
    counts.samples = (end - begin) * data_.shape.targets;
    for (std::size_t first = begin; first < end; first += evaluation_batch_size_) {
      const std::size_t count = std::min(evaluation_batch_size_, end - first);
      for (std::size_t i = 0; i < count; ++i) {
        evaluation_batch_.Put(i, *data_.test, first + i, drift_);
      }
      const torch::Tensor logits =
          Flat(Forward(plan_, evaluation_batch_.inputs(count), parameters));
      const torch::Tensor labels = evaluation_batch_.targets(count);
      counts.loss_sum += torch::nll_loss(torch::log_softmax(logits, 1), labels, /*weight=*/{},
                                         torch::Reduction::Sum)
                             .item<double>();
      counts.correct += CountCorrect(logits, labels);
    }
    return counts;
  }

  const TrainingOptions options_;
  const PartitionRule partition_;
  ConceptDrift drift_;
  const ModelPlan plan_;
  const Layout& layout_ = plan_.layout;
  const LabelledData data_;
  const std::vector<std::uint32_t> labels_;  // Of the training samples.
  const std::uint64_t fingerprint_;
  FlatVector local_;
  FlatVector gradient_;
  Tensors parameters_;  // Over local_, their gradients over gradient_.
  FlatOptimizer optimizer_;
  std::optional<BatchSampler> sampler_;
  std::uint32_t slot_ = 0;
  std::vector<float> buffers_before_;  // The step in hand, for the case that it finds no number.
  Batch batch_;
  const std::size_t evaluation_batch_size_;
  Batch evaluation_batch_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Trainer>> MakeTorchTrainer(const TrainingOptions& options,
                                                          std::shared_ptr<const Dataset> images) {
  return MakeTorchTrainer(options, LabelledImages(std::move(images)));
}

absl::StatusOr<std::unique_ptr<Trainer>> MakeTorchTrainer(const TrainingOptions& options,
                                                          LabelledData data) {
  RETURN_IF_ERROR(ValidateTrainingOptions(options));
  REQUIRE(options.model.name != "quadratic");
  ASSIGN_OR_RETURN(const PartitionRule partition,
                   ParsePartition(options.data.partition, options.optimizer.batch));
  ASSIGN_OR_RETURN(const DriftRule drift, ParseDrift(options.data.drift));
  RETURN_IF_ERROR(CheckDrift(drift, data.shape));
  ASSIGN_OR_RETURN(ModelPlan plan, PlanModel(options.model, data.shape.input, data.shape.classes));
  return CatchTorch("building the model", [&]() -> absl::StatusOr<std::unique_ptr<Trainer>> {
    at::set_num_threads(static_cast<int>(options.threads));
    // The worker's log carries the warning that this returns; here only the limit matters.
    LimitBlasThreads();
    std::unique_ptr<Trainer> trainer =
        std::make_unique<TorchTrainer>(options, partition, drift, std::move(plan), std::move(data));
    RETURN_IF_ERROR(trainer->Place(Placement()));
    return trainer;
  });
}

absl::StatusOr<std::unique_ptr<Trainer>> MakeTrainer(const TrainingOptions& options) {
  RETURN_IF_ERROR(ValidateTrainingOptions(options));
  if (options.model.name == "quadratic") return std::make_unique<QuadraticTrainer>(options);
  ASSIGN_OR_RETURN(LabelledData data, LoadData(options.data));
  return MakeTorchTrainer(options, std::move(data));
}

}  // namespace actors
