// What this machine calls itself: the default name of `rondo join` and of what `rondo leave` takes
// out.
#ifndef RONDO_APPS_RONDO_HOST_NAME_H_
#define RONDO_APPS_RONDO_HOST_NAME_H_

#include <unistd.h>

#include <string>

namespace apps {

inline std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "machine";
}

}  // namespace apps

#endif  // RONDO_APPS_RONDO_HOST_NAME_H_
