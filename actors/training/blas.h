// The matrix library beneath torch. C++17-clean, without torch.
#ifndef RONDO_ACTORS_TRAINING_BLAS_H_
#define RONDO_ACTORS_TRAINING_BLAS_H_

#include <string>

namespace actors {

// Limits OpenBLAS, if that is what is loaded, to one thread in this process: its threads would spin
// against torch's and make a step 4 to 50 times slower. (OPENBLAS_NUM_THREADS=1 in the environment
// does the same before start.) Returns a warning for the log if the BLAS at hand is the slow
// reference one, else an empty text.
std::string LimitBlasThreads();

}  // namespace actors

#endif  // RONDO_ACTORS_TRAINING_BLAS_H_
