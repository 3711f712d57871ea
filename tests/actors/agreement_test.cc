#include "actors/agreement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/error.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

using testing::HasSubstr;

ReadyToRun SomeReady() {
  return {.layout_hash = 1,
          .trainable = 2,
          .total = 3,
          .base_root = {.high = 4, .low = 5},
          .data_fingerprint = 6,
          .train_samples = 30,
          .test_samples = 7,
          .sample_shape = {28, 28},
          .samples_by_class = {10, 20}};
}

runtime::UserError ErrorOf(const ReadyToRun& ready, const AgreementRules& rules) {
  const absl::Status status = CheckAgrees("slot 2 and slot 0", ready, SomeReady(), rules);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status, tests::HasMessage("slot 2 and slot 0"));
  return status.ok() ? runtime::UserError() : runtime::ToUserError(status);
}

TEST(Agreement, WhoBuiltTheSameAgreesWhereverTheDataLie) {
  for (const DataPlacement placement : {DataPlacement::kShared, DataPlacement::kOwn}) {
    EXPECT_OK(CheckAgrees("", SomeReady(), SomeReady(), {.placement = placement}));
  }
}

TEST(Agreement, AModelFileMustBeTheSameAtAnyTime) {
  ReadyToRun ready = SomeReady();
  ready.layout_hash = 7;
  const runtime::UserError error =
      ErrorOf(ready, {.initial_models = false, .model_file = "models/net.pt"});
  EXPECT_EQ(error.code, "MODEL_FILE_DIFFERS");
  EXPECT_EQ(error.exit, runtime::Exit::kIncompatible);
  EXPECT_THAT(error.message, HasSubstr("models/net.pt"));
}

TEST(Agreement, CommonDataMustBeTheSame) {
  ReadyToRun ready = SomeReady();
  ready.data_fingerprint = 7;
  const runtime::UserError error = ErrorOf(ready, {.placement = DataPlacement::kShared});
  EXPECT_EQ(error.code, "DATA_DIFFERS");
  EXPECT_EQ(error.exit, runtime::Exit::kUnreadable);
}

TEST(Agreement, OfCommonDataTheShardsMayDiffer) {
  ReadyToRun ready = SomeReady();
  ready.samples_by_class = {3, 2};
  EXPECT_OK(CheckAgrees("", ready, SomeReady(), {.placement = DataPlacement::kShared}));
}

TEST(Agreement, OwnDataMayDifferInAllButShapeAndClasses) {
  ReadyToRun ready = SomeReady();
  ready.data_fingerprint = 7;
  ready.train_samples = 1000;
  ready.test_samples = 1;
  ready.samples_by_class = {1000, 0};
  EXPECT_OK(CheckAgrees("", ready, SomeReady(), {.placement = DataPlacement::kOwn}));
}

TEST(Agreement, OwnDataOfAnotherShapeOrWithOtherClassesAreNamedBeforeTheModelThatFollows) {
  ReadyToRun shape = SomeReady(), classes = SomeReady();
  shape.sample_shape = {32, 32, 3};
  shape.layout_hash = 9;
  classes.samples_by_class = {10, 10, 10};
  const runtime::UserError of_shape = ErrorOf(shape, {.placement = DataPlacement::kOwn});
  EXPECT_EQ(of_shape.code, "DATA_SHAPE_DIFFERS");
  EXPECT_EQ(of_shape.exit, runtime::Exit::kUnreadable);
  EXPECT_THAT(of_shape.message, HasSubstr("32 x 32 x 3 in 2 classes, and 28 x 28 in 2 classes"));
  EXPECT_THAT(of_shape.hint, HasSubstr("--data DIR"));
  EXPECT_EQ(ErrorOf(classes, {.placement = DataPlacement::kOwn}).code, "DATA_SHAPE_DIFFERS");
}

TEST(Agreement, ModelsMustHaveOneLayoutAndAtFirstOneValue) {
  ReadyToRun layout = SomeReady(), value = SomeReady();
  layout.layout_hash = 9;
  value.base_root.low = 9;
  for (const DataPlacement placement : {DataPlacement::kShared, DataPlacement::kOwn}) {
    EXPECT_EQ(ErrorOf(layout, {.placement = placement}).code, "LAYOUT_DIFFERS");
    EXPECT_EQ(ErrorOf(value, {.placement = placement}).code, "INITIAL_MODEL_DIFFERS");
    EXPECT_OK(
        CheckAgrees("", value, SomeReady(), {.placement = placement, .initial_models = false}));
  }
}

TEST(Agreement, OwnDataAreDescribedInNumbers) {
  EXPECT_EQ(DescribeOwnData(SomeReady()),
            "30 samples of its own to train on (by class: 10 20), 7 to test with");
}

}  // namespace
}  // namespace actors
