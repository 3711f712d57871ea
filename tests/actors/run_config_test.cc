#include "actors/run_config.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <initializer_list>

#include "actors/run_config_keys.h"
#include "runtime/base/error.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

using runtime::UserError;

UserError ErrorOf(const absl::Status& status) {
  if (!status.ok()) return runtime::ToUserError(status);
  return UserError{"OK", runtime::Exit::kOk, "", ""};
}

ConfigSources FromText(const std::string& text) {
  ConfigSources sources;
  sources.text = text;
  sources.name = "c.toml";
  return sources;
}

TEST(RunConfig, AnEmptyTextGivesTheDefaults) {
  const auto config = ParseRunConfig("", "c.toml");
  ASSERT_OK(config);
  EXPECT_EQ(config->run.workers, 4u);
  EXPECT_EQ(config->run.min_workers, 2u);
  EXPECT_EQ(config->data.source, DataSource::kDigits);
  EXPECT_EQ(config->model.name, ModelName::kLenet5);
  EXPECT_EQ(config->strategy.name, Strategy::kFda);
  EXPECT_EQ(config->strategy.estimator, EstimatorKind::kLinear);
  EXPECT_FALSE(config->strategy.theta.has_value());
  EXPECT_EQ(config->optimizer.epsilon, 1e-7);
}

TEST(RunConfig, EveryKindOfValueIsRead) {
  const auto config = ParseRunConfig(
      "[run]\r\nworkers = 5\r\ntarget_accuracy = 0.98\r\nevaluate = \"mean\"\r\n"
      "[data]\nsource = 'mnist'\npartition = \"sorted:60\"\n"
      "[optimizer]\nname = \"sgd\"\nlearning_rate = 1\nmomentum = 0.9\nnesterov = true\n"
      "[strategy]\ntheta = 2\nmax_interval = 1_000\n",
      "c.toml");
  ASSERT_OK(config);
  EXPECT_EQ(config->run.workers, 5u);
  EXPECT_EQ(config->run.target_accuracy, 0.98);
  EXPECT_EQ(config->run.evaluate, EvaluateWhat::kMean);
  EXPECT_EQ(config->data.source, DataSource::kMnist);
  EXPECT_EQ(config->data.partition, "sorted:60");
  EXPECT_EQ(config->optimizer.learning_rate, 1.0);
  EXPECT_TRUE(config->optimizer.nesterov);
  EXPECT_EQ(config->strategy.theta, 2.0);
  EXPECT_EQ(config->strategy.max_interval, 1000u);
}

TEST(RunConfig, AByteOrderMarkIsIgnored) {
  const auto config = ParseRunConfig("\xEF\xBB\xBF[run]\nworkers = 2\n", "c.toml");
  ASSERT_OK(config);
  EXPECT_EQ(config->run.workers, 2u);
}

TEST(RunConfig, TheQuadraticModelNeedsNoData) {
  const auto config = ParseRunConfig("[model]\nname = \"quadratic\"\ndimension = 12\n", "c.toml");
  ASSERT_OK(config);
  EXPECT_EQ(config->data.source, DataSource::kNone);
}

TEST(RunConfig, NoneClearsAnOptionalValue) {
  ConfigSources sources = FromText("[run]\ntarget_accuracy = 0.98\n[strategy]\ntheta = 2.0\n");
  sources.overrides = {{"run.target_accuracy", "none", "--set"},
                       {"strategy.theta", "guideline", "--set"}};
  const auto resolved = ResolveRunConfig(sources);
  ASSERT_OK(resolved);
  EXPECT_FALSE(resolved->config.run.target_accuracy.has_value());
  EXPECT_FALSE(resolved->config.strategy.theta.has_value());
}

