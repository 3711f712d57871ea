#include "actors/run_config_names.h"

#include "runtime/base/require.h"

namespace actors {
namespace {

template <typename Enum>
std::string NameOf(Enum value) {
  for (const auto& [candidate, name] : NamesOf(value)) {
    if (candidate == value) return name;
  }
  REQUIRE(false);
  return "";
}

}  // namespace

const Names<EvaluateWhat>& NamesOf(EvaluateWhat) {
  static const Names<EvaluateWhat> names = {{EvaluateWhat::kLastSynchronized, "last_synchronized"},
                                            {EvaluateWhat::kMean, "mean"}};
  return names;
}

const Names<DataSource>& NamesOf(DataSource) {
  static const Names<DataSource> names = {{DataSource::kDigits, "digits"},
                                          {DataSource::kMnist, "mnist"},
                                          {DataSource::kFashionMnist, "fashion-mnist"},
                                          {DataSource::kCifar10, "cifar10"},
                                          {DataSource::kText, "text"},
                                          {DataSource::kLibsvm, "libsvm"},
                                          {DataSource::kTensors, "tensors"},
                                          {DataSource::kNone, "none"}};
  return names;
}

const Names<DataPlacement>& NamesOf(DataPlacement) {
  static const Names<DataPlacement> names = {{DataPlacement::kShared, "shared"},
                                             {DataPlacement::kOwn, "own"}};
  return names;
}

const Names<BatchOrder>& NamesOf(BatchOrder) {
  static const Names<BatchOrder> names = {{BatchOrder::kUniform, "uniform"},
                                          {BatchOrder::kPermutation, "permutation"}};
  return names;
}

const Names<ModelName>& NamesOf(ModelName) {
  static const Names<ModelName> names = {{ModelName::kLenet5, "lenet5"},
                                         {ModelName::kLogistic, "logistic"},
                                         {ModelName::kCnnGn, "cnn-gn"},
                                         {ModelName::kVgg16s, "vgg16s"},
                                         {ModelName::kDenseNet121, "densenet121"},
                                         {ModelName::kDenseNet201, "densenet201"},
                                         {ModelName::kTransformer, "transformer"},
                                         {ModelName::kQuadratic, "quadratic"}};
  return names;
}

const Names<Init>& NamesOf(Init) {
  static const Names<Init> names = {{Init::kGlorotUniform, "glorot_uniform"},
                                    {Init::kHeNormal, "he_normal"}};
  return names;
}

const Names<OptimizerName>& NamesOf(OptimizerName) {
  static const Names<OptimizerName> names = {{OptimizerName::kAdam, "adam"},
                                             {OptimizerName::kAdamW, "adamw"},
                                             {OptimizerName::kSgd, "sgd"}};
  return names;
}

const Names<Schedule>& NamesOf(Schedule) {
  static const Names<Schedule> names = {
      {Schedule::kConstant, "constant"}, {Schedule::kCosine, "cosine"}, {Schedule::kStep, "step"}};
  return names;
}

const Names<Strategy>& NamesOf(Strategy) {
  static const Names<Strategy> names = {
      {Strategy::kFda, "fda"},         {Strategy::kSynchronous, "synchronous"},
      {Strategy::kLocal, "local"},     {Strategy::kClock, "clock"},
      {Strategy::kQsr, "qsr"},         {Strategy::kFedAvg, "fedavg"},
      {Strategy::kFedAvgM, "fedavgm"}, {Strategy::kFedAdam, "fedadam"},
      {Strategy::kDiloco, "diloco"}};
  return names;
}

const Names<EstimatorKind>& NamesOf(EstimatorKind) {
  static const Names<EstimatorKind> names = {{EstimatorKind::kNaive, "naive"},
                                             {EstimatorKind::kLinear, "linear"},
                                             {EstimatorKind::kSketch, "sketch"},
                                             {EstimatorKind::kExact, "exact"}};
  return names;
}

const Names<DecisionName>& NamesOf(DecisionName) {
  static const Names<DecisionName> names = {{DecisionName::kLockstep, "lockstep"},
                                            {DecisionName::kQuantum, "quantum"}};
  return names;
}

const Names<Weighting>& NamesOf(Weighting) {
  static const Names<Weighting> names = {{Weighting::kUniform, "uniform"},
                                         {Weighting::kSamples, "samples"}};
  return names;
}

const Names<Outliers>& NamesOf(Outliers) {
  static const Names<Outliers> names = {{Outliers::kWarn, "warn"}, {Outliers::kRefuse, "refuse"}};
  return names;
}

const Names<ServerOptimizer>& NamesOf(ServerOptimizer) {
  static const Names<ServerOptimizer> names = {{ServerOptimizer::kNone, "none"},
                                               {ServerOptimizer::kSgd, "sgd"},
                                               {ServerOptimizer::kAdam, "adam"}};
  return names;
}

const Names<Profile>& NamesOf(Profile) {
  static const Names<Profile> names = {
      {Profile::kLocal, "local"}, {Profile::kLan, "lan"}, {Profile::kWan, "wan"}};
  return names;
}

const Names<TransportName>& NamesOf(TransportName) {
  static const Names<TransportName> names = {
      {TransportName::kAuto, "auto"}, {TransportName::kTcp, "tcp"}, {TransportName::kIpc, "ipc"}};
  return names;
}

std::string ToString(EvaluateWhat value) { return NameOf(value); }
std::string ToString(DataSource value) { return NameOf(value); }
std::string ToString(DataPlacement value) { return NameOf(value); }
std::string ToString(BatchOrder value) { return NameOf(value); }
std::string ToString(ModelName value) { return NameOf(value); }
std::string ToString(Init value) { return NameOf(value); }
std::string ToString(OptimizerName value) { return NameOf(value); }
std::string ToString(Schedule value) { return NameOf(value); }
std::string ToString(Strategy value) { return NameOf(value); }
std::string ToString(EstimatorKind value) { return NameOf(value); }
std::string ToString(DecisionName value) { return NameOf(value); }
std::string ToString(Weighting value) { return NameOf(value); }
std::string ToString(Outliers value) { return NameOf(value); }
std::string ToString(ServerOptimizer value) { return NameOf(value); }
std::string ToString(Profile value) { return NameOf(value); }
std::string ToString(TransportName value) { return NameOf(value); }

}  // namespace actors
