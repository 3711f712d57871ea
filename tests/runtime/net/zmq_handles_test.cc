#include "runtime/net/zmq_handles.h"

#include <gtest/gtest.h>
#include <zmq.h>

#include <string>
#include <utility>

#include "tests/support/status_matchers.h"

namespace runtime {
namespace {

// One thread of libzmq serves all sockets of a context, and waits for whoever reads its events.
TEST(ConnectionMonitor, WhoStopsWatchingDoesNotStopTheOtherSocketsOfTheContext) {
  const ZmqContext context = NewZmqContext();
  ZmqSocket listener = *NewZmqSocket(context.get(), ZMQ_ROUTER);
  SetCommonOptions(listener.get(), false, 1000);
  ASSERT_EQ(zmq_bind(listener.get(), "tcp://127.0.0.1:*"), 0);
  SetOption(listener.get(), ZMQ_RCVTIMEO, 60'000);
  ZmqSocket restless;
  ConnectionMonitor events;
  for (int i = 0; i < 50; ++i) {
    events = {};
    // Nobody listens there: a few events each millisecond.
    restless = *NewZmqSocket(context.get(), ZMQ_DEALER);
    SetOption(restless.get(), ZMQ_LINGER, 0);
    SetOption(restless.get(), ZMQ_RECONNECT_IVL, 1);
    events = *ConnectionMonitor::Watch(context.get(), restless.get());
    ASSERT_EQ(zmq_connect(restless.get(), "ipc://@rondo-nobody-listens-here"), 0);
    while (!events.Next().has_value()) events.input()->Touch();
    if (i % 2 == 0) events = {};

    ZmqSocket calm = *NewZmqSocket(context.get(), ZMQ_DEALER);
    SetOption(calm.get(), ZMQ_LINGER, 0);
    ASSERT_EQ(zmq_connect(calm.get(), LastEndpoint(listener.get()).c_str()), 0);
    ASSERT_EQ(zmq_send(calm.get(), "calm", 4, 0), 4);
    char text[16];
    ASSERT_GT(zmq_recv(listener.get(), text, sizeof(text), 0), 0) << "turn " << i;
    ASSERT_EQ(zmq_recv(listener.get(), text, sizeof(text), 0), 4);
  }
}

}  // namespace
}  // namespace runtime
