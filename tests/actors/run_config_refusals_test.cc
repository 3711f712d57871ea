// What a config must not say, and what is answered.
#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "actors/run_config.h"
#include "runtime/base/error.h"

namespace actors {
namespace {

using runtime::UserError;

struct BadCase {
  std::string text;
  std::string code;
  std::string message;  // Part of it.
  std::string hint;     // Part of it.
};

void PrintTo(const BadCase& bad, std::ostream* stream) { *stream << bad.text.substr(0, 80); }

class BadConfig : public testing::TestWithParam<BadCase> {};

TEST_P(BadConfig, IsRefusedWithPlaceReasonAndHint) {
  const BadCase& bad = GetParam();
  const absl::Status status = ParseRunConfig(bad.text, "c.toml").status();
  ASSERT_FALSE(status.ok());
  const UserError error = runtime::ToUserError(status);
  EXPECT_EQ(error.code, bad.code) << error.message;
  EXPECT_EQ(error.exit, runtime::Exit::kUsage);
  EXPECT_NE(error.message.find(bad.message), std::string::npos) << error.message;
  EXPECT_NE(error.hint.find(bad.hint), std::string::npos) << error.hint;
}

const BadCase kBadCases[] = {
    // Syntax.
    {"[run\nworkers = 4", "CONFIG_SYNTAX", "c.toml:1:5: ", "TOML"},
    {"[run]\nworkers = ", "CONFIG_SYNTAX", "c.toml:2:", ""},
    {"[run]\nworkers 4", "CONFIG_SYNTAX", "c.toml:2:9: ", ""},
    {"[run]\nout = \"no end", "CONFIG_SYNTAX", "c.toml:2:", ""},
    {"[run]\nworkers = 4\nworkers = 5\n", "CONFIG_SYNTAX", "c.toml:3:", "every key once"},
    {"[run]\nseed = 1\n[data]\n[run]\nwait = 3\n", "CONFIG_SYNTAX", "c.toml:4:", "every key once"},
    {"[run]\nout = \"\xFF\xFE\"\n", "CONFIG_SYNTAX", "c.toml:2:", ""},
    {"<html></html>", "CONFIG_SYNTAX", "c.toml:1:1: ", ""},
    {std::string("\0\0\0\0", 4), "CONFIG_SYNTAX", "c.toml:1:1: ", ""},
    {"a = " + std::string(5000, '['), "CONFIG_SYNTAX", "c.toml:1:", ""},
    {"[run]\nseed = 9223372036854775808\n", "CONFIG_SYNTAX", "c.toml:2:", ""},
    {std::string(kMaxConfigBytes + 1, '#'), "CONFIG_UNREADABLE", "larger than 1 MiB", ""},
    // Keys.
    {"[run]\nworkrs = 4\n", "CONFIG_UNKNOWN_KEY", "c.toml:2:1: unknown key run.workrs",
     "did you mean run.workers?"},
    {"[run]\nfrobnicate = 4\n", "CONFIG_UNKNOWN_KEY", "unknown key run.frobnicate",
     "the keys are run.workers"},
    {"[strateggy]\nname = \"fda\"\n", "CONFIG_UNKNOWN_KEY", "strateggy", "did you mean strategy?"},
    {"workers = 4\n", "CONFIG_UNKNOWN_KEY", "unknown section or key workers",
     "did you mean run.workers?"},
    {"[x]\ny = 4\n", "CONFIG_UNKNOWN_KEY", "unknown section or key x.y", "the sections are run"},
    {"[run.deep]\nworkers = 1\n", "CONFIG_UNKNOWN_KEY", "run.deep", ""},
    {"run = 4\n", "CONFIG_WRONG_TYPE", "c.toml:1:1: run must be a section", "[run]"},
    {"[[run]]\nworkers = 4\n", "CONFIG_WRONG_TYPE", "run must be a section", ""},
    // Types.
    {"[run]\nworkers = \"four\"\n", "CONFIG_WRONG_TYPE",
     "c.toml:2:11: run.workers must be an integer from 1 to 32, not \"four\"", ""},
    {"[run]\nworkers = 4.0\n", "CONFIG_WRONG_TYPE", "not 4.0", ""},
    {"[run]\nworkers = [4]\n", "CONFIG_WRONG_TYPE", "single value, not an array", ""},
    {"[run]\nworkers = { a = 1 }\n", "CONFIG_WRONG_TYPE", "single value, not a table", ""},
    {"[run]\nseed = 2024-01-01\n", "CONFIG_WRONG_TYPE", "single value, not a date", ""},
    {"[optimizer]\nnesterov = 1\n", "CONFIG_WRONG_TYPE", "must be true or false, not 1", ""},
    {"[optimizer]\nlearning_rate = \"fast\"\n", "CONFIG_WRONG_TYPE", "a number > 0", ""},
    {"[data]\nsource = 3\n", "CONFIG_WRONG_TYPE", "one of \"digits\", \"mnist\"", ""},
    {"[run]\nout = true\n", "CONFIG_WRONG_TYPE", "text in quotes, not true", ""},
    {"[strategy]\ntheta = true\n", "CONFIG_WRONG_TYPE", "strategy.theta", ""},
    {"[strategy]\ntheta = \"large\"\n", "CONFIG_WRONG_TYPE", "\"guideline\" or \"auto\"", ""},
    {"[strategy]\nmax_interval = \"often\"\n", "CONFIG_WRONG_TYPE", "or \"none\"", ""},
    // Ranges.
    {"[run]\nworkers = 0\n", "CONFIG_INVALID_VALUE", "from 1 to 32, not 0", ""},
    {"[run]\nworkers = 33\n", "CONFIG_INVALID_VALUE", "from 1 to 32, not 33", ""},
    {"[run]\nworkers = -1\n", "CONFIG_INVALID_VALUE", "not -1", ""},
    {"[run]\nseed = -1\n", "CONFIG_INVALID_VALUE", "run.seed", ""},
    {"[run]\nmax_steps = 0\n", "CONFIG_INVALID_VALUE", "run.max_steps", ""},
    {"[run]\nwait = 0\n", "CONFIG_INVALID_VALUE", "run.wait must be a number > 0", ""},
    {"[run]\nwait = inf\n", "CONFIG_INVALID_VALUE", "not inf", ""},
    {"[run]\ntarget_accuracy = 98\n", "CONFIG_INVALID_VALUE", "<= 1", ""},
    {"[run]\nthreads = 0\n", "CONFIG_INVALID_VALUE", "run.threads", ""},
    {"[run]\nout = \"\"\n", "CONFIG_INVALID_VALUE", "path of a folder", ""},
    {"[run]\nout = \"a\\u0000b\"\n", "CONFIG_INVALID_VALUE", "run.out must be a path", ""},
    {"[run]\ndevice = \"tpu\"\n", "CONFIG_INVALID_VALUE", "\"cpu\"", ""},
    {"[strategy]\ntheta = nan\n", "CONFIG_INVALID_VALUE", "not nan", ""},
    {"[strategy]\ntheta = inf\n", "CONFIG_INVALID_VALUE", "not inf", ""},
    {"[strategy]\ntheta = -1.0\n", "CONFIG_INVALID_VALUE", ">= 0", ""},
    {"[strategy]\nmax_interval = 0\n", "CONFIG_INVALID_VALUE", "strategy.max_interval", ""},
    {"[strategy]\nsketch_rows = 0\n", "CONFIG_INVALID_VALUE", "strategy.sketch_rows", ""},
    {"[strategy]\nname = \"fdaa\"\n", "CONFIG_INVALID_VALUE", "one of \"fda\"",
     "did you mean fda?"},
    {"[optimizer]\nbatch = 0\n", "CONFIG_INVALID_VALUE", "optimizer.batch", ""},
    {"[optimizer]\nlearning_rate = 0\n", "CONFIG_INVALID_VALUE", "> 0", ""},
    {"[optimizer]\nlearning_rate = nan\n", "CONFIG_INVALID_VALUE", "not nan", ""},
    {"[optimizer]\nbeta2 = 1.0\n", "CONFIG_INVALID_VALUE", "< 1", ""},
    {"[model]\ndimension = 0\n", "CONFIG_INVALID_VALUE", "model.dimension", ""},
    {"[model]\nstep_time = -1\n", "CONFIG_INVALID_VALUE", "model.step_time", ""},
    {"[data]\npartition = \"sorted\"\n", "CONFIG_INVALID_VALUE", "sorted:PERCENT", ""},
    {"[data]\npartition = \"sorted:101\"\n", "CONFIG_INVALID_VALUE", "0 to 100", ""},
    {"[data]\npartition = \"label:-1\"\n", "CONFIG_INVALID_VALUE", "label:LABEL", ""},
    {"[data]\npartition = \"label:3x\"\n", "CONFIG_INVALID_VALUE", "label:LABEL", ""},
    {"[data]\npartition = \"iid:3\"\n", "CONFIG_INVALID_VALUE", "\"iid\"", ""},
    {"[network]\nchunk_bytes = 100000\n", "CONFIG_INVALID_VALUE", "a multiple of 65536", ""},
    {"[network]\ncredits = 0\n", "CONFIG_INVALID_VALUE", "network.credits", ""},
    {"[strategy]\nname = \"local\"\ntau = 3\ntheta = \"auto\"\n", "CONFIG_CONFLICT",
     "needs strategy.name = \"fda\"", "have no theta"},
    {"[strategy]\noverlap = true\n", "CONFIG_CONFLICT", "needs strategy.decision = \"quantum\"",
     ""},
    {"[strategy]\noverlap = true\ndecision = \"quantum\"\ntheta = \"auto\"\n", "CONFIG_CONFLICT",
     "with strategy.overlap = true they do not", "a number"},
    {"[strategy]\nsync_budget = 1.0\n", "CONFIG_INVALID_VALUE", "strategy.sync_budget", ""},
    // Without a barrier only what a member's report adds to the bound can be told.
    {"[strategy]\ndecision = \"quantum\"\nestimator = \"sketch\"\n", "CONFIG_CONFLICT",
     "needs strategy.name = \"fda\"", "lockstep"},
    {"[strategy]\ndecision = \"quantum\"\nname = \"synchronous\"\n", "CONFIG_CONFLICT", "quantum",
     ""},
    {"[strategy]\ndecision = \"quantum\"\ntheta = 0.0\n", "CONFIG_CONFLICT", "a theta above 0", ""},
    {"[strategy]\ntheta = \"auto\"\ntheta_lr_exponent = 1.0\n", "CONFIG_CONFLICT",
     "at the rate of that moment", "a number"},
    {"[strategy]\nname = \"diloco\"\n", "CONFIG_CONFLICT", "needs strategy.tau", ""},
    {"[strategy]\nname = \"qsr\"\ntau = 4\n", "CONFIG_CONFLICT", "needs strategy.qsr_alpha", ""},
    {"[strategy]\nname = \"fedavg\"\n[data]\nsource = \"mnist\"\nplacement = \"own\"\n",
     "CONFIG_CONFLICT", "rounds of so many epochs", "local"},
    {"[strategy]\ndata_epochs = 0.0\n", "CONFIG_INVALID_VALUE", "strategy.data_epochs", ""},
    {"[server]\nname = \"adam\"\nepsilon = 1e-50\n", "CONFIG_INVALID_VALUE", "server.epsilon", ""},
    {"[strategy]\nname = \"fda-opt\"\ntheta = 2.0\n", "CONFIG_CONFLICT", "finds strategy.theta",
     ""},
    {"[strategy]\nname = \"fda-opt\"\n[server]\nname = \"none\"\n", "CONFIG_CONFLICT",
     "needs a server optimizer", ""},
    {"[strategy]\nname = \"fda-opt\"\nmax_epochs = 0\n", "CONFIG_INVALID_VALUE", "max_epochs", ""},
    {"[strategy]\nparticipants = 0\n", "CONFIG_INVALID_VALUE", "strategy.participants", ""},
    {"[strategy]\nparticipants = 0.5\ndecision = \"quantum\"\n", "CONFIG_CONFLICT",
     "nothing to wait for", ""},
    {"[server]\nname = \"lamb\"\n", "CONFIG_INVALID_VALUE", "one of \"none\", \"sgd\"", ""},
    {"[server]\nname = \"sgd\"\nnesterov = true\n", "CONFIG_CONFLICT", "with sgd and a momentum",
     "server.momentum"},
    {"[server]\nname = \"adam\"\nmomentum = 0.9\n", "CONFIG_CONFLICT", "server.momentum = 0.9", ""},
    {"[strategy]\noutliers = \"ignore\"\n", "CONFIG_INVALID_VALUE", "one of \"warn\", \"refuse\"",
     ""},
    {"[strategy.server]\nname = \"adam\"\n", "CONFIG_UNKNOWN_KEY", "strategy.server", ""},
    {"[model]\nname = \"transformer\"\n", "CONFIG_INVALID_VALUE",
     "\"transformer\" with data.source", "\"text\""},
    {"[data]\nsource = \"text\"\n", "CONFIG_INVALID_VALUE",
     "\"lenet5\" with data.source = \"text\"", "\"transformer\""},
    {"[data]\ncontext = 0\n", "CONFIG_INVALID_VALUE", "data.context", ""},
    {"[data]\nsource = \"libsvm\"\nplacement = \"own\"\n", "CONFIG_CONFLICT", "takes images",
     "mnist"},
    {"[model]\nname = \"densenet121\"\n", "CONFIG_INVALID_VALUE",
     "\"densenet121\" does not fit images of 1 x 28 x 28", "data.source"},
    {"[model]\nname = \"net.pth\"\n", "CONFIG_INVALID_VALUE", "net.pth", ""},
    {"[model]\nname = \"net.pt\"\n[data]\nsource = \"none\"\n", "CONFIG_CONFLICT",
     "\"net.pt\" needs data", "digits"},
    {"[model]\ndropout = 0.5\n", "CONFIG_INVALID_VALUE", "\"lenet5\" has no dropout layer",
     "leave"},
    {"[model]\ndropout = 1.0\n", "CONFIG_INVALID_VALUE", "< 1", ""},
    {"[data]\nsource = \"csv\"\n", "CONFIG_INVALID_VALUE", "\"libsvm\", \"tensors\"", ""},
    {"[data]\npartition = \"dirichlet:0\"\n", "CONFIG_INVALID_VALUE", "A > 0", ""},
    {"[data]\npartition = \"dirichlet:1e7\"\n", "CONFIG_INVALID_VALUE", "A > 0", ""},
    {"[data]\npartition = \"dirichlet\"\n", "CONFIG_INVALID_VALUE", "dirichlet:A", ""},
    {"[data]\npartition = \"dirichlet:0.5\"\nsource = \"none\"\n[model]\nname = \"quadratic\"\n",
     "CONFIG_CONFLICT", "needs data", "leave data.partition out"},
    {"[data]\ndrift = \"labels\"\n", "CONFIG_INVALID_VALUE", "labels:STEPS", ""},
    {"[data]\ndrift = \"labels:0\"\n", "CONFIG_INVALID_VALUE", "labels:STEPS", ""},
    {"[data]\ndrift = \"rotat:5\"\n", "CONFIG_INVALID_VALUE", "rotate:STEPS", "rotate"},
    {"[data]\ndrift = \"labels:5\"\nsource = \"none\"\n[model]\nname = \"quadratic\"\n",
     "CONFIG_CONFLICT", "needs data", "leave data.drift out"},
    {"[optimizer]\nname = \"adamx\"\n", "CONFIG_INVALID_VALUE",
     "one of \"adam\", \"adamw\", \"sgd\"", "did you mean adam?"},
    {"[model]\ninit = \"zeros\"\n", "CONFIG_INVALID_VALUE",
     "one of \"glorot_uniform\", \"he_normal\"", ""},
    {"[run]\ndevice = \"cuda:0\"\n", "CONFIG_NOT_AVAILABLE", "cuda:0", "\"cpu\""},
    // Conflicts.
    {"[data]\nplacement = \"own\"\n", "CONFIG_CONFLICT", "drawn alike on each", "mnist"},
    {"[data]\nplacement = \"own\"\n[model]\nname = \"quadratic\"\n", "CONFIG_CONFLICT",
     "gives none", "leave data.placement out"},
    {"[data]\nplacement = \"own\"\nsource = \"mnist\"\npartition = \"label:0\"\n",
     "CONFIG_CONFLICT", "each node keeps what it has", "leave data.partition out"},
    {"[data]\nplacement = \"own\"\nsource = \"mnist\"\ndir = \"/data\"\n", "CONFIG_CONFLICT",
     "below each node's own folder", "rondo join --data DIR"},
    {"[data]\nplacement = \"own\"\nsource = \"mnist\"\ndir = \"a/../../b\"\n", "CONFIG_CONFLICT",
     "below each node's own folder", "rondo join --data DIR"},
    {"[data]\nplacement = \"shred\"\n", "CONFIG_INVALID_VALUE", "one of \"shared\", \"own\"",
     "did you mean shared?"},
    {"[run]\nworkers = 8\nmax_workers = 4\n", "CONFIG_CONFLICT", "max_workers = 4", "workers"},
    {"[run]\nmin_workers = 8\nmax_workers = 4\n", "CONFIG_CONFLICT", "more than", ""},
    {"[run]\nworkers = 2\nmin_workers = 3\n", "CONFIG_CONFLICT", "run.workers = 2", ""},
    {"[strategy]\nname = \"local\"\n", "CONFIG_CONFLICT", "strategy.tau", "tau = 76"},
    {"[strategy]\nname = \"clock\"\n", "CONFIG_CONFLICT",
     "\"clock\" needs strategy.tau, the steps between two synchronizations at the full learning "
     "rate",
     "tau = 76"},
    {"[strategy]\nname = \"clock\"\ntau = 5\ndecision = \"quantum\"\n", "CONFIG_CONFLICT",
     "needs strategy.name = \"fda\"", ""},
    {"[optimizer]\nnesterov = true\n", "CONFIG_CONFLICT", "momentum", "0.9"},
    {"[optimizer]\nschedule = \"linear\"\n", "CONFIG_INVALID_VALUE",
     "one of \"constant\", \"cosine\", \"step\"", ""},
    {"[optimizer]\nwarmup = -1\n", "CONFIG_INVALID_VALUE", "optimizer.warmup", ""},
    {"[optimizer]\nwarmup = 10\n[run]\nmax_steps = 10\n", "CONFIG_CONFLICT",
     "leaves nothing of run.max_steps = 10", "shorter"},
    {"[optimizer]\nfinal_learning_rate = 1e-4\n", "CONFIG_CONFLICT", "schedule \"cosine\" only",
     "optimizer.schedule = \"cosine\""},
    {"[optimizer]\nschedule = \"cosine\"\nfinal_learning_rate = 1e-2\n", "CONFIG_CONFLICT",
     "above optimizer.learning_rate = 0.001", "warmup"},
    {"[optimizer]\nschedule = \"step\"\n", "CONFIG_CONFLICT", "needs optimizer.decay_every",
     "decay_every = 1000"},
    {"[optimizer]\ndecay_every = 100\n", "CONFIG_CONFLICT", "schedule \"step\" only",
     "optimizer.schedule = \"step\""},
    {"[optimizer]\nschedule = \"cosine\"\ndecay_factor = 0.5\n", "CONFIG_CONFLICT",
     "schedule \"step\" only", ""},
    {"[optimizer]\nschedule = \"step\"\ndecay_every = 5\ndecay_factor = 1.5\n",
     "CONFIG_INVALID_VALUE", "optimizer.decay_factor", ""},
    {"[model]\nname = \"quadratic\"\n[data]\nsource = \"digits\"\n", "CONFIG_CONFLICT",
     "without data", "\"none\""},
    {"[data]\nsource = \"none\"\n", "CONFIG_CONFLICT", "needs data", "digits"},
    {"[run]\nworkers = 32\n[optimizer]\nbatch = 2000\n", "CONFIG_CONFLICT", "1875 samples", ""},
    {"[model]\nname = \"quadratic\"\ndimension = 200001\n[strategy]\nestimator = \"exact\"\n",
     "CONFIG_CONFLICT", "200000", "linear"},
    {"[model]\nname = \"vgg16s\"\n[strategy]\nestimator = \"exact\"\n", "CONFIG_CONFLICT",
     "not 2592202", "linear"},
};

INSTANTIATE_TEST_SUITE_P(Table, BadConfig, testing::ValuesIn(kBadCases));

}  // namespace
}  // namespace actors
