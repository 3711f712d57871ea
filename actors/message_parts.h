// What the messages of training have in common on the wire: Write fills a builder, Read checks
// ranges.
//
// Read may throw, as all of Cap'n Proto's getters may; runtime::Context decodes a whole message in
// one guarded function.
#ifndef RONDO_ACTORS_MESSAGE_PARTS_H_
#define RONDO_ACTORS_MESSAGE_PARTS_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <string>
#include <vector>

#include "actors/messages.h"
#include "schema/training.capnp.h"

namespace actors {

// One overload per alternative of a variant.
template <typename... Fs>
struct Overload : Fs... {
  using Fs::operator()...;
};
template <typename... Fs>
Overload(Fs...) -> Overload<Fs...>;

inline constexpr std::size_t kMaxTextBytes = 64 * 1024;
inline constexpr std::size_t kMaxEndpointBytes = 300;

void Write(const runtime::Fence& fence, schema::Fence::Builder wire);
runtime::Fence Read(schema::Fence::Reader wire);
void Write(const runtime::Hash128& hash, schema::Hash::Builder wire);
runtime::Hash128 Read(schema::Hash::Reader wire);
void Write(const runtime::Ledger& ledger, schema::Bytes::Builder wire);
runtime::Ledger Read(schema::Bytes::Reader wire);
void Write(const runtime::Drops& drops, schema::Dropped::Builder wire);
runtime::Drops Read(schema::Dropped::Reader wire);
void Write(const PredictionCounts& predictions, schema::Predictions::Builder wire);
absl::StatusOr<PredictionCounts> Read(schema::Predictions::Reader wire);
absl::StatusOr<double> ReadSeconds(double seconds);
// Of marks: >= 0, infinite allowed.
absl::StatusOr<double> ReadQuantum(double quantum);
absl::StatusOr<std::string> ReadText(capnp::Text::Reader text, std::size_t max_bytes);
void Write(const runtime::RingEndpoint& endpoint, schema::RingEndpoint::Builder wire);
absl::StatusOr<runtime::RingEndpoint> Read(schema::RingEndpoint::Reader wire);
void Write(const std::vector<Member>& members, capnp::List<schema::Member>::Builder wire);
absl::StatusOr<std::vector<Member>> Read(capnp::List<schema::Member>::Reader wire);
schema::Order::Purpose Write(RingPurpose purpose);
absl::StatusOr<RingPurpose> Read(schema::Order::Purpose wire);
template <typename Number>
void Write(const std::vector<Number>& numbers, typename capnp::List<Number>::Builder wire) {
  for (unsigned i = 0; i < wire.size(); ++i) wire.set(i, numbers[i]);
}
template <typename Number>
absl::StatusOr<std::vector<Number>> ReadNumbers(typename capnp::List<Number>::Reader wire,
                                                std::size_t most) {
  if (wire.size() > most) return absl::InvalidArgumentError("a list of numbers is too long");
  std::vector<Number> numbers;
  numbers.reserve(wire.size());
  for (const Number number : wire) numbers.push_back(number);
  return numbers;
}
void Write(const std::vector<float>& values, capnp::Data::Builder wire);
absl::StatusOr<std::vector<float>> ReadFloats(capnp::Data::Reader wire);

}  // namespace actors

#endif  // RONDO_ACTORS_MESSAGE_PARTS_H_
