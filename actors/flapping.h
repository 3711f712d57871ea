// Nodes that come and are lost, again and again: a machine out of memory, a link that breaks. Each
// time costs the others a view, a transfer and the wait for a detection, so that after the third
// time in a row the next one under the same name is taken later, after 1, 2, 4 ... 60 s
// (protocol.md 9). Pure.
#ifndef RONDO_ACTORS_FLAPPING_H_
#define RONDO_ACTORS_FLAPPING_H_

#include <chrono>
#include <cstddef>
#include <map>
#include <string>

#include "runtime/base/clock.h"

namespace actors {

class Flapping {
 public:
  // Who stayed that long did not flap, whatever becomes of it then.
  static constexpr runtime::Duration kSteady = std::chrono::seconds(60);
  static constexpr int kFree = 3;
  static constexpr runtime::Duration kLongestHold = std::chrono::seconds(60);
  // A name of which nothing was heard for so long is forgotten.
  static constexpr runtime::Duration kMemory = std::chrono::minutes(10);
  static constexpr std::size_t kMostNames = 1024;

  // Of a node that was lost without having been asked to leave.
  void OnLost(const std::string& name, runtime::Duration stayed, runtime::Time now);
  // It left in order: what was is forgiven.
  void OnLeft(const std::string& name) { books_.erase(name); }
  // How long a node of that name, which comes now, has to wait; 0 for most.
  runtime::Duration HoldOf(const std::string& name, runtime::Time now) const;
  // How often it was lost in a row.
  int LossesOf(const std::string& name) const;

 private:
  struct Book {
    int losses = 0;
    runtime::Time last{};
  };
  std::map<std::string, Book> books_;
};

}  // namespace actors

#endif  // RONDO_ACTORS_FLAPPING_H_