TEST(RunConfig, FlagsBeatEnvironmentBeatsFileBeatsDefault) {
  ConfigSources sources =
      FromText("[run]\nseed = 1\nthreads = 1\nwait = 1\n[strategy]\ntheta = 1.0\n");
  sources.environment = {"RONDO_RUN_SEED=2", "RONDO_RUN_THREADS=2", "RONDO_HEAD=h:1",
                         "RONDO_DATA=/data", "HOME=/root",          "no equals sign"};
  sources.overrides = {{"run.seed", "3", "--set"}, {"run.seed", "4", "--seed"}};
  const auto resolved = ResolveRunConfig(sources);
  ASSERT_OK(resolved);
  EXPECT_EQ(resolved->config.run.seed, 4u);
  EXPECT_EQ(resolved->config.run.threads, 2u);
  EXPECT_EQ(resolved->config.run.wait, 1.0);
  EXPECT_EQ(resolved->origins.at("run.seed"), "--seed");
  EXPECT_EQ(resolved->origins.at("run.threads"), "RONDO_RUN_THREADS");
  EXPECT_EQ(resolved->origins.at("run.wait"), "c.toml:4");
  EXPECT_EQ(resolved->origins.at("run.workers"), "default");
  EXPECT_EQ(resolved->origins.size(), ConfigKeys().size());
}

TEST(RunConfig, AHiddenValueIsNotJudged) {
  ConfigSources sources = FromText("[strategy]\nname = \"diloco\"\n");
  sources.overrides = {{"strategy.name", "fda", "--set"}};
  EXPECT_OK(ResolveRunConfig(sources));
}

TEST(RunConfig, OverridesNeedNoQuotes) {
  ConfigSources sources = FromText("");
  sources.overrides = {{"data.source", "fashion-mnist", "--set"},
                       {"data.dir", "123", "--set"},
                       {"run.out", "\"a b\"", "--set"},
                       {"strategy.theta", "0.5", "--set"}};
  const auto resolved = ResolveRunConfig(sources);
  ASSERT_OK(resolved);
  EXPECT_EQ(resolved->config.data.source, DataSource::kFashionMnist);
  EXPECT_EQ(resolved->config.data.dir, "123");
  EXPECT_EQ(resolved->config.run.out, "a b");
  EXPECT_EQ(resolved->config.strategy.theta, 0.5);
}

TEST(RunConfig, AnOverrideCannotSmuggleInASecondKey) {
  ConfigSources sources = FromText("");
  sources.overrides = {{"run.seed", "1\nw = 2", "--set"}};
  EXPECT_EQ(ErrorOf(ResolveRunConfig(sources).status()).code, "CONFIG_WRONG_TYPE");
  sources.overrides = {{"data.dir", std::string("\xFF\xFE"), "--set"}};
  EXPECT_EQ(ErrorOf(ResolveRunConfig(sources).status()).code, "CONFIG_SYNTAX");
}

TEST(RunConfig, AnErrorOfAFlagOrVariableNamesIt) {
  ConfigSources sources = FromText("");
  sources.overrides = {{"strategy.thetaa", "0.5", "--set"}};
  UserError error = ErrorOf(ResolveRunConfig(sources).status());
  EXPECT_EQ(error.message, "unknown key strategy.thetaa (from --set)");
  EXPECT_EQ(error.hint, "did you mean strategy.theta?");
  sources.overrides.clear();
  sources.environment = {"RONDO_RUN_WORKRES=3"};
  error = ErrorOf(ResolveRunConfig(sources).status());
  EXPECT_EQ(error.message, "unknown key run.workres (from RONDO_RUN_WORKRES)");
  EXPECT_EQ(error.hint, "did you mean run.workers?");
}

