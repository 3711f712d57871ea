// What a trainer needs to know, taken from the run's config (README, "Config"). Plain values: the
// config parser fills them, ValidateTrainingOptions checks them. C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_TRAINING_OPTIONS_H_
#define RONDO_ACTORS_TRAINING_TRAINING_OPTIONS_H_

#include <absl/status/status.h>

#include <cstdint>
#include <string>

namespace actors {

struct ModelOptions {
  std::string name = "lenet5";          // One of PlanModel, or "quadratic".
  std::string init = "glorot_uniform";  // "glorot_uniform" | "he_normal".
  double dropout = 0;                   // Rate of the model's dropout layers, if it has some.
  std::uint64_t seed = 0;               // run.seed: draws the initial model and the batches.
};

struct DataOptions {
  // "digits" | "mnist" | "fashion-mnist" | "cifar10" | "text" | "libsvm" | "tensors".
  std::string source = "digits";
  std::string dir;                  // Where its files lie; see LoadDataset.
  bool own = false;                 // This node's alone (data.placement "own"); else all hold it.
  std::string partition = "iid";    // ParsePartition says which there are.
  std::string batches = "uniform";  // "uniform" | "permutation".
  std::string drift = "none";       // "none" | "labels:STEPS" | "rotate:STEPS"; concept_drift.h.
  std::uint64_t seed = 0;           // data.seed, not run.seed: permutes the file order.
  std::uint32_t context = 64;       // Characters of a sample of "text".

  // Of this process, not of the config; used with `own` only. The workers of one node share its
  // data out between them: this one trains and tests on part `part` of `parts`.
  std::string node = "this node";  // Its name, for messages.
  std::uint32_t part = 0;
  std::uint32_t parts = 1;
};

struct OptimizerOptions {
  std::string name = "adam";  // "adam" | "adamw" | "sgd".
  double beta1 = 0.9;         // Adam and AdamW only, as the next two.
  double beta2 = 0.999;
  double epsilon = 1e-7;
  double momentum = 0;  // SGD only, as the next.
  bool nesterov = false;
  double weight_decay = 0;   // Added to the gradient (L2); with AdamW decoupled from it.
  std::uint32_t batch = 32;  // Samples per step and worker.
};

// The quadratic bowl; see quadratic_trainer.h.
struct QuadraticOptions {
  std::uint64_t dimension = 1000;
  double curvature = 1;          // Largest of the diagonal.
  double noise = 0;              // Standard deviation of each coordinate of the gradient.
  double step_time_seconds = 0;  // Real time that a step takes at least; 0 = as fast as it goes.
  bool integer = false;          // Every step adds exactly kIntegerStep to each coordinate.
};

struct TrainingOptions {
  ModelOptions model;
  DataOptions data;
  OptimizerOptions optimizer;
  QuadraticOptions quadratic;
  std::uint32_t threads = 1;  // Compute threads of this process.
};

// Refuses names, combinations and ranges that no trainer takes: CONFIG_INVALID_VALUE, exit 2, the
// key, its value and the values allowed.
absl::Status ValidateTrainingOptions(const TrainingOptions& options);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_TRAINING_OPTIONS_H_
