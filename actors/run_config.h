// The configuration of a run: README's "Config (TOML)" as plain values.
//
// A resolved config travels to every worker as the text of ToToml and is parsed there again, so
// that all members hold equal values. Reading is pure (text in, values or an error out); the one
// function that touches the disk is ReadConfigFile.
//
// Every error is a runtime::UserError with exit 2 and one of the codes
//   CONFIG_UNREADABLE     the file is missing, no regular file, empty, or larger than
//   kMaxConfigBytes CONFIG_SYNTAX         no TOML, or a key given twice; with file:line:column, as
//   all that follow CONFIG_UNKNOWN_KEY    with the nearest known key CONFIG_WRONG_TYPE     text for
//   a number and the like CONFIG_INVALID_VALUE  out of range, or not one of the names
//   CONFIG_CONFLICT       two values that cannot both hold
//   CONFIG_NOT_AVAILABLE  lawful, but a later version's; says what is available now
#ifndef RONDO_ACTORS_RUN_CONFIG_H_
#define RONDO_ACTORS_RUN_CONFIG_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/averaging/learning_rate.h"
#include "actors/averaging/server_optimizer.h"
#include "actors/averaging/sync_policy.h"

namespace actors {

inline constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 20;
// The longest ring (runtime/collective/ring.h).
inline constexpr std::uint32_t kMostWorkers = 32;

// Which model is tested: the base of the last synchronization, which costs nothing, or the mean of
// the present models, which costs an allreduce that is booked as evaluation.
enum class EvaluateWhat { kLastSynchronized, kMean };

struct RunSection {
  std::uint32_t workers = 4;
  // With fewer members the run holds, drifts kept, until others join.
  std::uint32_t min_workers = 2;
  std::uint32_t max_workers = kMostWorkers;
  bool on_leave_sync = true;  // Who leaves has its drift averaged in first.
  double wait = 600;  // Seconds to wait for `workers` at the start, for `min_workers` later.
  std::uint64_t checkpoint_every = 10;  // Rounds; 0: never.
  double orphan_timeout = 600;          // Seconds that a worker trains on without its head.
  std::uint64_t seed = 0;  // Draws the initial model and, with slot and step, every batch.
  std::uint64_t max_steps = 1000;
  // The run ends at the first evaluation that reaches it, in (0, 1].
  std::optional<double> target_accuracy;
  EvaluateWhat evaluate = EvaluateWhat::kLastSynchronized;
  std::uint64_t evaluate_every = 250;  // Steps; 0 = only at the end.
  std::string device = "cpu";
  std::uint32_t threads = 1;  // Compute threads of each worker.
  std::string out = "runs";   // The folder in which each run makes a folder of its own.
};

enum class DataSource { kNone, kDigits, kMnist, kFashionMnist, kCifar10, kText, kLibsvm, kTensors };
// Every member holds the whole set and trains on its shard; or each node trains on its own data,
// which never moves.
enum class DataPlacement { kShared, kOwn };
enum class BatchOrder { kUniform, kPermutation };

struct DataSection {
  DataSource source = DataSource::kDigits;  // kNone if and only if the model is quadratic.
  // Looked up by the worker (training/dataset.h). Empty: the name of the source; with kOwn the
  // node's own folder itself, else a folder below that.
  std::string dir;
  DataPlacement placement = DataPlacement::kShared;
  // "iid" | "sorted:PERCENT" (0..100) | "label:LABEL" (0..9) | "dirichlet:A" (A > 0). "iid" with
  // kOwn.
  std::string partition = "iid";
  BatchOrder batches = BatchOrder::kUniform;
  // "none" | "labels:STEPS" | "rotate:STEPS" (training/concept_drift.h).
  std::string drift = "none";
  std::uint64_t seed = 0;      // Permutes the file order; not run.seed.
  std::uint32_t context = 64;  // Characters of a sample of kText.
};

// training/model_plan.h says what they are.
enum class ModelName {
  kLenet5,
  kLogistic,
  kCnnGn,
  kVgg16s,
  kDenseNet121,
  kDenseNet201,
  kTransformer,
  kQuadratic,
  kTorchScript  // A file; ModelSection::file. Has no name of its own.
};
enum class Init { kGlorotUniform, kHeNormal };

struct ModelSection {
  ModelName name = ModelName::kLenet5;
  std::string file;                  // Of kTorchScript: NAME.pt (training/model_file.h).
  Init init = Init::kGlorotUniform;  // training/model_layout.h has the formulas.
  double dropout = 0;  // Of the model's dropout layers; the paper's rate unless given.
  // The rest is the quadratic model's: a bowl with a known minimum, trained without torch.
  std::uint64_t dimension = 1000;
  double curvature = 1;  // Largest of the diagonal.
  double noise = 0;      // Standard deviation of each coordinate of the gradient.
  double step_time = 0;  // Seconds that a step takes at least.
  bool integer = false;  // Every step adds exactly 840 to each coordinate (invariant I10).
};

enum class OptimizerName { kAdam, kAdamW, kSgd };

struct OptimizerSection {
  OptimizerName name = OptimizerName::kAdam;
  double learning_rate = 1e-3;
  Schedule schedule = Schedule::kConstant;  // averaging/learning_rate.h has the formulas.
  std::uint64_t warmup = 0;                 // Steps.
  double final_learning_rate = 0;           // Of the cosine.
  std::uint64_t decay_every = 0;            // Steps; of `step`, which needs it, as the next.
  double decay_factor = 0.1;
  double beta1 = 0.9;  // Adam's and AdamW's, as the next two.
  double beta2 = 0.999;
  double epsilon = 1e-7;
  double momentum = 0;  // Sgd's, as the next.
  bool nesterov = false;
  double weight_decay = 0;   // Added to the gradient; AdamW: decoupled, and 0.01 unless given.
  std::uint32_t batch = 32;  // Samples of a step of one worker.
};

enum class DecisionName { kLockstep, kQuantum };
enum class Weighting { kUniform, kSamples };
// What becomes of a worker whose drift is unlike the others' (averaging/drift_telemetry.h): it is
// named, or named and not averaged in as long as that is so.
enum class Outliers { kWarn, kRefuse };

struct StrategySection {
  Strategy name = Strategy::kFda;
  EstimatorKind estimator = EstimatorKind::kLinear;
  DecisionName decision = DecisionName::kLockstep;  // On a `wan` quantum, where that can be.
  std::optional<double> theta;                      // None: see ThetaFor.
  bool tune_theta = false;                          // theta = "auto": averaging/theta_tuner.h.
  double sync_budget = 0.15;                        // Then: synchronizing takes this share of time.
  std::optional<std::uint64_t> max_interval;        // Steps between two synchronizations at most.
  // Steps between two of `local` and, at the full learning rate, of `clock`, which need it.
  std::uint64_t tau = 0;
  Weighting weighting = Weighting::kUniform;
  bool overlap = false;  // Train on while the ring runs; needs quantum.
  Outliers outliers = Outliers::kWarn;
  std::uint32_t sketch_rows = 5;
  std::uint32_t sketch_columns = 250;
  double theta_lr_exponent = 0;  // theta falls with this power of the learning rate.
  double qsr_alpha = 0;          // Of qsr, which needs it; averaging/sync_policy.h.
  double data_epochs = 1;        // Of fedavg, fedavgm and fedadam: epochs of a shard in a round.
  double participants = 1;       // Share of the members that train in a round, in (0, 1].
  double max_epochs = 10;        // Of fda-opt: at most; averaging/fda_opt.h.
};

// What makes the next model of a mean; averaging/server_optimizer.h. Where nothing is given, it is
// that of the strategy.
struct ServerSection {
  ServerOptimizer name = ServerOptimizer::kNone;
  double learning_rate = 1;
  double momentum = 0;
  bool nesterov = false;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-7;
  double weight_decay = 0;  // As an optimizer's; adamw: 0.01 unless given.
};

enum class Profile { kLocal, kLan, kWan };
enum class TransportName { kAuto, kTcp, kIpc };

struct NetworkSection {
  Profile profile = Profile::kLocal;
  TransportName transport = TransportName::kAuto;
  std::uint32_t chunk_bytes = 524288;  // A multiple of 64 KiB, a leaf of the hash tree.
  std::uint32_t credits = 16;          // Chunks in flight on an edge of the ring.
};

struct RunConfig {
  RunSection run;
  DataSection data;
  ModelSection model;
  OptimizerSection optimizer;
  StrategySection strategy;
  ServerSection server;
  NetworkSection network;
};

// The names as they stand in the file.
std::string ToString(EvaluateWhat value);
std::string ToString(DataSource value);
std::string ToString(DataPlacement value);
std::string ToString(BatchOrder value);
std::string ToString(ModelName value);
// model.name as it stands in the file: a name, or the path of a TorchScript file.
std::string NameOf(const ModelSection& model);
std::string ToString(Init value);
std::string ToString(OptimizerName value);
std::string ToString(Schedule value);
std::string ToString(Strategy value);
std::string ToString(EstimatorKind value);
std::string ToString(DecisionName value);
std::string ToString(Weighting value);
std::string ToString(Outliers value);
std::string ToString(ServerOptimizer value);
std::string ToString(Profile value);
std::string ToString(TransportName value);

// One value from outside the file.
struct ConfigOverride {
  std::string key;     // "strategy.theta".
  std::string value;   // A TOML value; the quotes of a text may be left out.
  std::string origin;  // Where it was given, for errors and --dry-run: "--set", "--workers".
};

struct ConfigSources {
  std::string text;  // TOML; may be empty.
  std::string name;  // Of `text`, for errors: "mnist.toml".
  // NAME=VALUE as in `environ`; only RONDO_<SECTION>_<KEY> are read (RONDO_STRATEGY_THETA).
  std::vector<std::string> environment;
  std::vector<ConfigOverride> overrides;  // Flags; the last of one key counts.
};

// The origin of a value that nobody gave.
inline constexpr char kDefaultOrigin[] = "default";

struct ResolvedConfig {
  RunConfig config;
  // Of each key, "section.key": "mnist.toml:12", "--set", "default", "default with ANOTHER_KEY".
  std::map<std::string, std::string> origins;
};

// Flags before environment before text before defaults. A value that another one hides is not
// judged, but every key must be known.
absl::StatusOr<ResolvedConfig> ResolveRunConfig(const ConfigSources& sources);
// The section that says which runs `rondo sweep` makes of a config (sweep/sweep_config.h). To all
// else it is not there: one run takes the values of the other sections.
inline constexpr char kSweepSection[] = "sweep";

// The text alone: what a worker does with the config it was sent.
absl::StatusOr<RunConfig> ParseRunConfig(const std::string& text, const std::string& name);

// Every key, so that ParseRunConfig gives equal values back, to the last bit.
std::string ToToml(const RunConfig& config);
// The same with "# origin" behind each value, for --dry-run.
std::string ToToml(const ResolvedConfig& resolved);

// The text of a regular file of 1 to kMaxConfigBytes bytes; other kinds are refused unread.
absl::StatusOr<std::string> ReadConfigFile(const std::string& path);

// strategy.theta, or the guideline 4.91e-5 * d * (learning_rate / 1e-3)^2 (algorithm.md 1), where d
// is the number of trainable parameters.
double ThetaFor(const RunConfig& config, std::uint64_t trainable);

}  // namespace actors

#endif  // RONDO_ACTORS_RUN_CONFIG_H_