// A config in which no value is the default.
const char kUnusual[] = R"(
[run]
workers = 3
min_workers = 3
max_workers = 7
on_leave_sync = false
checkpoint_every = 3
orphan_timeout = 5.5
wait = 0.1
seed = 9223372036854775807
max_steps = 12345678901
target_accuracy = 0.30000000000000004
evaluate = "mean"
evaluate_every = 0
threads = 2
out = "a \"b\" \\ \u0007 ü"
[data]
source = "fashion-mnist"
dir = "x/y"
partition = "label:8"
batches = "permutation"
drift = "labels:7"
seed = 3
context = 3
[model]
name = "vgg16s"
init = "he_normal"
dropout = 0.25
dimension = 2
curvature = 1e-9
noise = 0.1
step_time = 1e-3
integer = true
[optimizer]
name = "sgd"
learning_rate = 0.1
schedule = "step"
warmup = 5
decay_every = 9
decay_factor = 0.25
beta1 = 0.0
beta2 = 0.123456789012345678
epsilon = 5e-324
momentum = 0.5
nesterov = true
weight_decay = 1e-4
batch = 1
[strategy]
name = "local"
estimator = "sketch"
theta = 1e22
sync_budget = 0.5
max_interval = 10
tau = 76
weighting = "samples"
outliers = "refuse"
sketch_rows = 7
sketch_columns = 100
theta_lr_exponent = 1.5
qsr_alpha = 0.25
data_epochs = 2.5
participants = 0.75
max_epochs = 7.5
[server]
name = "sgd"
learning_rate = 0.7
momentum = 0.9
nesterov = true
beta1 = 0.8
beta2 = 0.7
epsilon = 1e-8
weight_decay = 0.125
[network]
profile = "wan"
transport = "ipc"
chunk_bytes = 65536
credits = 1
)";

TEST(RunConfig, PrintedConfigReadsBackEqual) {
  for (const std::string text : {"", kUnusual}) {
    const auto config = ParseRunConfig(text, "c.toml");
    ASSERT_OK(config);
    const std::string printed = ToToml(*config);
    const auto again = ParseRunConfig(printed, "printed");
    ASSERT_OK(again) << printed;
    for (const ConfigKey& key : ConfigKeys()) {
      EXPECT_EQ(key.get(*config), key.get(*again)) << key.FullName();
    }
    EXPECT_EQ(ToToml(*again), printed);
  }
}

TEST(RunConfig, TheUnusualConfigDiffersFromTheDefaultInEveryKey) {
  const auto config = ParseRunConfig(kUnusual, "c.toml");
  ASSERT_OK(config);
  for (const ConfigKey& key : ConfigKeys()) {
    const std::string name = key.FullName();
    // It has one value in this version.
    if (name == "run.device") continue;
    // Only a few strategies do without a barrier; see AWideAreaNetwork... and OverlapIs... below.
    if (name == "strategy.decision" || name == "strategy.overlap") continue;
    // Own data exclude a partition, a schedule of steps a last rate; see the two tests below.
    if (name == "data.placement" || name == "optimizer.final_learning_rate") continue;
    EXPECT_NE(key.get(*config), key.get(RunConfig())) << name;
  }
}

