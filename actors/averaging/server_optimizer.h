// How the mean of a round becomes the next model (FedOpt, arXiv 2003.00295, algorithm 2; DiLoCo,
// arXiv 2311.08105): an optimizer takes one step from the base, with base - mean in place of a
// gradient. Pure.
//
// Every worker takes it for itself, between the ring and DONE, on the same bytes; the roots in DONE
// show that they came to the same bits. So it is + - * / and sqrt on floats alone, which IEEE 754
// rounds exactly, in the order in which it stands here (-ffp-contract=off).
// training/flat_optimizer.h has the same formulas for one worker's steps, where speed counts and
// the last bit does not.
//
// What it remembers is part of the committed state, which is one vector:
//   [model, n floats | first slot, n | second slot, n | rounds, 1 float]
// of which sgd without momentum has the model alone, with momentum one slot (the velocity), adagrad
// one (the sum of squares), adam and adamw two (the moments) and the count of rounds. It travels to
// newcomers and into checkpoints with the model, and a round that is given up leaves it as it was.
#ifndef RONDO_ACTORS_AVERAGING_SERVER_OPTIMIZER_H_
#define RONDO_ACTORS_AVERAGING_SERVER_OPTIMIZER_H_

#include <cstddef>
#include <span>

namespace actors {

enum class ServerOptimizer { kNone, kSgd, kAdam, kAdamW, kAdagrad };

// torch's formulas (torch.optim.SGD, Adam, AdamW and Adagrad). kNone: the mean is the next model.
struct ServerOptimizerOptions {
  ServerOptimizer name = ServerOptimizer::kNone;
  double learning_rate = 1;
  double momentum = 0;  // sgd, as the next.
  bool nesterov = false;
  double beta1 = 0.9;  // adam and adamw, as the next.
  double beta2 = 0.999;
  double weight_decay = 0;  // Times the model, added to the gradient; adamw: decoupled from it.
  double epsilon = 1e-7;    // Above 0 as a float, too: a gradient may be 0 from the first round on.
};

// Floats of the committed state of a model of `n` floats.
std::size_t CommittedFloats(const ServerOptimizerOptions& options, std::size_t n);

// `next` begins as the mean, n floats, and becomes the model after this round and all of the
// committed state; `base` is that of the round before. Both have CommittedFloats(options, n).
// Nothing but the first `trainable` of the model is stepped: buffers are averages already.
void ServerStep(const ServerOptimizerOptions& options, std::size_t n, std::size_t trainable,
                std::span<const float> base, std::span<float> next);

}  // namespace actors

#endif  // RONDO_ACTORS_AVERAGING_SERVER_OPTIMIZER_H_
