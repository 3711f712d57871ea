// Errors as answers (schema::Failure): code and message, and what a user sees if it has one.
#include <algorithm>
#include <string>
#include <string_view>

#include "runtime/actor/actor.h"
#include "runtime/base/error.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"
#include "schema/envelope.capnp.h"

namespace runtime {
namespace {

// Keeps a long text out of a frame that must be small.
constexpr std::size_t kLongestText = 16384;

std::string Cut(std::string_view text) { return std::string(text.substr(0, kLongestText)); }

std::string_view View(capnp::Text::Reader text) { return {text.begin(), text.size()}; }

}  // namespace

Frame EncodeFailure(const Envelope& envelope, const absl::Status& why) {
  REQUIRE(!why.ok());
  Envelope failure = envelope;
  failure.kind = EnvelopeKind::kFailure;
  failure.type = capnp::typeId<schema::Failure>();
  return BuildFrame(failure, [&](capnp::AnyPointer::Builder body) {
    auto wire = body.initAs<schema::Failure>();
    wire.setCode(static_cast<std::uint16_t>(why.code()));
    wire.setMessage(Cut({why.message().data(), why.message().size()}));
    if (!HasUserError(why)) return;
    const UserError error = ToUserError(why);
    wire.setErrorCode(Cut(error.code));
    wire.setExitCode(static_cast<std::uint16_t>(error.exit));
    wire.setHint(Cut(error.hint));
  });
}

absl::Status DecodeFailure(const FrameReader& frame) {
  if (frame.envelope().type != capnp::typeId<schema::Failure>()) {
    return absl::InvalidArgumentError("a failure without a Failure in it");
  }
  absl::Status why;
  const absl::Status read = frame.ReadBody([&](capnp::AnyPointer::Reader body) -> absl::Status {
    const auto wire = body.getAs<schema::Failure>();
    const std::uint16_t code = wire.getCode();
    if (code < 1 || code > 16) return absl::InvalidArgumentError("no such status code");
    const std::string message(View(wire.getMessage()));
    if (wire.getErrorCode().size() == 0) {
      why = absl::Status(static_cast<absl::StatusCode>(code), message);
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(const Exit exit, ExitOf(wire.getExitCode()));
    why = MakeError(View(wire.getErrorCode()), exit, message, View(wire.getHint()));
    return absl::OkStatus();
  });
  return read.ok() ? why : read;
}

}  // namespace runtime
