// The names of the enumerators of a config, as they stand in the file. Private to run_config*.cc;
// ToString (run_config.h) is for everybody.
#ifndef RONDO_ACTORS_RUN_CONFIG_NAMES_H_
#define RONDO_ACTORS_RUN_CONFIG_NAMES_H_

#include <string>
#include <utility>
#include <vector>

#include "actors/run_config.h"

namespace actors {

template <typename Enum>
using Names = std::vector<std::pair<Enum, std::string>>;

// Every enumerator with its name, in the order in which errors list them. The argument only chooses
// the enumeration.
const Names<EvaluateWhat>& NamesOf(EvaluateWhat);
const Names<DataSource>& NamesOf(DataSource);
const Names<DataPlacement>& NamesOf(DataPlacement);
const Names<BatchOrder>& NamesOf(BatchOrder);
const Names<ModelName>& NamesOf(ModelName);
const Names<Init>& NamesOf(Init);
const Names<OptimizerName>& NamesOf(OptimizerName);
const Names<Schedule>& NamesOf(Schedule);
const Names<Strategy>& NamesOf(Strategy);
const Names<EstimatorKind>& NamesOf(EstimatorKind);
const Names<DecisionName>& NamesOf(DecisionName);
const Names<Weighting>& NamesOf(Weighting);
const Names<Outliers>& NamesOf(Outliers);
const Names<ServerOptimizer>& NamesOf(ServerOptimizer);
const Names<Profile>& NamesOf(Profile);
const Names<TransportName>& NamesOf(TransportName);

}  // namespace actors

#endif  // RONDO_ACTORS_RUN_CONFIG_NAMES_H_
