#include "actors/training/training_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "runtime/base/error.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

TEST(TrainingOptions, DefaultsAreValid) { EXPECT_OK(ValidateTrainingOptions(TrainingOptions())); }

TEST(TrainingOptions, AModelMayBeAFile) {
  TrainingOptions options;
  options.model.name = "models/net.pt";
  EXPECT_OK(ValidateTrainingOptions(options));
}

TEST(TrainingOptions, ABadValueIsRefusedWithItsKey) {
  struct Case {
    const char* key;
    std::function<void(TrainingOptions&)> spoil;
  };
  const std::vector<Case> cases = {
      {"model.name", [](TrainingOptions& o) { o.model.name = "lenet"; }},
      {"data.source", [](TrainingOptions& o) { o.data.source = "cifar100"; }},
      {"data.partition", [](TrainingOptions& o) { o.data.partition = "sorted"; }},
      {"data.batches", [](TrainingOptions& o) { o.data.batches = "random"; }},
      {"data.source", [](TrainingOptions& o) { o.data.own = true; }},
      {"data.partition",
       [](TrainingOptions& o) {
         o.data.own = true, o.data.source = "mnist", o.data.partition = "label:1";
       }},
      {"--part",
       [](TrainingOptions& o) { o.data.own = true, o.data.source = "mnist", o.data.part = 1; }},
      {"--parts",
       [](TrainingOptions& o) { o.data.own = true, o.data.source = "mnist", o.data.parts = 0; }},
      {"model.init", [](TrainingOptions& o) { o.model.init = "zeros"; }},
      {"optimizer.name", [](TrainingOptions& o) { o.optimizer.name = "adagrad"; }},
      {"optimizer.beta1", [](TrainingOptions& o) { o.optimizer.beta1 = 1; }},
      {"optimizer.beta2", [](TrainingOptions& o) { o.optimizer.beta2 = 1.5; }},
      {"optimizer.momentum", [](TrainingOptions& o) { o.optimizer.momentum = 1; }},
      {"optimizer.nesterov", [](TrainingOptions& o) { o.optimizer.nesterov = true; }},
      {"optimizer.batch", [](TrainingOptions& o) { o.optimizer.batch = 0; }},
      {"optimizer.batch",
       [](TrainingOptions& o) {
         o.model.name = "densenet121", o.data.source = "cifar10", o.optimizer.batch = 1;
       }},
      {"model.name", [](TrainingOptions& o) { o.model.name = "densenet121"; }},
      {"model.dropout", [](TrainingOptions& o) { o.model.dropout = 0.5; }},
      {"model.dropout", [](TrainingOptions& o) { o.model.name = "net.pt", o.model.dropout = 0.5; }},
      {"model.init",
       [](TrainingOptions& o) { o.model.name = "net.pt", o.model.init = "he_normal"; }},
      {"quadratic.dimension",
       [](TrainingOptions& o) { o.model.name = "quadratic", o.quadratic.dimension = 0; }},
      {"quadratic.step_time_seconds",
       [](TrainingOptions& o) { o.model.name = "quadratic", o.quadratic.step_time_seconds = -1; }},
  };
  for (const Case& bad : cases) {
    TrainingOptions options;
    bad.spoil(options);
    const absl::Status status = ValidateTrainingOptions(options);
    ASSERT_FALSE(status.ok()) << bad.key;
    EXPECT_EQ(runtime::ToUserError(status).exit, runtime::Exit::kUsage);
    EXPECT_EQ(runtime::ToUserError(status).code, "CONFIG_INVALID_VALUE");
    EXPECT_THAT(status, tests::HasMessage(bad.key));
  }
}

}  // namespace
}  // namespace actors
