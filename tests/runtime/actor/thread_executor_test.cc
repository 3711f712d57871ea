#include "runtime/actor/thread_executor.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/status_matchers.h"

namespace runtime {
namespace {

using std::chrono::seconds;

TEST(ThreadExecutor, RunsItsTasksInOrderOnAThreadOfItsOwn) {
  std::vector<int> order;  // Of the executor's thread, until `done`.
  std::promise<std::thread::id> done;
  {
    ThreadExecutor executor({});
    for (int i = 0; i < 100; ++i) executor.Run([&, i] { order.push_back(i); });
    executor.Run([&] { done.set_value(std::this_thread::get_id()); });
    auto future = done.get_future();
    ASSERT_EQ(future.wait_for(seconds(60)), std::future_status::ready);
    EXPECT_NE(future.get(), std::this_thread::get_id());
  }
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
}

TEST(ThreadExecutor, ItsEndWaitsForTheTaskThatRunsAndDropsTheRest) {
  std::promise<void> started;
  std::promise<void> release;
  bool first_ended = false;
  auto token = std::make_shared<int>(0);
  {
    ThreadExecutor executor({});
    executor.Run([&] {
      started.set_value();
      ASSERT_EQ(release.get_future().wait_for(seconds(60)), std::future_status::ready);
      first_ended = true;
    });
    executor.Run([token] { FAIL() << "was not dropped"; });
    ASSERT_EQ(started.get_future().wait_for(seconds(60)), std::future_status::ready);
    // The second is dropped only if the executor is told to end before the first returns.
    std::thread releaser([&] {
      while (token.use_count() > 1) std::this_thread::yield();
      release.set_value();
    });
    releaser.detach();
  }
  EXPECT_TRUE(first_ended);
  EXPECT_EQ(token.use_count(), 1);
}

TEST(ThreadExecutor, AnExceptionIsToldAndTheNextTaskRuns) {
  std::promise<std::string> failure;
  std::promise<void> next;
  ThreadExecutor executor({.on_failure = [&](const absl::Status& status) {
    failure.set_value(std::string(status.message()));
  }});
  executor.Run([] { std::stoi("not a number"); });
  executor.Run([&] { next.set_value(); });
  ASSERT_EQ(next.get_future().wait_for(seconds(60)), std::future_status::ready);
  EXPECT_NE(failure.get_future().get().find("stoi"), std::string::npos);
}

TEST(ThreadExecutorDeathTest, MoreTasksThanItsBoundAreABug) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        std::promise<void> never;
        ThreadExecutor executor({.most_waiting = 2});
        for (int i = 0; i < 10; ++i) executor.Run([&] { never.get_future().wait_for(seconds(9)); });
      },
      "most_waiting");
}

}  // namespace
}  // namespace runtime
