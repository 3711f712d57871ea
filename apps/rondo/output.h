// What the command line prints: human text, or JSON that keeps its shape (README, "Output").
//
// Results go to stdout, progress and notes to stderr. A reader that went away (EPIPE) is no error:
// what was to be printed is dropped and the verb goes on. Main thread only.
#ifndef RONDO_APPS_RONDO_OUTPUT_H_
#define RONDO_APPS_RONDO_OUTPUT_H_

#include <absl/status/status.h>

#include <cstdio>
#include <string>

namespace apps {

enum class OutputFormat {
  kHuman,
  kJson,   // One object at the end, nothing else on stdout.
  kJsonl,  // One event a line; the last has "terminal":true.
};

struct OutputOptions {
  OutputFormat format = OutputFormat::kHuman;
  bool quiet = false;     // No progress and no notes.
  bool no_color = false;  // Also by the environment: NO_COLOR, TERM=dumb.
};

// {"schema":1,"ok":true,"verb":VERB,"data":DATA}, where `data_json` is a JSON value.
std::string SuccessEnvelope(const std::string& verb, const std::string& data_json);
// {"schema":1,"ok":false,"verb":VERB,"code":...,"exit":...,"message":...,"hint":...}. `status` must
// not be OK; `verb` may be empty.
// `data_json`, if any, is what is known all the same: {...,"data":DATA}.
std::string ErrorEnvelope(const std::string& verb, const absl::Status& status,
                          const std::string& data_json = "");
// "error[CODE]: message\n  hint: ...\n".
std::string HumanError(const absl::Status& status, bool color);

class Output {
 public:
  // The files are borrowed.
  Output(const OutputOptions& options, std::FILE* out, std::FILE* err);

  OutputFormat format() const { return options_.format; }
  bool is_quiet() const { return options_.quiet; }
  // Whether `err` is a terminal that understands control codes.
  bool is_terminal() const { return is_terminal_; }

  // Human text that takes the place of what was shown before, where stdout is a terminal.
  void Screen(const std::string& text);
  // Human text for stdout, without its last end of line; nothing under --json and --jsonl.
  void Text(const std::string& text);
  // A note for stderr; nothing when quiet.
  void Note(const std::string& text);
  // Bytes for stderr as they stand: the live line.
  void Raw(const std::string& bytes);
  // One line of --jsonl; nothing otherwise.
  void Event(const std::string& json);
  // The envelope of --json; nothing otherwise.
  void Data(const std::string& verb, const std::string& data_json);

  // Prints the error where the format wants it and returns the exit code of `status`.
  int Fail(const std::string& verb, const absl::Status& status, const std::string& data_json = "");
  // Writes out what is buffered. kUnavailable: stdout did not take it, as on a full disk.
  absl::Status Flush();

 private:
  void Write(std::FILE* file, const std::string& text);

  const OutputOptions options_;
  std::FILE* const out_;
  std::FILE* const err_;
  bool is_terminal_ = false;
  bool color_ = false;
  int out_error_ = 0;  // errno of the first write to stdout that failed.
};

}  // namespace apps

#endif  // RONDO_APPS_RONDO_OUTPUT_H_
