// Text to predict the next character of. A sample is a window of `context` characters, its targets
// are the characters one further on. The vocabulary is the characters (code points of UTF-8) that
// occur anywhere in the text, in their order; the first nine tenths of the text are for training.
// C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_TEXT_H_
#define RONDO_ACTORS_TRAINING_TEXT_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

#include "actors/training/samples.h"

namespace actors {

// Reads `place`: a file, or a folder, all of whose *.txt are read in the order of their names. Each
// place in the training part begins a sample; those of the test part are cut from it one behind the
// other, so that each of its characters is predicted once. Exit 8: DATA_NOT_FOUND; DATA_CORRUPT
// with file and byte (no UTF-8, more than 4,096 different characters, 256 MiB or more);
// DATA_TOO_SMALL.
absl::StatusOr<LabelledData> ReadText(const std::string& place, std::uint32_t context);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_TEXT_H_
