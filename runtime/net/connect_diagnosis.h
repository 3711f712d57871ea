// Why a node is not connected to its head, from what libzmq tells of the attempts.
//
// libzmq retries without end and names no cause; but its events differ by cause (measured with
// libzmq 4.3.4), and where they say no more than "no connection" a plain TCP attempt does.
#ifndef RONDO_RUNTIME_NET_CONNECT_DIAGNOSIS_H_
#define RONDO_RUNTIME_NET_CONNECT_DIAGNOSIS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>

#include "runtime/base/clock.h"
#include "runtime/net/address.h"
#include "runtime/net/note.h"
#include "runtime/net/zmq_handles.h"

namespace runtime {

// A value type: the control thread feeds it, others copy it.
class ConnectDiagnosis {
 public:
  void OnEvent(const ConnectionEvent& event);
  // The other side spoke as a transport of ours, of whatever version.
  void OnNote(const Note& note);
  // It sent what is neither a frame nor a note of ours.
  void OnForeignBytes() { foreign_ = true; }

  // The handshake of ZMTP is done on the present connection.
  bool IsConnected() const { return stage_ == Stage::kHandshaken; }
  bool HeadIsPresent() const { return IsConnected() && head_.has_value() && head_->Fits(); }

  // OK if a head of our version is connected. NOT_A_HEAD, ENCRYPTION_MISMATCH, HEAD_SILENT,
  // HEAD_UNREACHABLE (exit 3), INCOMPATIBLE (exit 7). Where the events leave more than one cause,
  // it makes a connection of its own, `patience` at most, and as long as the resolver takes: not on
  // the control thread. (A head counts such a connection as junk.)
  absl::Status Explain(const Address& address, Duration patience) const;

 private:
  enum class Stage : std::uint8_t { kUnconnected, kConnected, kHandshaken };

  Stage stage_ = Stage::kUnconnected;
  bool foreign_ = false;
  // How the last attempts ended, until a handshake succeeds.
  bool handshake_failed_ = false;
  bool encryption_differs_ = false;
  std::optional<Note> head_;
};

// How whoever is at an address begins. ZMTP's servers speak first.
enum class Opening : std::uint8_t { kZeroMq, kOther, kSilence };

// Makes one connection, looks and hangs up. HEAD_UNREACHABLE with the system's reason.
absl::StatusOr<Opening> ProbeConnection(const Address& address, Duration patience);

}  // namespace runtime

#endif  // RONDO_RUNTIME_NET_CONNECT_DIAGNOSIS_H_
