// Reads what Python's torch.save({"inputs": tensor, ...}, path) writes, without torch: a ZIP
// archive with a pickle that names the tensors and one entry for the bytes of each. C++17-clean.
#ifndef RONDO_ACTORS_TRAINING_TORCH_FILE_H_
#define RONDO_ACTORS_TRAINING_TORCH_FILE_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace actors {

enum class ElementType { kFloat32, kUint8, kInt8, kInt16, kInt32, kInt64 };
std::size_t SizeOf(ElementType type);

// Contiguous, row by row, little-endian.
struct FileTensor {
  ElementType type = ElementType::kFloat32;
  std::vector<std::int64_t> sizes;
  std::size_t offset = 0;  // Of its first byte in the file.
  std::string_view bytes;  // Of the file's contents.

  std::uint64_t elements() const { return bytes.size() / SizeOf(type); }
};

// By its key. `contents` are the whole file, which the tensors look into. kInvalidArgument: "byte
// 12: ..."; what the file says of sizes and places was checked.
absl::StatusOr<std::map<std::string, FileTensor>> ReadTorchFile(std::string_view contents);

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_TORCH_FILE_H_
