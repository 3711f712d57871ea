#include "actors/training/text.h"

#include <absl/strings/str_cat.h>

#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "actors/training/data_file.h"
#include "runtime/base/error.h"
#include "runtime/base/hash.h"
#include "runtime/base/status.h"

namespace actors {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{256} << 20;
constexpr std::size_t kMostCharacters = 4096;  // Different ones: classes that a message may count.
constexpr char kHint[] = "give data.dir a file of UTF-8 text, or a folder with *.txt";

// The length of the sequence that begins with `byte`; 0: none does.
std::size_t SequenceLength(unsigned char byte) {
  if (byte < 0x80) return 1;
  if (byte >= 0xC2 && byte < 0xE0) return 2;
  if (byte >= 0xE0 && byte < 0xF0) return 3;
  return byte >= 0xF0 && byte < 0xF5 ? 4 : 0;
}

// The code point at the front of `text`, which it is taken off; 0xFFFFFFFF: there is none. Refuses
// what RFC 3629 does: longer forms than needed, surrogates, more than U+10FFFF.
std::uint32_t TakeCodePoint(std::string_view& text) {
  constexpr std::uint32_t kNone = 0xFFFFFFFF;
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const std::size_t length = SequenceLength(static_cast<unsigned char>(text[0]));
  if (length == 0 || length > text.size()) return kNone;
  std::uint32_t code = static_cast<unsigned char>(text[0]);
  if (length > 1) code &= 0x7Fu >> length;
  for (std::size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xC0) != 0x80) return kNone;
    code = code << 6 | (byte & 0x3F);
  }
  const bool surrogate = code >= 0xD800 && code < 0xE000;
  if (code < kLeast[length] || surrogate || code > 0x10FFFF) return kNone;
  text.remove_prefix(length);
  return code;
}

// Appends the code points of a file.
absl::Status AppendFile(const std::string& path, std::vector<std::uint32_t>& codes) {
  ASSIGN_OR_RETURN(const std::string contents, ReadDataFile(path, kMostBytes, kHint));
  if (codes.size() + contents.size() > kMostBytes) {
    return DataCorrupt(path, "byte 0", absl::StrCat("there are more than ", kMostBytes, " bytes"),
                       kHint);
  }
  std::string_view rest = contents;
  while (!rest.empty()) {
    const std::size_t offset = contents.size() - rest.size();
    const std::uint32_t code = TakeCodePoint(rest);
    if (code == 0xFFFFFFFF) {
      return DataCorrupt(path, absl::StrCat("byte ", offset), "this is no UTF-8", kHint);
    }
    codes.push_back(code);
  }
  return absl::OkStatus();
}

// Windows of a text; its numbers are places in the vocabulary.
class Windows final : public Samples {
 public:
  // From one window to the next it is `stride` characters.
  Windows(std::vector<std::uint16_t> text, std::size_t context, std::size_t stride)
      : text_(std::move(text)), context_(context), stride_(stride) {}

  // The character behind the last window is its last target.
  std::size_t size() const override {
    return text_.size() <= context_ ? 0 : (text_.size() - context_ - 1) / stride_ + 1;
  }
  std::uint32_t LabelOf(std::size_t sample) const override {
    return text_[sample * stride_ + context_];
  }
  void PutInput(std::size_t sample, float* input) const override {
    const std::uint16_t* const window = text_.data() + sample * stride_;
    for (std::size_t i = 0; i < context_; ++i) input[i] = window[i];
  }
  void PutTargets(std::size_t sample, std::int64_t* targets) const override {
    const std::uint16_t* const next = text_.data() + sample * stride_ + 1;
    for (std::size_t i = 0; i < context_; ++i) targets[i] = next[i];
  }
  std::uint64_t Fingerprint() const override {
    return runtime::HashBytes(text_.data(), text_.size() * sizeof(std::uint16_t));
  }

 private:
  const std::vector<std::uint16_t> text_;
  const std::size_t context_;
  const std::size_t stride_;
};

}  // namespace

absl::StatusOr<LabelledData> ReadText(const std::string& place, std::uint32_t context) {
  std::error_code ignored;
  std::vector<std::string> files = {place};
  if (std::filesystem::is_directory(place, ignored)) {
    ASSIGN_OR_RETURN(files, DataFilesIn(place, ".txt", kHint));
  }
  std::vector<std::uint32_t> codes;
  for (const std::string& file : files) RETURN_IF_ERROR(AppendFile(file, codes));

  // Of each code point whether it occurs, then its place in the vocabulary.
  std::vector<std::uint32_t> vocabulary(0x110000, 0);
  for (const std::uint32_t code : codes) vocabulary[code] = 1;
  std::uint32_t characters = 0;
  for (std::uint32_t& place_of : vocabulary) characters += std::exchange(place_of, characters);
  if (characters > kMostCharacters) {
    return DataCorrupt(
        place, "byte 0",
        absl::StrCat("there are ", characters, " different characters, more than the bound of ",
                     kMostCharacters),
        kHint);
  }
  std::vector<std::uint16_t> text;
  text.reserve(codes.size());
  for (const std::uint32_t code : codes) {
    text.push_back(static_cast<std::uint16_t>(vocabulary[code]));
  }
  const auto split = text.begin() + static_cast<std::ptrdiff_t>(text.size() - text.size() / 10);
  LabelledData data;
  data.shape.input = {1, 1, context};
  data.shape.classes = characters;
  data.shape.targets = context;
  data.train =
      std::make_shared<Windows>(std::vector<std::uint16_t>(text.begin(), split), context, 1);
  data.test =
      std::make_shared<Windows>(std::vector<std::uint16_t>(split, text.end()), context, context);
  if (data.test->size() > 0) return data;
  return runtime::MakeError(
      "DATA_TOO_SMALL", runtime::Exit::kUnreadable,
      absl::StrCat(place, " has ", text.size(), " characters, and a tenth of them, for the test, ",
                   "is no window of data.context = ", context, " and one more"),
      "give it more text, or take a smaller data.context");
}

}  // namespace actors
