#include "runtime/net/zmq_input.h"

#include <poll.h>
#include <zmq.h>

#include <algorithm>
#include <array>

#include "runtime/base/require.h"

namespace runtime {

ZmqInput::ZmqInput(void* socket) : socket_(socket) {
  std::size_t size = sizeof(fd_);
  REQUIRE(zmq_getsockopt(socket_, ZMQ_FD, &fd_, &size) == 0);
}

bool WaitForInput(int wake_fd, std::span<ZmqInput* const> inputs, int milliseconds) {
  REQUIRE(inputs.size() <= kMostInputs);
  if (!std::ranges::all_of(inputs, &ZmqInput::IsDry)) return true;
  // poll(2) passes over negative descriptors.
  std::array<pollfd, 1 + kMostInputs> items;
  items[0] = {.fd = wake_fd, .events = POLLIN, .revents = 0};
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    items[1 + i] = {.fd = inputs[i]->fd(), .events = POLLIN, .revents = 0};
  }
  // A signal ends it early, like a wait without reason.
  if (poll(items.data(), 1 + inputs.size(), milliseconds) <= 0) return false;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (items[1 + i].revents != 0) inputs[i]->Touch();
  }
  return items[0].revents != 0;
}

}  // namespace runtime
