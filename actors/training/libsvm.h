// The sparse text format of LIBSVM: a line a sample, "label index:value index:value ...", indices
// from 1 and rising, what is not there 0. Blanks may end a line, empty lines count as none. Rows
// stay sparse in memory; a batch is dense. C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_LIBSVM_H_
#define RONDO_ACTORS_TRAINING_LIBSVM_H_

#include <absl/status/statusor.h>

#include <string>

#include "actors/training/samples.h"

namespace actors {

// Reads `place`: a file, beside which the test samples lie in a file with ".t" at the end of its
// name, as LIBSVM's own page has them; or a folder that holds them as train.svm and test.svm, or as
// train and test. A label is an integer; the classes are those that the training file has, in their
// order (-1 and 1: 0 and 1), and there are as many features as the largest index of both files.
// Exit 8: DATA_NOT_FOUND; DATA_CORRUPT with file and line.
absl::StatusOr<LabelledData> ReadLibsvm(const std::string& place);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_LIBSVM_H_
