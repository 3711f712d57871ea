#include "apps/rondo/runs_text.h"

#include <gtest/gtest.h>

#include "runtime/base/error.h"
#include "tests/support/status_matchers.h"

namespace apps {
namespace {

constexpr char kRuns[] = R"({"runs":[
  {"run_id":"aa","state":"done","strategy":"fda","model":"lenet5","step":3000,"max_steps":4000,
   "syncs":42,"workers":2,"members":[],"bytes_total":108000000,"accuracy":0.9812,"steps":3000,
   "parameters":61706,"data":"mnist","replicas_equal":true,"folder":"/state/runs/aa",
   "model_path":"/state/runs/aa/model.pt","submitted_seconds_ago":724},
  {"run_id":"bb","state":"failed","strategy":"local","step":5,"max_steps":10,"syncs":1,"workers":1,
   "members":[],"bytes_total":0,"code":"DIVERGED","exit":1,"message":"slot 1 diverged at step 5",
   "hint":"lower the rate","folder":"/state/runs/bb","submitted_seconds_ago":60},
  {"run_id":"cc","state":"paused","strategy":"fda","step":7,"max_steps":10,"syncs":1,"workers":1,
   "members":[{"slot":0,"node":"00","name":"b-0"},{"slot":2,"node":"01","name":"c-0"}],
   "bytes_total":2000,"waits_for":"workers: 1 of at least 2","folder":"/state/runs/cc",
   "submitted_seconds_ago":3.25}]})";

Json Runs() { return *ReadRuns(kRuns); }

TEST(RunsText, ListsRunsWithWhatBecameOfThem) {
  EXPECT_EQ(RenderRuns(Runs(), "h:1"),
            "run  state   strategy         step  syncs  accuracy      sent   submitted  why\n"
            "aa   done    fda       3,000/4,000     42  98.1 %    108.0 MB  12m04s ago\n"
            "bb   failed  local            5/10      1                 0 B   1m00s ago  DIVERGED\n"
            "cc   paused  fda              7/10      1              2.0 kB   3.2 s ago  waits for "
            "workers: 1 of at least 2\n");
  EXPECT_EQ(RenderRuns(Json::array(), "h:1"),
            "no runs; start one with: rondo run CONFIG --head h:1\n");
}

TEST(RunsText, ShowsTheResultOfARunThatIsDone) {
  const std::string text = RenderRun(Runs()[0]);
  EXPECT_EQ(text.rfind("run aa done\nrun aa: lenet5 (61,706 parameters) on mnist, 2 workers", 0),
            0u)
      << text;
  EXPECT_NE(text.find("model /state/runs/aa/model.pt\n"), std::string::npos);
  EXPECT_NE(text.find("accuracy 98.1 %\n"), std::string::npos);
}

TEST(RunsText, ShowsWhyARunFailed) {
  EXPECT_EQ(RenderRun(Runs()[1]),
            "run bb failed\nsteps 5/10\nsynchronizations 1\nbytes 0 B\n"
            "files /state/runs/bb on the head's machine\n"
            "error[DIVERGED]: slot 1 diverged at step 5\n  hint: lower the rate\n");
  const runtime::UserError error = runtime::ToUserError(ErrorOf(Runs()[1]));
  EXPECT_EQ(error.code, "DIVERGED");
  EXPECT_EQ(error.exit, runtime::Exit::kRunFailed);
  EXPECT_OK(ErrorOf(Runs()[0]));
  EXPECT_OK(ErrorOf(Runs()[2]));
}

TEST(RunsText, ShowsHowFarARunIsAndWhatItWaitsFor) {
  EXPECT_EQ(RenderRun(Runs()[2]),
            "run cc paused\nsteps 7/10\nsynchronizations 1\nbytes 2.0 kB\n"
            "workers b-0 (slot 0), c-0 (slot 2)\nwaits for workers: 1 of at least 2\n"
            "files /state/runs/cc on the head's machine\n");
}

TEST(RunsText, RefusesWhatIsNoAnswerAboutRuns) {
  for (const char* text : {"", "[]", "{}", R"({"runs":1})", R"({"runs":[1]})", "{\"runs\":["}) {
    EXPECT_EQ(runtime::ToUserError(ReadRuns(text).status()).code, "BAD_STATUS") << text;
  }
  EXPECT_EQ(runtime::ToUserError(ReadRun(R"({"runs":[]})").status()).code, "BAD_STATUS");
  EXPECT_EQ(runtime::ToUserError(ReadRun(kRuns).status()).code, "BAD_STATUS");
}

TEST(RunsText, IsNotBrokenByMembersOfAnotherKind) {
  const Json runs = *ReadRuns(
      R"({"runs":[{"run_id":1,"state":"done","step":-1,"members":[3],"accuracy":"x"},
                  {"state":"failed","exit":99999,"members":7},{"state":"running"}]})");
  EXPECT_FALSE(RenderRuns(runs, "h:1").empty());
  for (const Json& run : runs) EXPECT_FALSE(RenderRun(run).empty());
  EXPECT_EQ(runtime::ToUserError(ErrorOf(runs[1])).exit, runtime::Exit::kRunFailed);
}

}  // namespace
}  // namespace apps
