#include "actors/training/torch_file.h"

#include <absl/strings/str_cat.h>
#include <zlib.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "actors/training/pickle.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

using Kind = PickleValue::Kind;

absl::Status Refuse(std::uint64_t offset, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("byte ", offset, ": ", why));
}

// Little-endian; REQUIREs that the bytes are there.
std::uint32_t NumberAt(std::string_view bytes, std::size_t offset, std::size_t count) {
  REQUIRE(offset + count <= bytes.size());
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < count; ++i) {
    number |= std::uint32_t{static_cast<unsigned char>(bytes[offset + i])} << (8 * i);
  }
  return number;
}

// ------------------------------------------------------------------------------- the archive ----

struct Entry {
  std::size_t offset = 0;  // Of its bytes in the file.
  std::string_view bytes;
};
using Entries = std::map<std::string, Entry>;

constexpr std::uint32_t kEndMark = 0x06054b50;
constexpr std::uint32_t kDirectoryMark = 0x02014b50;
constexpr std::uint32_t kEntryMark = 0x04034b50;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kDirectoryBytes = 46;
constexpr std::size_t kEntryBytes = 30;

// The end of the directory stands last, before a comment of up to 65,535 bytes.
std::optional<std::size_t> FindEnd(std::string_view file) {
  if (file.size() < kEndBytes) return std::nullopt;
  const std::size_t last = file.size() - kEndBytes;
  const std::size_t first = last > 65535 ? last - 65535 : 0;
  for (std::size_t offset = last + 1; offset-- > first;) {
    if (NumberAt(file, offset, 4) == kEndMark) return offset;
  }
  return std::nullopt;
}

// The bytes of an entry, whose line in the directory is at `line`.
absl::StatusOr<Entry> EntryOf(std::string_view file, std::size_t line) {
  const std::size_t header = NumberAt(file, line + 42, 4);
  const std::size_t size = NumberAt(file, line + 24, 4);
  if (NumberAt(file, line + 10, 2) != 0 || NumberAt(file, line + 20, 4) != size) {
    return Refuse(line, "an entry is compressed, which torch.save does not do");
  }
  if (header + kEntryBytes > file.size() || NumberAt(file, header, 4) != kEntryMark) {
    return Refuse(line, absl::StrCat("no entry begins at byte ", header, ", where it should"));
  }
  Entry entry;
  entry.offset =
      header + kEntryBytes + NumberAt(file, header + 26, 2) + NumberAt(file, header + 28, 2);
  if (entry.offset > file.size() || size > file.size() - entry.offset) {
    return Refuse(line, absl::StrCat("an entry of ", size, " bytes at byte ", entry.offset,
                                     " does not fit into the file"));
  }
  entry.bytes = file.substr(entry.offset, size);
  const auto sum = crc32_z(0, reinterpret_cast<const unsigned char*>(entry.bytes.data()), size);
  if (sum != NumberAt(file, line + 16, 4)) {
    return Refuse(entry.offset, "the bytes do not have their checksum");
  }
  return entry;
}

absl::StatusOr<Entries> ReadArchive(std::string_view file) {
  const std::optional<std::size_t> end = FindEnd(file);
  if (!end.has_value()) {
    return Refuse(0, "this is no ZIP archive, as torch.save writes one; or it was cut off");
  }
  Entries entries;
  std::size_t line = NumberAt(file, *end + 16, 4);
  for (std::uint32_t left = NumberAt(file, *end + 10, 2); left > 0; --left) {
    if (line + kDirectoryBytes > *end || NumberAt(file, line, 4) != kDirectoryMark) {
      return Refuse(std::min(line, file.size()), "the archive's directory is broken");
    }
    const std::size_t name_bytes = NumberAt(file, line + 28, 2);
    const std::size_t next = line + kDirectoryBytes + name_bytes + NumberAt(file, line + 30, 2) +
                             NumberAt(file, line + 32, 2);
    if (next > *end) return Refuse(line, "the archive's directory is broken");
    ASSIGN_OR_RETURN(entries[std::string(file.substr(line + kDirectoryBytes, name_bytes))],
                     EntryOf(file, line));
    line = next;
  }
  return entries;
}

// ------------------------------------------------------------------------------- the tensors ----

struct TypeName {
  const char* storage;
  ElementType type;
};
constexpr TypeName kTypes[] = {
    {"torch FloatStorage", ElementType::kFloat32}, {"torch ByteStorage", ElementType::kUint8},
    {"torch CharStorage", ElementType::kInt8},     {"torch ShortStorage", ElementType::kInt16},
    {"torch IntStorage", ElementType::kInt32},     {"torch LongStorage", ElementType::kInt64}};

bool IsText(const PicklePointer& value) { return value->kind == Kind::kText; }
bool IsSequence(const PicklePointer& value) { return value->kind == Kind::kSequence; }

// Of a tensor _rebuild_tensor_v2(storage, offset, sizes, strides, ...), where storage is a
// reference to ("storage", type, key, device, elements).
class TensorReader {
 public:
  TensorReader(const Entries& entries, const std::string& folder, const Entry& pickle)
      : entries_(entries), folder_(folder), pickle_(pickle) {}

