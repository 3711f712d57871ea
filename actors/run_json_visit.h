// The members of a result, which stand in its own JSON and in that of the end event.
#ifndef RONDO_ACTORS_RUN_JSON_VISIT_H_
#define RONDO_ACTORS_RUN_JSON_VISIT_H_

#include "actors/run_json.h"
#include "actors/run_result.h"

namespace actors {

template <typename Visitor>
void Visit(Visitor& visit, RunSeconds& seconds) {
  visit("compute", seconds.compute);
  visit("wait_decision", seconds.wait_decision);
  visit("ring", seconds.ring);
  visit("evaluate", seconds.evaluate);
}

template <typename Visitor>
void Visit(Visitor& visit, RunEventCounts& counts) {
  visit("joins", counts.joins);
  visit("leaves", counts.leaves);
  visit("deaths", counts.deaths);
  visit("aborts", counts.aborts);
  visit("rebases", counts.rebases);
  visit("resets", counts.resets);
  visit("outliers", counts.outliers);
}

template <typename Visitor>
void Visit(Visitor& visit, RunResult& result) {
  visit("run_id", result.run_id);
  visit("strategy", result.strategy);
  visit("estimator", result.estimator);
  visit("decision", result.decision);
  visit("theta", result.theta);
  visit("workers", result.workers);
  visit("workers_final", result.workers_final);
  visit("model", result.model);
  visit("parameters", result.parameters);
  visit("data", result.data);
  visit("steps", result.steps);
  visit("samples", result.samples);
  visit("syncs", result.syncs);
  visit("reached_step", result.reached_step);
  visit("accuracy", result.accuracy);
  visit("best_accuracy", result.best_accuracy);
  visit("evaluated", result.evaluated);
  visit("train_loss", result.train_loss);
  visit("prequential_error", result.prequential_error);
  visit("bytes", result.bytes);
  visit("bytes_paper", result.bytes_paper);
  visit.Derived("bytes_synchronous", result.SynchronousBytes());
  visit("seconds", result.seconds);
  visit("seconds_by", result.seconds_by);
  visit.Derived("steps_per_second", result.StepsPerSecond());
  visit("model_hash", result.model_hash);
  visit("replicas_equal", result.replicas_equal);
  visit("seed", result.seed);
  visit("events", result.events);
  visit("dropped", result.dropped);
  visit("model_path", result.model_path);
}

}  // namespace actors

#endif  // RONDO_ACTORS_RUN_JSON_VISIT_H_
