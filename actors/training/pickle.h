// The part of Python's pickle that torch.save writes for a dict of tensors: texts, numbers, tuples,
// dicts, names of classes, and references to storages. Nothing is called and no class is made, so
// that a file can do no more than be refused; what it says is data. C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_PICKLE_H_
#define RONDO_ACTORS_TRAINING_PICKLE_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace actors {

struct PickleValue;
using PicklePointer = std::shared_ptr<const PickleValue>;

struct PickleValue {
  enum class Kind {
    kNone,
    kInteger,    // Or a truth value.
    kText,       // Or the name of a class: "torch FloatStorage".
    kSequence,   // A tuple or a list.
    kDict,       // Keys and values, in turns.
    kReference,  // A persistent id, as its one item.
    kCall,       // What would be called, and its arguments: two items.
  };
  Kind kind = Kind::kNone;
  std::int64_t integer = 0;
  std::string text;
  std::vector<PicklePointer> items;
};

inline constexpr std::size_t kMostPickleBytes = 4096;

// The value that `bytes`, at most kMostPickleBytes, hold. kInvalidArgument: "byte 12: ...".
absl::StatusOr<PicklePointer> ReadPickle(std::string_view bytes);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_PICKLE_H_
