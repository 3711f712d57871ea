// What `rondo`, which has no torch, asks a rondo-worker that ends with the answer: one line of JSON
// on stdout. {"ok":true,...}, or {"ok":false,"code":...,"exit":...,"message":...,"hint":...}.
#ifndef RONDO_APPS_RONDO_WORKER_QUESTIONS_H_
#define RONDO_APPS_RONDO_WORKER_QUESTIONS_H_

#include <cstdint>
#include <string>

#include "actors/training/training_options.h"

namespace apps {

// All return the exit code. `config` is TOML, as actors::ToToml writes it.

// {"parameters":d,"total":...} of the TorchScript file that the config trains.
int DescribeModel(const std::string& config, std::uint32_t threads);
// {"accuracy":...,"loss":...,"samples":...,"seconds":...} of that file on the test set.
int EvaluateModel(const std::string& config, std::uint32_t threads);

}  // namespace apps

#endif  // RONDO_APPS_RONDO_WORKER_QUESTIONS_H_
