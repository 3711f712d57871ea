#include "apps/rondo/status_text.h"

#include <gtest/gtest.h>

#include "runtime/base/error.h"
#include "tests/support/status_matchers.h"

namespace apps {
namespace {

constexpr char kBusy[] = R"({"address":"127.0.0.1:7070","seconds":724,
  "nodes":[{"id":"bbbb222222222222","name":"b-1","role":"worker","state":"SUSPECT","pid":12,
            "reachable":false,"reason":"nothing heard for 1.2 s","seconds":3.25},
           {"name":"rondo status","role":"client","state":"UP","pid":99,"seconds":0,
            "reachable":null},
           {"id":"aaaa111111111111","name":"b-0","role":"worker","slot":0,"state":"UP","pid":1011,
            "reachable":true,"reason":"","seconds":720,"steps_per_second":142.25}],
  "runs":[{"run_id":"aa","state":"failed","step":5,"max_steps":10,"syncs":1,"workers":2,
           "bytes_total":0,"code":"WORKER_LOST"},
          {"run_id":"bb","state":"running","step":1240,"max_steps":4000,"syncs":9,"workers":2,
           "bytes_total":61200000,"waits_for":"the step of slot 1"}],
  "sent":{"control":2000,"state":0,"total":2000},
  "dropped":{"handshake":2,"frame":0}})";

TEST(StatusText, ShowsNodesRunsTrafficAndDrops) {
  const auto text = RenderStatus(kBusy);
  ASSERT_OK(text);
  EXPECT_EQ(*text,
            "head 127.0.0.1:7070  up 12m04s  2 workers\n"
            "\n"
            "node  id        role    slot  state    steps/s  reachable      up   pid  why\n"
            "b-0   aaaa1111  worker  0     UP       142      yes        12m00s  1011\n"
            "b-1   bbbb2222  worker        SUSPECT           no          3.2 s    12  "
            "nothing heard for 1.2 s\n"
            "\n"
            "run  state           step  syncs  workers     sent  waits for\n"
            "aa   failed          5/10      1        2      0 B  WORKER_LOST\n"
            "bb   running  1,240/4,000      9        2  61.2 MB  the step of slot 1\n"
            "\n"
            "head sent     control 2.0 kB\n"
            "dropped       handshake 2\n");
}

TEST(StatusText, ShowsTheDriftOfWorkersThatToldOfOne) {
  const auto text = RenderStatus(R"({"address":"h:1","seconds":1,"runs":[],"nodes":[
    {"id":"aaaa111111111111","name":"a","role":"worker","slot":0,"state":"UP","pid":1,
     "reachable":true,"reason":"","seconds":2,
     "drift":{"norm":1.6342,"cosine":0.9,"cosine_to_others":0.7934,"z":0.1,"outlier":false}},
    {"id":"bbbb111111111111","name":"b","role":"worker","slot":1,"state":"UP","pid":2,
     "reachable":true,"reason":"its drift is unlike the others'","seconds":2,
     "drift":{"norm":1.7,"cosine":-0.3,"cosine_to_others":-0.619,"z":14,"outlier":true}},
    {"id":"cccc111111111111","name":"c","role":"worker","slot":2,"state":"UP","pid":3,
     "reachable":true,"reason":"","seconds":2,"drift":{"norm":null,"z":null}},
    {"id":"dddd111111111111","name":"d","role":"head","state":"UP","pid":4,"seconds":2}]})");
  ASSERT_OK(text);
  EXPECT_NE(
      text->find(
          "node  id        role    slot  state  steps/s  reachable     up  pid  drift  cosine  "
          "why\n"
          "a     aaaa1111  worker  0     UP              yes        2.0 s    1  1.63   0.793\n"
          "b     bbbb1111  worker  1     UP              yes        2.0 s    2  1.7    -0.619  its "
          "drift is "
          "unlike the others'\n"
          "c     cccc1111  worker  2     UP              yes        2.0 s    3\n"
          "d     dddd1111  head          UP                         2.0 s    4\n"),
      std::string::npos)
      << *text;
}

TEST(StatusText, SaysWhatToDoWithAnEmptyCluster) {
  const auto text = RenderStatus(R"({"address":"h:1","seconds":1,"nodes":[],"runs":[]})");
  ASSERT_OK(text);
  EXPECT_NE(text->find("no nodes; add this machine with: rondo join h:1\n"), std::string::npos);
  EXPECT_NE(text->find("no runs; start one with: rondo run CONFIG --head h:1\n"),
            std::string::npos);
  EXPECT_NE(text->find("dropped       nothing\n"), std::string::npos);
}

TEST(StatusText, ShowsTheLastFiveRunsThatEndedAndAllThatAreOn) {
  std::string runs;
  for (int i = 0; i < 9; ++i) {
    runs += R"({"run_id":"old)" + std::to_string(i) + R"(","state":"done"},)";
  }
  runs += R"({"run_id":"new","state":"queued"})";
  const auto text = RenderStatus(R"({"nodes":[],"runs":[)" + runs + "]}");
  ASSERT_OK(text);
  EXPECT_EQ(text->find("old3"), std::string::npos);
  EXPECT_NE(text->find("old4"), std::string::npos);
  EXPECT_NE(text->find("new"), std::string::npos);
}

TEST(StatusText, RefusesWhatIsNoStatus) {
  for (const char* text : {"", "[]", "{}", R"({"nodes":1,"runs":[]})", "{\"nodes\":[],"}) {
    EXPECT_EQ(runtime::ToUserError(RenderStatus(text).status()).code, "BAD_STATUS") << text;
  }
}

TEST(StatusText, IsNotBrokenByMembersOfAnotherKind) {
  EXPECT_OK(RenderStatus(
      R"({"nodes":[1,{"name":3,"seconds":"x"}],"runs":[null,{"step":-1}],"dropped":[]})"));
}

TEST(StatusText, APausedRunIsOn) {
  const std::string paused =
      R"({"nodes":[],"runs":[{"run_id":"a","state":"paused","step":3,
          "waits_for":"workers: 1 of 2"}]})";
  EXPECT_NE(RenderStatus(paused)->find("workers: 1 of 2"), std::string::npos);
  EXPECT_EQ(*RenderWhatIsOn(paused), "run a at step 3");
}

TEST(StatusText, TellsWhatRondoDownEnds) {
  EXPECT_EQ(*RenderWhatIsOn(kBusy), "run bb at step 1,240, 2 workers");
  EXPECT_EQ(*RenderWhatIsOn(R"({"nodes":[],"runs":[{"run_id":"a","state":"done"}]})"), "");
}

}  // namespace
}  // namespace apps
