// What a donor says to a request, apart from sockets. A pure function; any thread.
#ifndef RONDO_RUNTIME_COLLECTIVE_TRANSFER_ANSWER_H_
#define RONDO_RUNTIME_COLLECTIVE_TRANSFER_ANSWER_H_

#include <span>

#include "runtime/collective/transfer.h"
#include "runtime/collective/transfer_message.h"

namespace runtime {

struct TransferAnswer {
  TransferMessage message;
  std::span<const float> floats;  // The second part, of `offer`'s vector; empty: there is none.
};

// A chunk of `offer`, or that the vector is not held. A range beyond the vector's end is not held
// either: whoever asks for it means another vector.
TransferAnswer AnswerRequest(const TransferOffer& offer, const Hash128& root,
                             const TransferRequest& request);

}  // namespace runtime

#endif  // RONDO_RUNTIME_COLLECTIVE_TRANSFER_ANSWER_H_