// Those of the public code of FDA's paper, and DiLoCo's.
TEST(RunConfig, AStrategyBringsItsServerOptimizerUnlessOneIsNamed) {
  struct Usual {
    std::string strategy;
    ServerOptimizer name;
    double learning_rate, momentum;
    bool nesterov;
  };
  for (const Usual& usual :
       std::initializer_list<Usual>{{"fedavg", ServerOptimizer::kSgd, 1, 0, false},
                                    {"fedavgm", ServerOptimizer::kSgd, 0.316, 0.9, false},
                                    {"fedadam", ServerOptimizer::kAdam, 1e-3, 0, false},
                                    {"diloco", ServerOptimizer::kSgd, 0.7, 0.9, true},
                                    {"local", ServerOptimizer::kNone, 1, 0, false}}) {
    const std::string text = "[strategy]\ntau = 5\nname = \"" + usual.strategy + "\"\n";
    const auto resolved = ResolveRunConfig(FromText(text));
    ASSERT_OK(resolved);
    const ServerSection& server = resolved->config.server;
    EXPECT_EQ(server.name, usual.name) << text;
    EXPECT_EQ(server.learning_rate, usual.learning_rate) << text;
    EXPECT_EQ(server.momentum, usual.momentum) << text;
    EXPECT_EQ(server.nesterov, usual.nesterov) << text;
    const auto again = ParseRunConfig(ToToml(resolved->config), "printed");
    ASSERT_OK(again);
    EXPECT_EQ(ToToml(*again), ToToml(resolved->config));
    const auto other =
        ResolveRunConfig(FromText(text + "[server]\nname = \"adam\"\nbeta1 = 0.5\n"));
    ASSERT_OK(other);
    EXPECT_EQ(other->config.server.name, ServerOptimizer::kAdam);
    EXPECT_EQ(other->config.server.learning_rate, 1e-3);
    EXPECT_EQ(other->config.server.momentum, 0);
    EXPECT_EQ(other->config.server.beta1, 0.5);
  }
  const auto part =
      ResolveRunConfig(FromText("[strategy]\nname = \"fedavgm\"\n[server]\nmomentum = 0.5\n"));
  ASSERT_OK(part);
  EXPECT_EQ(part->config.server.learning_rate, 0.316);
  EXPECT_EQ(part->config.server.momentum, 0.5);
  EXPECT_EQ(part->origins.at("server.learning_rate"), "default with strategy.name = \"fedavgm\"");
}

TEST(RunConfig, OverlapIsReadAndPrinted) {
  const auto config =
      ParseRunConfig("[strategy]\ndecision = \"quantum\"\noverlap = true\n", "c.toml");
  ASSERT_OK(config);
  EXPECT_TRUE(config->strategy.overlap);
  const auto again = ParseRunConfig(ToToml(*config), "printed");
  ASSERT_OK(again);
  EXPECT_TRUE(again->strategy.overlap);
}

TEST(RunConfig, OwnDataAreReadAndPrinted) {
  const auto config = ParseRunConfig(
      "[data]\nsource = \"mnist\"\ndir = \"wards/north\"\nplacement = \"own\"\n", "c.toml");
  ASSERT_OK(config);
  EXPECT_EQ(config->data.placement, DataPlacement::kOwn);
  const auto again = ParseRunConfig(ToToml(*config), "printed");
  ASSERT_OK(again);
  EXPECT_EQ(again->data.placement, DataPlacement::kOwn);
  EXPECT_EQ(again->data.dir, "wards/north");
}

TEST(RunConfig, ACosineIsReadAndPrinted) {
  const auto config = ParseRunConfig(
      "[optimizer]\nschedule = \"cosine\"\nwarmup = 10\nfinal_learning_rate = 1e-5\n", "c.toml");
  ASSERT_OK(config);
  EXPECT_EQ(config->optimizer.schedule, Schedule::kCosine);
  EXPECT_EQ(config->optimizer.warmup, 10u);
  const auto again = ParseRunConfig(ToToml(*config), "printed");
  ASSERT_OK(again);
  EXPECT_EQ(again->optimizer.final_learning_rate, 1e-5);
}

TEST(RunConfig, AdamWDecaysWeightsAsTorchsDoesUnlessItIsTold) {
  const auto resolved = ResolveRunConfig(FromText("[optimizer]\nname = \"adamw\"\n"));
  ASSERT_OK(resolved);
  EXPECT_EQ(resolved->config.optimizer.weight_decay, 0.01);
  EXPECT_EQ(resolved->origins.at("optimizer.weight_decay"),
            "default with optimizer.name = \"adamw\"");
  const auto again = ParseRunConfig(ToToml(resolved->config), "printed");
  ASSERT_OK(again);
  EXPECT_EQ(again->optimizer.name, OptimizerName::kAdamW);
  EXPECT_EQ(again->optimizer.weight_decay, 0.01);
  const auto given =
      ParseRunConfig("[optimizer]\nname = \"adamw\"\nweight_decay = 0.0\n", "c.toml");
  ASSERT_OK(given);
  EXPECT_EQ(given->optimizer.weight_decay, 0.0);
}

