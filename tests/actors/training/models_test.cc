#include "actors/training/models.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "actors/training/dataset.h"
#include "actors/training/model_layout.h"
#include "tests/support/status_matchers.h"

namespace actors {
namespace {

double LargestDifference(const torch::Tensor& a, const torch::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

ModelPlan PlanOf(const std::string& name) {
  ModelOptions options;
  options.name = name;
  const bool dense = name.rfind("densenet", 0) == 0;
  const auto plan = PlanModel(options, dense ? kCifar10Shape : ImageShape());
  EXPECT_OK(plan);
  return *plan;
}

ModelOptions Seed(std::uint64_t seed) {
  ModelOptions options;
  options.seed = seed;
  return options;
}

TEST(TanhPool, EqualsTorchForwardAndBackward) {
  torch::manual_seed(1);
  for (const double scale : {0.1, 1.0, 5.0}) {
    const torch::Tensor input = torch::randn({4, 6, 28, 28}) * scale;
    const torch::Tensor weights = torch::randn({4, 6, 14, 14});
    torch::Tensor ours = input.clone().set_requires_grad(true);
    torch::Tensor theirs = input.clone().set_requires_grad(true);
    const torch::Tensor our_pooled = TanhPool(ours);
    const torch::Tensor their_pooled = torch::avg_pool2d(torch::tanh(theirs), 2);
    EXPECT_LE(LargestDifference(our_pooled, their_pooled), 1e-6);
    (our_pooled * weights).sum().backward();
    (their_pooled * weights).sum().backward();
    EXPECT_LE(LargestDifference(ours.grad(), theirs.grad()), 1e-6);
  }
}

TEST(TanhPool, TakesInputsThatAreNotContiguous) {
  torch::manual_seed(2);
  torch::Tensor input = torch::randn({2, 8, 6, 3}).permute({0, 3, 1, 2}).set_requires_grad(true);
  ASSERT_FALSE(input.is_contiguous());
  const torch::Tensor pooled = TanhPool(input);
  EXPECT_LE(LargestDifference(pooled, torch::avg_pool2d(torch::tanh(input), 2)), 1e-6);
  // A sum spreads one gradient over all elements without storing it for each.
  pooled.sum().backward();
  EXPECT_LE(LargestDifference(input.grad(), (1 - torch::tanh(input).square()) / 4), 1e-6);
}

TEST(TanhPool, RefusesOddSizes) {
  EXPECT_THROW(TanhPool(torch::zeros({1, 1, 5, 4})), c10::Error);
  EXPECT_THROW(TanhPool(torch::zeros({4, 4})), c10::Error);
}

TEST(TensorsOver, ShareTheFlatVectorInTheLayoutsOrder) {
  const Layout layout = Lenet5Layout();
  std::vector<float> floats(layout.total);
  DrawInitialModel(layout, Seed(3), absl::MakeSpan(floats));
  const Tensors tensors = TensorsOver(layout, floats.data());
  ASSERT_EQ(tensors.size(), layout.entries.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(tensors[i].sizes(), torch::IntArrayRef(layout.entries[i].shape));
    EXPECT_EQ(tensors[i].data_ptr<float>(), floats.data() + layout.entries[i].offset);
  }
  floats.back() = 17;
  EXPECT_EQ(tensors.back()[9].item<float>(), 17);
}

// The model as anyone would write it with torch's own modules.
torch::Tensor PlainLenet5(const torch::Tensor& images, const Tensors& p) {
  namespace F = torch::nn::functional;
  torch::Tensor x = F::conv2d(images, p[0], F::Conv2dFuncOptions().bias(p[1]).padding(2));
  x = F::avg_pool2d(torch::tanh(x), F::AvgPool2dFuncOptions(2));
  x = F::avg_pool2d(torch::tanh(F::conv2d(x, p[2], F::Conv2dFuncOptions().bias(p[3]))),
                    F::AvgPool2dFuncOptions(2));
  x = x.flatten(1);
  x = torch::tanh(F::linear(x, p[4], p[5]));
  x = torch::tanh(F::linear(x, p[6], p[7]));
  return F::linear(x, p[8], p[9]);
}

TEST(Lenet5, IsThePapersModel) {
  const Layout layout = Lenet5Layout();
  std::vector<float> floats(layout.total);
  DrawInitialModel(layout, Seed(3), absl::MakeSpan(floats));
  torch::manual_seed(4);
  const torch::Tensor images = torch::randn({8, 1, 28, 28}).sigmoid();
  const Tensors parameters = TensorsOver(layout, floats.data());
  const torch::Tensor logits = Forward(PlanOf("lenet5"), images, parameters);
  EXPECT_EQ(logits.sizes(), torch::IntArrayRef({8, 10}));
  EXPECT_LE(LargestDifference(logits, PlainLenet5(images, parameters)), 2e-6);
}

// The model as anyone would write it with torch's own modules.
torch::Tensor PlainCnnWithGroupNorm(torch::Tensor x, const Tensors& p) {
  namespace F = torch::nn::functional;
  for (std::size_t block = 0; block < 3; ++block) {
    const std::size_t first = 4 * block;
    x = F::conv2d(x, p[first], F::Conv2dFuncOptions().bias(p[first + 1]).padding(1));
    x = F::group_norm(x, F::GroupNormFuncOptions(8).weight(p[first + 2]).bias(p[first + 3]));
    x = F::relu(x);
    if (block < 2) x = F::max_pool2d(x, F::MaxPool2dFuncOptions(2));
  }
  return F::linear(x.flatten(1), p[12], p[13]);
}

TEST(CnnWithGroupNorm, IsWhatItsPlanSays) {
  const ModelPlan plan = PlanOf("cnn-gn");
  std::vector<float> floats(plan.layout.total);
  // Norms that scale and shift, too.
  torch::manual_seed(7);
  torch::from_blob(floats.data(), {static_cast<std::int64_t>(floats.size())}).normal_(0, 0.1);
  const Tensors parameters = TensorsOver(plan.layout, floats.data());
  const torch::Tensor images = torch::randn({8, 1, 28, 28}).sigmoid();
  const torch::Tensor logits = Forward(plan, images, parameters);
  EXPECT_GT(logits.std().item<double>(), 0.01);
  EXPECT_LE(LargestDifference(logits, PlainCnnWithGroupNorm(images, parameters)), 2e-6);
}

// The model as anyone would write it with torch's own modules.
torch::Tensor PlainVgg16s(torch::Tensor x, const Tensors& p) {
  namespace F = torch::nn::functional;
  for (std::size_t i = 0; i < 6; ++i) {
    x = F::relu(F::conv2d(x, p[2 * i], F::Conv2dFuncOptions().bias(p[2 * i + 1]).padding(1)));
    if (i % 2 == 1) x = F::max_pool2d(x, F::MaxPool2dFuncOptions(2));
  }
  x = F::relu(F::linear(x.flatten(1), p[12], p[13]));
  return F::linear(F::relu(F::linear(x, p[14], p[15])), p[16], p[17]);
}

TEST(Vgg16s, IsThePapersModelInATestWhateverTheDropout) {
  ModelOptions options;
  options.name = "vgg16s";
  options.dropout = 0.5;
  const auto plan = PlanModel(options, ImageShape());
  ASSERT_OK(plan);
  std::vector<float> floats(plan->layout.total);
  DrawInitialModel(plan->layout, Seed(3), absl::MakeSpan(floats));
  const Tensors parameters = TensorsOver(plan->layout, floats.data());
  torch::manual_seed(4);
  const torch::Tensor images = torch::randn({4, 1, 28, 28}).sigmoid();
  const torch::Tensor logits = Forward(*plan, images, parameters);
  EXPECT_LE(LargestDifference(logits, PlainVgg16s(images, parameters)), 2e-6);
  RandomStream dropout(1, Purpose::kDropout);
  EXPECT_GT(LargestDifference(logits, Forward(*plan, images, parameters, &dropout)), 1e-3);
}

TEST(Dropout, IsTheSameHoweverManyThreadsCompute) {
  // Linear layers of few outputs, which are summed alike by any number of threads.
  ModelPlan plan = PlanOf("logistic");
  Layer drop;
  drop.kind = LayerKind::kDropout;
  drop.rate = 0.3;
  plan.layers.insert(plan.layers.begin(), drop);
  std::vector<float> floats(plan.layout.total, 0.5f);
  const Tensors parameters = TensorsOver(plan.layout, floats.data());
  const torch::Tensor images = torch::ones({64, 1, 28, 28});
  const int threads = at::get_num_threads();
  std::vector<torch::Tensor> logits;
  for (const int count : {1, 4}) {
    at::set_num_threads(count);
    RandomStream dropout(1, Purpose::kDropout, 2, 3);
    logits.push_back(Forward(plan, images, parameters, &dropout));
  }
  at::set_num_threads(threads);
  EXPECT_EQ(LargestDifference(logits[0], logits[1]), 0);
  EXPECT_GT(logits[0].std().item<double>(), 1);  // Each image has a mask of its own.
}

// DenseNet-BC as Keras writes it, with the parameters one after the other and the buffers likewise.
class PlainDenseNet {
 public:
  PlainDenseNet(const Tensors& tensors, std::size_t trainable)
      : parameters_(tensors.begin(), tensors.begin() + static_cast<std::ptrdiff_t>(trainable)),
        buffers_(tensors.begin() + static_cast<std::ptrdiff_t>(trainable), tensors.end()) {}

  torch::Tensor Logits(torch::Tensor x, const std::vector<int>& blocks) {
    x = torch::relu(Normed(Convolved(torch::constant_pad_nd(x, {3, 3, 3, 3}), 2, 0)));
    x = torch::max_pool2d(torch::constant_pad_nd(x, {1, 1, 1, 1}), 3, 2);
    for (std::size_t block = 0; block < blocks.size(); ++block) {
      for (int layer = 0; layer < blocks[block]; ++layer) {
        const torch::Tensor narrow = Convolved(torch::relu(Normed(x)), 1, 0);
        x = torch::cat({x, Convolved(torch::relu(Normed(narrow)), 1, 1)}, 1);
      }
      if (block + 1 == blocks.size()) break;
      x = torch::avg_pool2d(Convolved(torch::relu(Normed(x)), 1, 0), 2);
    }
    x = torch::relu(Normed(x)).mean({2, 3});
    const torch::Tensor weight = Next(parameters_);
    const torch::Tensor logits = x.matmul(weight.t()) + Next(parameters_);
    EXPECT_TRUE(parameters_.empty() && buffers_.empty());
    return logits;
  }

 private:
  static torch::Tensor Next(Tensors& tensors) {
    const torch::Tensor next = tensors.front();
    tensors.erase(tensors.begin());
    return next;
  }
  torch::Tensor Convolved(const torch::Tensor& x, std::int64_t stride, std::int64_t padding) {
    return torch::conv2d(x, Next(parameters_), {}, stride, padding);
  }
  torch::Tensor Normed(const torch::Tensor& x) {
    const torch::Tensor weight = Next(parameters_), bias = Next(parameters_);
    const torch::Tensor mean = Next(buffers_), variance = Next(buffers_);
    const auto a_channel = [](const torch::Tensor& t) { return t.view({1, -1, 1, 1}); };
    return (x - a_channel(mean)) / (a_channel(variance) + 1.001e-5).sqrt() * a_channel(weight) +
           a_channel(bias);
  }

  Tensors parameters_, buffers_;
};

std::size_t TrainableEntries(const Layout& layout) {
  return static_cast<std::size_t>(
      std::count_if(layout.entries.begin(), layout.entries.end(),
                    [&](const LayoutEntry& entry) { return entry.offset < layout.trainable; }));
}

TEST(DenseNet121, IsThePapersModelInATest) {
  const ModelPlan plan = PlanOf("densenet121");
  std::vector<float> floats(plan.layout.total);
  ModelOptions options = Seed(3);
  options.init = "he_normal";
  DrawInitialModel(plan.layout, options, absl::MakeSpan(floats));
  const Tensors tensors = TensorsOver(plan.layout, floats.data());
  const std::size_t trainable = TrainableEntries(plan.layout);
  torch::manual_seed(4);
  for (std::size_t i = trainable; i < tensors.size(); ++i)
    tensors[i].add_(torch::randn({1}).sigmoid() * 0.1);
  const torch::Tensor images = torch::randn({2, 3, 32, 32}).sigmoid();
  const torch::Tensor logits = Forward(plan, images, tensors);
  const torch::Tensor plain = PlainDenseNet(tensors, trainable).Logits(images, {6, 12, 24, 16});
  EXPECT_GT(plain.std().item<double>(), 0.01);
  EXPECT_LE(LargestDifference(logits, plain), 1e-4 * plain.abs().max().item<double>());
}

TEST(BatchNorm, NotesTheStatisticsOfABatchInItsBuffers) {
  const ModelPlan plan = PlanOf("densenet121");
  std::vector<float> floats(plan.layout.total);
  DrawInitialModel(plan.layout, Seed(3), absl::MakeSpan(floats));
  const Tensors tensors = TensorsOver(plan.layout, floats.data());
  const std::size_t first_buffer = TrainableEntries(plan.layout);
  torch::manual_seed(4);
  const torch::Tensor images = torch::randn({4, 3, 32, 32}).sigmoid();
  const std::vector<float> before = floats;
  Forward(plan, images, tensors);
  EXPECT_EQ(floats, before);  // A test notes nothing.
  RandomStream dropout(1, Purpose::kDropout);
  Forward(plan, images, tensors, &dropout);
  EXPECT_TRUE(std::equal(before.begin(),
                         before.begin() + static_cast<std::ptrdiff_t>(plan.layout.trainable),
                         floats.begin()));
  const torch::Tensor stem = torch::conv2d(images, tensors[0], {}, 2, 3);
  EXPECT_LE(LargestDifference(tensors[first_buffer], 0.01 * stem.mean({0, 2, 3})), 1e-6);
  EXPECT_LE(LargestDifference(tensors[first_buffer + 1], 0.99 + 0.01 * stem.var({0, 2, 3}, true)),
            1e-6);
}

class EveryModel : public testing::TestWithParam<const char*> {};

TEST_P(EveryModel, ItsTorchScriptPredictsTheSameLogits) {
  const ModelPlan plan = PlanOf(GetParam());
  std::vector<float> floats(plan.layout.total);
  DrawInitialModel(plan.layout, Seed(3), absl::MakeSpan(floats));
  std::istringstream file(ToTorchScript(plan, floats));
  torch::jit::Module loaded = torch::jit::load(file);
  torch::manual_seed(4);
  const torch::Tensor images =
      torch::randn({16, plan.input.channels, plan.input.rows, plan.input.columns}).sigmoid();
  const torch::Tensor logits = loaded.forward({images}).toTensor();
  EXPECT_LE(
      LargestDifference(logits, Forward(plan, images, TensorsOver(plan.layout, floats.data()))),
      1e-5);
}

INSTANTIATE_TEST_SUITE_P(BuiltIn, EveryModel,
                         testing::Values("lenet5", "logistic", "cnn-gn", "vgg16s", "densenet121"),
                         [](const auto& info) {
                           std::string name = info.param;
                           name.erase(std::remove(name.begin(), name.end(), '-'), name.end());
                           return name;
                         });

// Characters as they come from a text: n x 1 x 1 x context.
torch::Tensor SomeText(std::int64_t samples, std::int64_t context, std::int64_t characters) {
  return torch::randint(characters, {samples, 1, 1, context}).to(torch::kFloat);
}

struct Transformer {
  explicit Transformer(std::uint32_t context = 16, std::uint32_t characters = 11) {
    options.name = "transformer";
    plan = *PlanModel(options, {1, 1, context}, characters);
    floats.resize(plan.layout.total);
    DrawInitialModel(plan.layout, options, absl::MakeSpan(floats));
    parameters = TensorsOver(plan.layout, floats.data());
  }
  // By its name.
  torch::Tensor operator[](const std::string& name) const {
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (plan.layout.entries[i].name == name) return parameters[i];
    }
    ADD_FAILURE() << name;
    return {};
  }

  ModelOptions options;
  ModelPlan plan;
  std::vector<float> floats;
  Tensors parameters;
};

// Written as a paper would: one head at a time.
torch::Tensor PlainTransformer(const Transformer& model, const torch::Tensor& text) {
  const auto linear = [&](const torch::Tensor& x, const std::string& name) {
    return torch::matmul(x, model[name + ".weight"].t()) + model[name + ".bias"];
  };
  const auto norm = [&](const torch::Tensor& x, const std::string& name) {
    const torch::Tensor mean = x.mean(-1, true);
    const torch::Tensor variance = (x - mean).square().mean(-1, true);
    return (x - mean) / (variance + 1e-5).sqrt() * model[name + ".weight"] + model[name + ".bias"];
  };
  torch::Tensor x = model["embedding.token"].index({text.flatten(1).to(torch::kLong)}) +
                    model["embedding.position"];
  const std::int64_t characters = x.size(1);
  const torch::Tensor allowed = torch::ones({characters, characters}).tril();
  for (const std::string block : {"block1", "block2"}) {
    const torch::Tensor all = linear(norm(x, block + ".norm1"), block + ".attention.in");
    std::vector<torch::Tensor> heads;
    for (std::int64_t head = 0; head < 4; ++head) {
      const auto part = [&](std::int64_t which) {
        return all.slice(2, 64 * which + 16 * head, 64 * which + 16 * head + 16);
      };
      const torch::Tensor scores = torch::matmul(part(0), part(1).transpose(1, 2)) / 4;
      const torch::Tensor weights = scores.exp() * allowed;
      heads.push_back(torch::matmul(weights / weights.sum(-1, true), part(2)));
    }
    x = x + linear(torch::cat(heads, 2), block + ".attention.out");
    const torch::Tensor wide = linear(norm(x, block + ".norm2"), block + ".fc1");
    const torch::Tensor gelu = wide * (1 + torch::erf(wide / std::sqrt(2.0))) / 2;
    x = x + linear(gelu, block + ".fc2");
  }
  return linear(norm(x, "norm"), "fc");
}

TEST(Forward, TheTransformerIsThatOfTheEquations) {
  torch::manual_seed(4);
  const torch::NoGradGuard no_gradient;
  const Transformer model;
  const torch::Tensor text = SomeText(3, 16, 11);
  const torch::Tensor logits = Forward(model.plan, text, model.parameters);
  EXPECT_EQ(logits.sizes(), torch::IntArrayRef({3, 16, 11}));
  EXPECT_LE(LargestDifference(logits, PlainTransformer(model, text)), 2e-5);
}

TEST(Forward, NoCharacterOfTheTransformerSeesThoseBehindIt) {
  torch::manual_seed(5);
  const torch::NoGradGuard no_gradient;
  const Transformer model;
  const torch::Tensor text = SomeText(2, 16, 10);
  torch::Tensor other = text.clone();
  other.slice(3, 9) += 1;
  const torch::Tensor one = Forward(model.plan, text, model.parameters);
  const torch::Tensor two = Forward(model.plan, other, model.parameters);
  EXPECT_EQ(LargestDifference(one.slice(1, 0, 9), two.slice(1, 0, 9)), 0);
  EXPECT_GT(LargestDifference(one.slice(1, 9), two.slice(1, 9)), 1e-3);
}

TEST(ToTorchScript, TheTransformerPredictsTheSameOfFloatsAndOfNumbers) {
  torch::manual_seed(6);
  const torch::NoGradGuard no_gradient;
  const Transformer model;
  std::istringstream file(ToTorchScript(model.plan, model.floats));
  torch::jit::Module module = torch::jit::load(file);
  const torch::Tensor text = SomeText(3, 16, 11);
  const torch::Tensor ours = Forward(model.plan, text, model.parameters);
  EXPECT_LE(LargestDifference(module.forward({text}).toTensor(), ours), 1e-5);
  const torch::Tensor numbers = text.flatten(1).to(torch::kLong);
  EXPECT_LE(LargestDifference(module.forward({numbers}).toTensor(), ours), 1e-5);
  // The first characters alone.
  EXPECT_LE(
      LargestDifference(module.forward({numbers.slice(1, 0, 5)}).toTensor(), ours.slice(1, 0, 5)),
      1e-5);
}

}  // namespace
}  // namespace actors
