#include "runtime/collective/ring_benchmark.h"

#include <absl/strings/str_cat.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <future>
#include <new>
#include <string>
#include <utility>

#include "runtime/base/random.h"
#include "runtime/base/require.h"
#include "runtime/base/status.h"

namespace runtime {
namespace {

constexpr Duration kPoll = std::chrono::milliseconds(100);

timespec ToTimespec(Duration duration) {
  const auto count = std::max<std::int64_t>(0, duration.count());
  return {.tv_sec = count / 1000000000, .tv_nsec = count % 1000000000};
}

// Sleeps while `word` holds `value`, at most `timeout`. Across processes.
void FutexWait(std::atomic<std::uint32_t>& word, std::uint32_t value, Duration timeout) {
  const timespec limit = ToTimespec(timeout);
  syscall(SYS_futex, &word, FUTEX_WAIT, value, &limit, nullptr, 0);
}

void FutexWakeAll(std::atomic<std::uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SharedBoard>> SharedBoard::Create(std::uint32_t processes,
                                                                 std::size_t rows) {
  REQUIRE(processes >= 1 && processes <= kMaxWorldSize);
  const std::size_t bytes = sizeof(Header) + rows * processes * sizeof(Duration);
  void* const memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return absl::ResourceExhaustedError(absl::StrCat("shared memory: ", std::strerror(errno)));
  }
  return std::unique_ptr<SharedBoard>(new SharedBoard(processes, memory, bytes));
}

SharedBoard::SharedBoard(std::uint32_t processes, void* memory, std::size_t bytes)
    : processes_(processes),
      bytes_(bytes),
      header_(new (memory) Header),
      times_(reinterpret_cast<Duration*>(header_ + 1)) {}

SharedBoard::~SharedBoard() { munmap(header_, bytes_); }

bool SharedBoard::Meet(Time deadline) {
  const std::uint32_t meeting = header_->meetings.load();
  if (header_->arrived.fetch_add(1) + 1 == processes_) {
    header_->arrived.store(0);
    header_->meetings.fetch_add(1);
    FutexWakeAll(header_->meetings);
    return true;
  }
  while (header_->meetings.load() == meeting) {
    const Duration left = deadline - std::chrono::steady_clock::now();
    if (left <= Duration(0)) return false;
    FutexWait(header_->meetings, meeting, left);
  }
  return true;
}

void SharedBoard::Write(std::uint32_t process, std::string_view text) {
  std::array<char, kTextBytes>& place = header_->texts[process];
  const std::size_t size = std::min(text.size(), place.size() - 1);
  std::memcpy(place.data(), text.data(), size);
  place[size] = '\0';
}

std::string_view SharedBoard::Read(std::uint32_t process) const {
  return header_->texts[process].data();
}

Duration& SharedBoard::At(std::size_t row, std::uint32_t process) {
  return times_[row * processes_ + process];
}

Duration SharedBoard::Slowest(std::size_t row) {
  return *std::max_element(&At(row, 0), &At(row, 0) + processes_);
}

absl::Status RunForked(std::uint32_t count, Time deadline,
                       absl::AnyInvocable<absl::Status(std::uint32_t)> work) {
  ASSIGN_OR_RETURN(const std::unique_ptr<SharedBoard> errors, SharedBoard::Create(count, 0));
  std::vector<pid_t> children;
  absl::Status failure;
  for (std::uint32_t i = 0; i < count && failure.ok(); ++i) {
    const pid_t child = fork();
    if (child < 0) {
      failure = absl::ResourceExhaustedError(absl::StrCat("fork: ", std::strerror(errno)));
    } else if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      const absl::Status status = work(i);
      if (!status.ok()) errors->Write(i, status.ToString());
      _exit(status.ok() ? 0 : 1);
    } else {
      children.push_back(child);
    }
  }
  // SIGCHLD stays blocked, so that sigtimedwait sees the end of each child.
  sigset_t signals, before;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  sigprocmask(SIG_BLOCK, &signals, &before);
  std::vector<pid_t> running = children;
  while (!running.empty()) {
    for (std::uint32_t i = 0; i < children.size(); ++i) {
      int status = 0;
      if (children[i] == 0 || waitpid(children[i], &status, WNOHANG) != children[i]) continue;
      std::erase(running, children[i]);
      children[i] = 0;
      if (failure.ok() && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
        failure = absl::InternalError(
            absl::StrCat("process ", i, " failed: ", std::string(errors->Read(i))));
      }
    }
    if (failure.ok() && std::chrono::steady_clock::now() > deadline) {
      failure = absl::DeadlineExceededError("the processes did not end in time");
    }
    if (!failure.ok()) {
      for (const pid_t child : running) kill(child, SIGKILL);
    }
    const timespec limit = ToTimespec(kPoll);
    if (!running.empty()) sigtimedwait(&signals, nullptr, &limit);
  }
  sigprocmask(SIG_SETMASK, &before, nullptr);
  return failure;
}

BenchmarkMember::BenchmarkMember(const RingBenchmarkOptions& options, std::uint32_t rank)
    : rank_(rank),
      options_(options.ring),
      transport_(options.transport),
      base_(options.elements, 1.0F),
      local_(options.elements),
      shadow_(options.elements) {
  for (std::size_t i = 0; i < local_.size(); ++i) {
    local_[i] = 1.0F + 1e-3F * static_cast<float>((i * 7 + rank * 13) % 1001);
  }
}

absl::StatusOr<std::unique_ptr<BenchmarkMember>> BenchmarkMember::Create(
    const RingBenchmarkOptions& options, std::uint32_t rank, SharedBoard& board, Time deadline) {
  std::unique_ptr<BenchmarkMember> member(new BenchmarkMember(options, rank));
  const NodeId node = RandomNodeId();
  ASSIGN_OR_RETURN(member->ring_, ZmqRing::Create({.node = node}));
  const RingEndpoint endpoint = member->ring_->endpoint();
  board.Write(rank, absl::StrCat(node.high, " ", node.low, " ", endpoint.tcp, " ", endpoint.ipc,
                                 " ", endpoint.host_key));
  if (!board.Meet(deadline)) return absl::DeadlineExceededError("a worker did not start");
  for (std::uint32_t i = 0; i < options.workers; ++i) {
    RingMember peer;
    const std::string text(board.Read(i));
    char tcp[SharedBoard::kTextBytes] = "", ipc[SharedBoard::kTextBytes] = "",
         key[SharedBoard::kTextBytes] = "";
    unsigned long long high = 0, low = 0;
    if (std::sscanf(text.c_str(), "%llu %llu %511s %511s %511s", &high, &low, tcp, ipc, key) < 3) {
      return absl::InternalError("a worker told no endpoint");
    }
    peer.node = {.high = high, .low = low};
    peer.endpoint = {.tcp = tcp, .ipc = ipc, .host_key = key};
    member->members_.push_back(peer);
  }
  return member;
}

absl::StatusOr<RingResult> BenchmarkMember::Run(Time deadline) {
  auto promise = std::make_shared<std::promise<absl::StatusOr<RingResult>>>();
  std::future<absl::StatusOr<RingResult>> future = promise->get_future();
  ring_->Start(
      {.fence = {.run = 1, .head_epoch = 1, .attempt = ++attempt_},
       .members = members_,
       .rank = rank_,
       .options = options_,
       .transport = transport_,
       .local = local_,
       .base = base_,
       .shadow = shadow_},
      [promise](absl::StatusOr<RingResult> result) { promise->set_value(std::move(result)); });
  if (future.wait_until(deadline) != std::future_status::ready) {
    return absl::DeadlineExceededError("a ring did not end in time");
  }
  return future.get();
}

absl::StatusOr<RingBenchmarkResult> RunRingBenchmark(const RingBenchmarkOptions& options) {
  if (options.workers < 1 || options.workers > kMaxWorldSize || options.elements < 1 ||
      options.repeats < 1) {
    return absl::InvalidArgumentError("workers, elements or repeats out of range");
  }
  const Time deadline = std::chrono::steady_clock::now() + options.timeout;
  const std::size_t rows = options.repeats;
  ASSIGN_OR_RETURN(const std::unique_ptr<SharedBoard> board,
                   SharedBoard::Create(options.workers, rows));
  const auto work = [&](std::uint32_t rank) -> absl::Status {
    ASSIGN_OR_RETURN(const std::unique_ptr<BenchmarkMember> member,
                     BenchmarkMember::Create(options, rank, *board, deadline));
    absl::StatusOr<RingResult> result;
    for (std::uint32_t i = 0; i < options.warm_ups + options.repeats; ++i) {
      if (!board->Meet(deadline)) return absl::DeadlineExceededError("a worker is missing");
      const Time start = std::chrono::steady_clock::now();
      result = member->Run(deadline);
      const Duration time = std::chrono::steady_clock::now() - start;
      if (!result.ok()) return result.status();
      if (i >= options.warm_ups) board->At(i - options.warm_ups, rank) = time;
    }
    if (!board->Meet(deadline)) return absl::DeadlineExceededError("a worker is missing");
    board->Write(rank, absl::StrCat(result->payload_bytes, " ", result->total_bytes, " ",
                                    result->root.ToString()));
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(RunForked(options.workers, deadline, work));

  RingBenchmarkResult summary;
  for (std::size_t row = 0; row < rows; ++row) summary.times.push_back(board->Slowest(row));
  std::sort(summary.times.begin(), summary.times.end());
  std::string first_root;
  for (std::uint32_t rank = 0; rank < options.workers; ++rank) {
    char root[64] = "";
    unsigned long long payload = 0, total = 0;
    const std::string text(board->Read(rank));
    std::sscanf(text.c_str(), "%llu %llu %63s", &payload, &total, root);
    if (rank == 0) {
      first_root = root;
      summary.payload_bytes = payload;
      summary.total_bytes = total;
    } else if (root != first_root) {
      return absl::DataLossError(absl::StrCat("rank ", rank, " ended with another result"));
    }
  }
  return summary;
}

}  // namespace runtime