TEST(RunConfig, ADenseNetIsThePapersUnlessItIsTold) {
  const auto resolved =
      ResolveRunConfig(FromText("[model]\nname = \"densenet201\"\n[data]\nsource = \"cifar10\"\n"));
  ASSERT_OK(resolved);
  EXPECT_EQ(resolved->config.model.init, Init::kHeNormal);
  EXPECT_EQ(resolved->config.model.dropout, 0.2);
  EXPECT_EQ(resolved->origins.at("model.init"), "default with model.name = \"densenet201\"");
  const auto vgg = ParseRunConfig("[model]\nname = \"vgg16s\"\n", "c.toml");
  ASSERT_OK(vgg);
  EXPECT_EQ(vgg->model.init, Init::kGlorotUniform);
  EXPECT_EQ(vgg->model.dropout, 0.5);
  const auto given = ParseRunConfig("[model]\nname = \"vgg16s\"\ndropout = 0.0\n", "c.toml");
  ASSERT_OK(given);
  EXPECT_EQ(given->model.dropout, 0.0);
}

TEST(RunConfig, AModelMayBeTheFileOfANode) {
  const auto resolved = ResolveRunConfig(FromText("[model]\nname = \"models/net.pt\"\n"));
  ASSERT_OK(resolved);
  EXPECT_EQ(resolved->config.model.name, ModelName::kTorchScript);
  EXPECT_EQ(resolved->config.model.file, "models/net.pt");
  EXPECT_EQ(NameOf(resolved->config.model), "models/net.pt");
  const auto again = ParseRunConfig(ToToml(resolved->config), "printed");
  ASSERT_OK(again);
  EXPECT_EQ(again->model.file, "models/net.pt");
}

TEST(RunConfig, PrintedConfigWithOriginsReadsBackToo) {
  ConfigSources sources = FromText("[run]\nseed = 7\n");
  sources.overrides = {{"strategy.theta", "0.5", "--set"}};
  const auto resolved = ResolveRunConfig(sources);
  ASSERT_OK(resolved);
  const std::string printed = ToToml(*resolved);
  EXPECT_NE(printed.find("seed = 7                          # c.toml:2"), std::string::npos);
  EXPECT_NE(printed.find("# --set"), std::string::npos);
  const auto again = ParseRunConfig(printed, "printed");
  ASSERT_OK(again);
  EXPECT_EQ(ToToml(*again), ToToml(resolved->config));
}

TEST(RunConfig, TheGuidelineFollowsDimensionAndLearningRate) {
  RunConfig config;
  EXPECT_NEAR(ThetaFor(config, 61706), 3.0298, 1e-4);
  config.optimizer.learning_rate = 2e-3;
  EXPECT_NEAR(ThetaFor(config, 61706), 4 * 3.0298, 1e-3);
  config.strategy.theta = 0.0;
  EXPECT_EQ(ThetaFor(config, 61706), 0.0);
}

// What `text` resolves to on a wide-area network.
ResolvedConfig OnWan(const std::string& text) {
  const auto resolved = ResolveRunConfig(FromText("[network]\nprofile = \"wan\"\n" + text));
  EXPECT_OK(resolved);
  return resolved.ok() ? *resolved : ResolvedConfig();
}

