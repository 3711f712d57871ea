#include "actors/training/pickle.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <map>
#include <utility>

#include "runtime/base/status.h"

namespace actors {
namespace {

using Kind = PickleValue::Kind;

// The pickle machine: a stack, marks on it, and a memo. (PROTO 2, pickletools.dis shows programs.)
class Machine {
 public:
  explicit Machine(std::string_view bytes) : all_(bytes), rest_(bytes) {}

  absl::StatusOr<PicklePointer> Run() {
    while (!rest_.empty()) {
      at_ = all_.size() - rest_.size();
      const auto code = static_cast<unsigned char>(rest_[0]);
      rest_.remove_prefix(1);
      if (code == '.') {
        if (stack_.size() != 1 || !marks_.empty()) return Refuse("it ends in disorder");
        return stack_.back();
      }
      RETURN_IF_ERROR(Obey(code));
    }
    at_ = all_.size();
    return Refuse("the pickle is cut off");
  }

 private:
  absl::Status Refuse(const std::string& why) const {
    return absl::InvalidArgumentError(absl::StrCat("byte ", at_, ": ", why));
  }

  absl::Status Obey(unsigned char code) {
    switch (code) {
      case 0x80: return Number(1).status();  // PROTO
      case '(': marks_.push_back(stack_.size()); return absl::OkStatus();
      case 'N': return Push(Make(Kind::kNone));
      case 0x88: return PushInteger(1);  // NEWTRUE
      case 0x89: return PushInteger(0);  // NEWFALSE
      case 'K': return PushNumber(1);
      case 'M': return PushNumber(2);
      case 'J': return PushNumber(4);
      case 0x8A: return PushLong();
      case 'X': return PushText();
      case 'c': return PushName();
      case '}': return Push(Make(Kind::kDict));
      case ']':
      case ')': return Push(Make(Kind::kSequence));
      case 't': return Gather(Kind::kSequence);
      case 0x85:
      case 0x86:
      case 0x87: return Tuple(code - 0x84u);
      case 'q': return Note(1);
      case 'r': return Note(4);
      case 'h': return Recall(1);
      case 'j': return Recall(4);
      case 'Q': return Wrap(Kind::kReference, 1);
      case 'R': return Wrap(Kind::kCall, 2);
      case 's': return Extend(Kind::kDict, /*count=*/2);
      case 'u': return ExtendFromMark(Kind::kDict);
      case 'a': return Extend(Kind::kSequence, 1);
      case 'e': return ExtendFromMark(Kind::kSequence);
      default:
        return Refuse(absl::StrFormat("0x%02x is no instruction of a dict of tensors", code));
    }
  }

  static std::shared_ptr<PickleValue> Make(Kind kind) {
    auto value = std::make_shared<PickleValue>();
    value->kind = kind;
    return value;
  }

  absl::Status Push(PicklePointer value) {
    stack_.push_back(std::move(value));
    return absl::OkStatus();
  }

  absl::Status PushInteger(std::int64_t number) {
    const std::shared_ptr<PickleValue> value = Make(Kind::kInteger);
    value->integer = number;
    return Push(value);
  }

  absl::StatusOr<std::string_view> Take(std::uint64_t count) {
    if (count > rest_.size()) return Refuse("the pickle is cut off");
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  // Little-endian, without a sign.
  absl::StatusOr<std::uint64_t> Number(std::size_t bytes) {
    ASSIGN_OR_RETURN(const std::string_view taken, Take(bytes));
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
      number |= std::uint64_t{static_cast<unsigned char>(taken[i])} << (8 * i);
    }
    return number;
  }

  absl::Status PushNumber(std::size_t bytes) {
    ASSIGN_OR_RETURN(const std::uint64_t number, Number(bytes));
    // Four bytes have a sign.
    return PushInteger(bytes == 4 ? static_cast<std::int32_t>(number)
                                  : static_cast<std::int64_t>(number));
  }

  absl::Status PushLong() {
    ASSIGN_OR_RETURN(const std::uint64_t bytes, Number(1));
    if (bytes == 0 || bytes > 8) return Refuse("a number of more than 64 bits");
    ASSIGN_OR_RETURN(const std::uint64_t number, Number(bytes));
    const unsigned unused = 64 - 8 * static_cast<unsigned>(bytes);
    return PushInteger(static_cast<std::int64_t>(number << unused) >> unused);
  }

