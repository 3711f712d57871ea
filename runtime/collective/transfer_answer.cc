#include "runtime/collective/transfer_answer.h"

namespace runtime {

TransferAnswer AnswerRequest(const TransferOffer& offer, const Hash128& root,
                             const TransferRequest& request) {
  const std::size_t length = offer.floats.size();
  if (root != offer.root || request.offset > length || request.floats > length - request.offset) {
    return {.message = {.root = root, .body = TransferNotHeld{}}};
  }
  const std::span<const float> floats = offer.floats.subspan(request.offset, request.floats);
  return {.message = {.root = root,
                      .body = TransferChunk{.range = {.offset = request.offset,
                                                      .floats = request.floats},
                                            .checksum = HashFloats(floats)}},
          .floats = floats};
}

}  // namespace runtime
