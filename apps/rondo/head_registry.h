// Which heads this user has started on this machine, so that verbs find one without an address.
//
// One file per head in $XDG_RUNTIME_DIR/rondo-heads, else /tmp/rondo-heads-UID, named by the pid
// and holding the address. A file whose process is gone is removed by whoever looks.
#ifndef RONDO_APPS_RONDO_HEAD_REGISTRY_H_
#define RONDO_APPS_RONDO_HEAD_REGISTRY_H_

#include <absl/status/statusor.h>

#include <optional>
#include <string>

namespace apps {

// While it lives, this process' head can be found. A folder that cannot be written is no error: the
// head is then found by its address alone.
class HeadRegistration {
 public:
  explicit HeadRegistration(const std::string& address);
  ~HeadRegistration();
  HeadRegistration(const HeadRegistration&) = delete;
  HeadRegistration& operator=(const HeadRegistration&) = delete;

 private:
  const std::string path_;
};

// `chosen`, or the newest head that runs. NO_HEAD, exit 3.
absl::StatusOr<std::string> ChooseHead(const std::optional<std::string>& chosen);

}  // namespace apps

#endif  // RONDO_APPS_RONDO_HEAD_REGISTRY_H_