  absl::StatusOr<FileTensor> Read(const std::string& key, const PickleValue& call) const {
    const auto refuse = [&](const std::string& why) {
      return Refuse(pickle_.offset, absl::StrCat("\"", key, "\" ", why));
    };
    const bool called = call.kind == Kind::kCall && IsText(call.items[0]) &&
                        call.items[0]->text == "torch._utils _rebuild_tensor_v2";
    if (!called || !IsSequence(call.items[1]) || call.items[1]->items.size() < 4) {
      return refuse("is no tensor");
    }
    const std::vector<PicklePointer>& arguments = call.items[1]->items;
    const bool referred = arguments[0]->kind == Kind::kReference &&
                          IsSequence(arguments[0]->items[0]) &&
                          arguments[0]->items[0]->items.size() == 5;
    if (!referred || arguments[1]->kind != Kind::kInteger) return refuse("is no tensor");
    FileTensor tensor;
    const std::vector<PicklePointer>& storage = arguments[0]->items[0]->items;
    const auto* const type =
        std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeName& name) {
          return IsText(storage[1]) && storage[1]->text == name.storage;
        });
    if (type == std::end(kTypes)) {
      return refuse("has elements of type " + storage[1]->text + ", and not float32, or integers");
    }
    tensor.type = type->type;
    const auto entry = entries_.find(folder_ + "/data/" + storage[2]->text);
    if (!IsText(storage[2]) || entry == entries_.end()) {
      return refuse("has no bytes in the archive");
    }
    const absl::StatusOr<std::uint64_t> elements = Elements(*arguments[2], *arguments[3], tensor);
    if (!elements.ok()) return refuse(std::string(elements.status().message()));
    const std::uint64_t there = entry->second.bytes.size() / SizeOf(tensor.type);
    const std::int64_t begin = arguments[1]->integer;
    if (begin < 0 || static_cast<std::uint64_t>(begin) > there ||
        *elements > there - static_cast<std::uint64_t>(begin)) {
      return Refuse(entry->second.offset,
                    absl::StrCat("\"", key, "\" should have ", *elements, " elements from ", begin,
                                 " on, but ", there, " are here"));
    }
    const std::size_t skip = static_cast<std::size_t>(begin) * SizeOf(tensor.type);
    tensor.offset = entry->second.offset + skip;
    tensor.bytes = entry->second.bytes.substr(skip, *elements * SizeOf(tensor.type));
    return tensor;
  }

 private:
  // Sets the sizes; returns their product.
  static absl::StatusOr<std::uint64_t> Elements(const PickleValue& sizes,
                                                const PickleValue& strides, FileTensor& tensor) {
    constexpr std::int64_t kMost = std::int64_t{1} << 40;
    const bool sound = sizes.kind == Kind::kSequence && strides.kind == Kind::kSequence &&
                       sizes.items.size() == strides.items.size();
    if (!sound) return absl::InvalidArgumentError("has no shape");
    std::int64_t elements = 1;
    for (std::size_t i = sizes.items.size(); i-- > 0;) {
      const PickleValue& size = *sizes.items[i];
      if (size.kind != Kind::kInteger || size.integer < 1 || size.integer > kMost / elements) {
        return absl::InvalidArgumentError("is empty, or has a size that cannot be");
      }
      if (size.integer > 1 && strides.items[i]->integer != elements) {
        return absl::InvalidArgumentError("is not contiguous: save tensor.contiguous()");
      }
      elements *= size.integer;
      tensor.sizes.insert(tensor.sizes.begin(), size.integer);
    }
    return static_cast<std::uint64_t>(elements);
  }

  const Entries& entries_;
  const std::string& folder_;
  const Entry& pickle_;
};

}  // namespace

std::size_t SizeOf(ElementType type) {
  switch (type) {
    case ElementType::kUint8:
    case ElementType::kInt8: return 1;
    case ElementType::kInt16: return 2;
    case ElementType::kFloat32:
    case ElementType::kInt32: return 4;
    case ElementType::kInt64: return 8;
  }
  REQUIRE(false);
}

absl::StatusOr<std::map<std::string, FileTensor>> ReadTorchFile(std::string_view contents) {
  constexpr std::string_view kPickle = "/data.pkl";
  ASSIGN_OR_RETURN(const Entries entries, ReadArchive(contents));
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const auto& entry) {
    const std::string& name = entry.first;
    return name.size() > kPickle.size() &&
           name.compare(name.size() - kPickle.size(), kPickle.size(), kPickle) == 0;
  });
  if (found == entries.end()) return Refuse(0, "the archive holds no data.pkl");
  const Entry& pickle = found->second;
  const std::string folder = found->first.substr(0, found->first.size() - kPickle.size());
  const absl::StatusOr<PicklePointer> root = ReadPickle(pickle.bytes);
  if (!root.ok()) {
    return Refuse(pickle.offset,
                  absl::StrCat("in data.pkl, ", std::string(root.status().message())));
  }
  if ((*root)->kind != Kind::kDict) return Refuse(pickle.offset, "this is no dict of tensors");
  std::map<std::string, FileTensor> tensors;
  const TensorReader reader(entries, folder, pickle);
  for (std::size_t i = 0; i + 1 < (*root)->items.size(); i += 2) {
    const PickleValue& key = *(*root)->items[i];
    if (key.kind != Kind::kText) return Refuse(pickle.offset, "a key of the dict is no text");
    ASSIGN_OR_RETURN(tensors[key.text], reader.Read(key.text, *(*root)->items[i + 1]));
  }
  return tensors;
}

}  // namespace actors
