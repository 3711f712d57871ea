#include "actors/checkpoint.h"

#include <absl/strings/str_cat.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "actors/run_json.h"
#include "runtime/base/atomic_file.h"
#include "runtime/base/error.h"

namespace actors {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr char kFormat[] = "rondo-checkpoint-1";
constexpr std::size_t kLongestHeader = 4096;
constexpr std::uint64_t kMostFloats = 1ull << 33;

struct Header {
  std::string format;
  runtime::RoundId round{0};
  std::uint64_t step = 0;
  std::uint64_t layout_hash = 0;
  std::uint64_t floats = 0;
  runtime::Hash128 root;
};

template <typename Visitor>
void Visit(Visitor& visit, Header& header) {
  visit("format", header.format);
  visit("round", header.round);
  visit("step", header.step);
  visit("layout_hash", header.layout_hash);
  visit("floats", header.floats);
  visit("root", header.root);
}

absl::Status Unreadable(const std::string& path, const std::string& why) {
  return runtime::MakeError("CHECKPOINT_UNREADABLE", runtime::Exit::kUnreadable,
                            absl::StrCat("cannot go on from the checkpoint ", path, ": ", why),
                            "bring it back from a copy, or start the run anew");
}

}  // namespace

absl::Status SaveCheckpoint(const Checkpoint& checkpoint, const std::string& path) {
  const std::span<const float> floats = std::as_const(*checkpoint.floats).span();
  Header header{.format = kFormat,
                .round = checkpoint.round,
                .step = checkpoint.step,
                .layout_hash = checkpoint.layout_hash,
                .floats = floats.size(),
                .root = checkpoint.root};
  JsonWriter writer;
  Visit(writer, header);
  absl::Status written = runtime::ReplaceFile(
      path, {Line(writer.Take()),
             "\n",
             {reinterpret_cast<const char*>(floats.data()), floats.size_bytes()}});
  if (written.ok()) return written;
  return runtime::MakeError("CHECKPOINT_FAILED", runtime::Exit::kRunFailed,
                            std::string(written.message()), "free some space");
}

absl::StatusOr<Checkpoint> LoadCheckpoint(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file.is_open()) return Unreadable(path, std::strerror(errno));
  std::string line(kLongestHeader, '\0');
  file.getline(line.data(), static_cast<std::streamsize>(line.size()));
  if (!file.good()) return Unreadable(path, "it is no checkpoint");
  line.resize(std::strlen(line.c_str()));
  const Json json = ParseObject(line);
  Header header;
  JsonReader reader(json);
  if (!json.is_null()) Visit(reader, header);
  if (header.format != kFormat) {
    return Unreadable(path, absl::StrCat("its format is \"", header.format, "\", not ", kFormat));
  }
  if (!reader.status().ok()) return Unreadable(path, std::string(reader.status().message()));

  const std::streamoff begin = file.tellg();
  file.seekg(0, std::ios::end);
  const auto length = static_cast<std::uint64_t>(file.tellg() - begin);
  if (header.floats > kMostFloats || length != header.floats * sizeof(float)) {
    return Unreadable(path,
                      absl::StrCat("it holds ", length, " bytes of ", header.floats, " floats"));
  }
  file.seekg(begin);
  Checkpoint checkpoint{.round = header.round,
                        .step = header.step,
                        .layout_hash = header.layout_hash,
                        .root = header.root,
                        .floats = std::make_shared<runtime::AlignedBuffer>(header.floats)};
  const std::span<float> floats = checkpoint.floats->span();
  file.read(reinterpret_cast<char*>(floats.data()), static_cast<std::streamsize>(length));
  if (!file.good() || runtime::RootOf(header.layout_hash, floats) != header.root) {
    return Unreadable(path, "its bytes are not those that were written");
  }
  return checkpoint;
}

}  // namespace actors