  absl::Status PushText() {
    ASSIGN_OR_RETURN(const std::uint64_t bytes, Number(4));
    ASSIGN_OR_RETURN(const std::string_view text, Take(bytes));
    const std::shared_ptr<PickleValue> value = Make(Kind::kText);
    value->text = std::string(text);
    return Push(value);
  }

  // Module and class, each a line.
  absl::Status PushName() {
    const std::shared_ptr<PickleValue> value = Make(Kind::kText);
    for (int line = 0; line < 2; ++line) {
      const std::size_t end = rest_.find('\n');
      if (end == std::string_view::npos) return Refuse("a name is cut off");
      absl::StrAppend(&value->text, line == 0 ? "" : " ", std::string(rest_.substr(0, end)));
      rest_.remove_prefix(end + 1);
    }
    return Push(value);
  }

  // The last `count` values, off the stack; no mark may lie among them.
  absl::StatusOr<std::vector<PicklePointer>> Pop(std::size_t count) {
    const std::size_t floor = marks_.empty() ? 0 : marks_.back();
    if (stack_.size() < floor + count) return Refuse("a value is missing");
    std::vector<PicklePointer> values(stack_.end() - static_cast<std::ptrdiff_t>(count),
                                      stack_.end());
    stack_.resize(stack_.size() - count);
    return values;
  }

  absl::StatusOr<std::vector<PicklePointer>> PopToMark() {
    if (marks_.empty()) return Refuse("a mark is missing");
    ASSIGN_OR_RETURN(std::vector<PicklePointer> values, Pop(stack_.size() - marks_.back()));
    marks_.pop_back();
    return values;
  }

  absl::Status Gather(Kind kind) {
    const std::shared_ptr<PickleValue> value = Make(kind);
    ASSIGN_OR_RETURN(value->items, PopToMark());
    return Push(value);
  }

  absl::Status Tuple(std::size_t count) { return Wrap(Kind::kSequence, count); }

  absl::Status Wrap(Kind kind, std::size_t count) {
    const std::shared_ptr<PickleValue> value = Make(kind);
    ASSIGN_OR_RETURN(value->items, Pop(count));
    return Push(value);
  }

  // A copy with `more` in the place of the value on top: what the memo holds stays what it was. (So
  // no value can hold itself.)
  absl::Status ExtendTop(Kind kind, const std::vector<PicklePointer>& more) {
    ASSIGN_OR_RETURN(const std::vector<PicklePointer> top, Pop(1));
    if (top[0]->kind != kind) return Refuse("this is nothing that can hold values");
    if (kind == Kind::kDict && more.size() % 2 != 0) return Refuse("a key has no value");
    const auto extended = std::make_shared<PickleValue>(*top[0]);
    extended->items.insert(extended->items.end(), more.begin(), more.end());
    return Push(extended);
  }

  absl::Status Extend(Kind kind, std::size_t count) {
    ASSIGN_OR_RETURN(const std::vector<PicklePointer> more, Pop(count));
    return ExtendTop(kind, more);
  }

  absl::Status ExtendFromMark(Kind kind) {
    ASSIGN_OR_RETURN(const std::vector<PicklePointer> more, PopToMark());
    return ExtendTop(kind, more);
  }

  absl::Status Note(std::size_t bytes) {
    ASSIGN_OR_RETURN(const std::uint64_t place, Number(bytes));
    if (stack_.empty()) return Refuse("a value is missing");
    memo_[place] = stack_.back();
    return absl::OkStatus();
  }

  absl::Status Recall(std::size_t bytes) {
    ASSIGN_OR_RETURN(const std::uint64_t place, Number(bytes));
    const auto found = memo_.find(place);
    if (found == memo_.end()) return Refuse("the memo has no such value");
    return Push(found->second);
  }

  const std::string_view all_;
  std::string_view rest_;
  std::size_t at_ = 0;  // Of the instruction in hand.
  std::vector<PicklePointer> stack_;
  std::vector<std::size_t> marks_;
  std::map<std::uint64_t, PicklePointer> memo_;
};

}  // namespace

absl::StatusOr<PicklePointer> ReadPickle(std::string_view bytes) {
  // Values hold values: the depth to which that can go is bounded by the bytes.
  if (bytes.size() > kMostPickleBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "byte 0: a pickle of ", bytes.size(), " bytes, more than the bound of ", kMostPickleBytes));
  }
  return Machine(bytes).Run();
}

}  // namespace actors
