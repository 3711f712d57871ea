// The flags of one verb: declared, parsed, explained. The only file that sees CLI11 is its source.
//
// Every value arrives as text and is judged by our own functions, so that all refusals read alike.
#ifndef RONDO_APPS_RONDO_VERB_PARSER_H_
#define RONDO_APPS_RONDO_VERB_PARSER_H_

#include <absl/status/statusor.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "apps/rondo/options.h"

namespace CLI {
class App;
}

namespace apps {

class VerbParser {
 public:
  // `usage` is what stands behind "Usage: rondo VERB": "CONFIG [FLAGS]".
  VerbParser(const std::string& verb, const std::string& usage, const std::string& summary);
  ~VerbParser();

  // All pointers are borrowed until Parse returns, and keep their value if nothing is given.
  void Positional(const std::string& name, std::string* value, const std::string& help);
  // All that stand alone: at least one is not asked for here.
  void Positionals(const std::string& name, std::vector<std::string>* values,
                   const std::string& help);
  // `flag` may have a short form before it: "-o,--out".
  void Text(const std::string& flag, const std::string& type, std::string* value,
            const std::string& help);
  // May be given more than once.
  void Texts(const std::string& flag, const std::string& type, std::vector<std::string>* values,
             const std::string& help);
  void Switch(const std::string& flag, bool* value, const std::string& help);
  void AllowJsonl();
  // A flag that people expect and that is spelled otherwise: `hint` says how.
  // Of two for one flag the first counts.
  void Redirect(const std::string& flag, const std::string& hint);
  // Stands below the flags in the help.
  void Footer(const std::string& text);

  // True: help was asked for. Errors as in command_line.h.
  absl::StatusOr<bool> Parse(std::vector<std::string> arguments);
  std::string Help() const;
  // The command with `options`, or with the help if Parse said so.
  template <typename Options>
  Command Made(const Options& options) const {
    return Command{verb_, output(), options};
  }
  Command MadeHelp() const;

  // USAGE_MISSING_ARGUMENT for a positional that was not given.
  absl::Status Missing(const std::string& name, const std::string& hint) const;

 private:
  OutputOptions output() const;
  absl::Status CheckShape(const std::vector<std::string>& arguments) const;
  absl::Status RefuseExtras(const std::vector<std::string>& extras) const;
  absl::Status RefuseValue(const std::string& flag,
                           const std::vector<std::string>& arguments) const;

  const std::string verb_;
  std::unique_ptr<CLI::App> app_;
  std::vector<std::string> flags_;
  std::map<std::string, std::string*> texts_;  // Values of single flags, by flag.
  std::map<std::string, std::string> redirects_;
  bool json_ = false;
  bool jsonl_ = false;
  bool quiet_ = false;
  bool no_color_ = false;
};

}  // namespace apps

#endif  // RONDO_APPS_RONDO_VERB_PARSER_H_
