// Named places at which a fault test kills or stops this very process: what no signal from outside
// hits for sure.
//
//   RONDO_FAILPOINT="ring.store:40:kill:/tmp/once" rondo join ...
//
// kills the process when it comes to "ring.store" for the 40th time, unless the file is there,
// which it makes first: so a process that is started again lives. "stop" instead of "kill" stops
// it, as by SIGSTOP. "worker.step:1:delay:0.02" makes it slow: from the first time on it stays
// there for 0.02 s. Compiled out with -DRONDO_FAILPOINTS=OFF; without the variable it costs one
// test of a flag. Any thread.
#ifndef RONDO_RUNTIME_BASE_FAILPOINT_H_
#define RONDO_RUNTIME_BASE_FAILPOINT_H_

namespace runtime {

#ifdef RONDO_FAILPOINTS
void HitFailpoint(const char* name);
#else
inline void HitFailpoint(const char*) {}
#endif

}  // namespace runtime

#endif  // RONDO_RUNTIME_BASE_FAILPOINT_H_