TEST(RunConfig, AWideAreaNetworkDoesWithoutABarrier) {
  for (const std::string text :
       {"", "[strategy]\nestimator = \"naive\"\n", "[strategy]\ntheta = 1e-9\n"}) {
    const ResolvedConfig resolved = OnWan(text);
    EXPECT_EQ(resolved.config.strategy.decision, DecisionName::kQuantum) << text;
    EXPECT_EQ(resolved.origins.at("strategy.decision"), "default with network.profile = \"wan\"");
    // What workers are sent reads back equal.
    const auto again = ParseRunConfig(ToToml(resolved.config), "printed");
    ASSERT_OK(again);
    EXPECT_EQ(again->strategy.decision, DecisionName::kQuantum);
  }
  for (const std::string profile : {"local", "lan"}) {
    const auto config = ParseRunConfig("[network]\nprofile = \"" + profile + "\"\n", "c.toml");
    ASSERT_OK(config);
    EXPECT_EQ(config->strategy.decision, DecisionName::kLockstep) << profile;
  }
}

TEST(RunConfig, AWideAreaNetworkKeepsTheBarrierThatIsAskedForOrNeeded) {
  for (const std::string strategy :
       {"decision = \"lockstep\"", "theta = 0.0", "estimator = \"sketch\"", "estimator = \"exact\"",
        "name = \"synchronous\"", "name = \"local\"\ntau = 5", "name = \"clock\"\ntau = 5"}) {
    const ResolvedConfig resolved = OnWan("[strategy]\n" + strategy + "\n");
    EXPECT_EQ(resolved.config.strategy.decision, DecisionName::kLockstep) << strategy;
    EXPECT_EQ(ParseRunConfig(ToToml(resolved.config), "printed")->strategy.decision,
              DecisionName::kLockstep);
  }
  const ResolvedConfig given = OnWan("[strategy]\ndecision = \"quantum\"\n");
  EXPECT_EQ(given.origins.at("strategy.decision"), "c.toml:4");
}

TEST(RunConfig, EveryExampleIsValid) {
  int examples = 0;
  for (const auto& entry : std::filesystem::directory_iterator(RONDO_SOURCE_DIR "/apps/examples")) {
    if (entry.path().extension() != ".toml") continue;
    const auto text = ReadConfigFile(entry.path().string());
    ASSERT_OK(text);
    EXPECT_OK(ParseRunConfig(*text, entry.path().string()));
    ++examples;
  }
  EXPECT_GE(examples, 6);
}

class ConfigFile : public testing::Test {
 protected:
  ConfigFile() : folder_(testing::TempDir() + "rondo_config_file_" + std::to_string(getpid())) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~ConfigFile() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  void ExpectUnreadable(const std::string& path, const std::string& why) const {
    const UserError error = ErrorOf(ReadConfigFile(path).status());
    EXPECT_EQ(error.code, "CONFIG_UNREADABLE") << path;
    EXPECT_EQ(error.exit, runtime::Exit::kUsage);
    EXPECT_NE(error.message.find(path), std::string::npos) << error.message;
    EXPECT_NE(error.message.find(why), std::string::npos) << error.message;
  }

  std::string folder_;
};

TEST_F(ConfigFile, GivesItsText) {
  std::ofstream(Path("a.toml")) << "[run]\n";
  const auto text = ReadConfigFile(Path("a.toml"));
  ASSERT_OK(text);
  EXPECT_EQ(*text, "[run]\n");
}

TEST_F(ConfigFile, IsRefusedUnlessItIsASmallRegularFile) {
  ExpectUnreadable(Path("missing"), "No such file");
  ExpectUnreadable(folder_, "directory");
  ExpectUnreadable("/dev/zero", "not a regular file");
  std::ofstream(Path("empty")).flush();
  ExpectUnreadable(Path("empty"), "empty");
  std::ofstream(Path("sparse")).flush();
  std::filesystem::resize_file(Path("sparse"), 10'000'000'000);
  ExpectUnreadable(Path("sparse"), "larger than 1 MiB");
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  ExpectUnreadable(Path("pipe"), "not a regular file");
  std::filesystem::create_symlink("loop", Path("loop"));
  ExpectUnreadable(Path("loop"), "symbolic links");
}

}  // namespace
}  // namespace actors
