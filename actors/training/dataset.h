// Labelled images: where they come from and what they are. Kept as bytes; a batch is converted when
// it is used. C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_DATASET_H_
#define RONDO_ACTORS_TRAINING_DATASET_H_

#include <absl/status/statusor.h>
#include <absl/types/span.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/training/image_shape.h"
#include "actors/training/training_options.h"

namespace actors {

// The sources but cifar10 are grey images of this size.
inline constexpr std::uint32_t kImageRows = 28;
inline constexpr std::uint32_t kImageColumns = 28;
inline constexpr std::uint32_t kImagePixels = kImageRows * kImageColumns;
inline constexpr ImageShape kCifar10Shape{3, 32, 32};
inline constexpr std::uint32_t kImageClasses = 10;  // Of every source.

// Of the images of a source; none of one whose files say it.
std::optional<ImageShape> ShapeOf(const std::string& source);

struct ImageSet {
  // size() * shape.pixels(); channel after channel, row after row, 0 = background or black.
  std::vector<std::uint8_t> pixels;
  std::vector<std::uint8_t> labels;  // Below kImageClasses.
  ImageShape shape;

  std::size_t size() const { return labels.size(); }
  const std::uint8_t* image(std::size_t sample) const {
    return pixels.data() + sample * shape.pixels();
  }
};

struct Dataset {
  ImageSet train;
  ImageSet test;
};

// XXH3 over pixels and labels: members of a run compare it.
std::uint64_t Fingerprint(const ImageSet& images);

// Loads or draws the set that `options` names. Errors that a user sees, with exit code 8
// (kUnreadable): DATA_NOT_FOUND with what gets the set, DATA_CORRUPT with file and
// offset. The directory is looked up as given, then under $RONDO_DATA, then in ./data.
//
// With options.own it is $RONDO_DATA/dir and nothing else, lest a node train on what it did not
// mean to give; the errors name the node and say how it is given a folder.
absl::StatusOr<std::shared_ptr<const Dataset>> LoadDataset(const DataOptions& options);

// A batch must fit into a worker's part of its node's own data: DATA_TOO_SMALL, exit 8.
absl::Status CheckOwnPart(const DataOptions& options, std::size_t samples, std::uint32_t batch);

// What holds the files of options.source, for all members: a directory, or of "text" and "libsvm" a
// file. As LoadDataset looks it up; DATA_NOT_FOUND.
absl::StatusOr<std::string> FindData(const DataOptions& options);

// Reads the four IDX files (train-images-idx3-ubyte and so on, with or without .gz) of `directory`.
absl::StatusOr<Dataset> ReadIdxDataset(const std::string& directory);

// Reads the files of CIFAR-10's binary version that `directory` holds: of data_batch_*.bin one at
// least, of test_batch*.bin too, each of any number of samples, in the order of their names.
absl::StatusOr<Dataset> ReadCifar10Dataset(const std::string& directory);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_DATASET_H_
