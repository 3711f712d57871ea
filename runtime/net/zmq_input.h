// A socket to read from that libzmq is asked about only when there is a reason to.
//
// zmq_poll asks each of its sockets for its events before it sleeps and after, and a receive that
// finds nothing asks once more, with two or more system calls each: a report and its decision cost
// a hundred of them in two processes. Here a wait is one poll(2) on the sockets' descriptors, and
// only those that showed something are read.
//
// A descriptor (ZMQ_FD) is readable while libzmq has commands for the socket that were not looked
// at; a message announces itself by such a command. A receive that finds nothing has looked at all
// of them, so from then on the next message shows on the descriptor: the socket is dry. Any other
// call on the socket may look at commands too, and with them swallow the sign of a message: say
// Touch() after each. For reading only: who waits for room to write needs zmq_poll.
#ifndef RONDO_RUNTIME_NET_ZMQ_INPUT_H_
#define RONDO_RUNTIME_NET_ZMQ_INPUT_H_

#include <cstddef>
#include <span>

namespace runtime {

// The thread of the socket, which is borrowed.
class ZmqInput {
 public:
  ZmqInput() = default;  // Of no socket: always dry.
  explicit ZmqInput(void* socket);

  void Touch() { dry_ = false; }
  bool IsDry() const { return dry_ || socket_ == nullptr; }
  int fd() const { return fd_; }

  // Receives the first part of a message, if one is there. `Message` has Receive(void* socket),
  // which does not block.
  template <typename Message>
  bool Receive(Message& message) {
    if (IsDry()) return false;
    dry_ = !message.Receive(socket_);
    return !dry_;
  }

 private:
  void* socket_ = nullptr;
  int fd_ = -1;
  bool dry_ = false;
};

// Sleeps until one of `inputs`, not more than kMostInputs, is not dry or `wake_fd` is readable, at
// most `milliseconds`. True: `wake_fd` may be readable.
inline constexpr std::size_t kMostInputs = 7;
bool WaitForInput(int wake_fd, std::span<ZmqInput* const> inputs, int milliseconds);

}  // namespace runtime

#endif  // RONDO_RUNTIME_NET_ZMQ_INPUT_H_
