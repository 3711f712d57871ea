#include "runtime/collective/hash_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

namespace runtime {
namespace {

TEST(HashTree, RootDoesNotDependOnPiecesOrTheirOrder) {
  std::mt19937 generator(7);
  for (const std::size_t floats : {1UL, 100UL, 16384UL, 16385UL, 200001UL}) {
    std::vector<float> values(floats);
    for (float& value : values) value = std::uniform_real_distribution<float>(-1, 1)(generator);
    for (const std::uint32_t world_size : {1U, 2U, 3U, 8U, 32U}) {
      const RingPlan plan(floats, world_size, kLeafBytes);
      std::vector<FloatRange> parts = plan.parts();
      std::shuffle(parts.begin(), parts.end(), generator);
      HashTree tree(99, values);
      for (const FloatRange& part : parts) {
        EXPECT_FALSE(tree.Complete());
        tree.Arrived(part, HashFloats(std::span(values).subspan(part.begin, part.size())));
      }
      ASSERT_TRUE(tree.Complete());
      EXPECT_EQ(tree.Root(), RootOf(99, values)) << floats << " floats, K = " << world_size;
    }
  }
}

TEST(HashTree, RootCoversLayoutLengthAndEveryLeaf) {
  std::vector<float> values(40000, 1.0F);
  const Hash128 root = RootOf(1, values);
  EXPECT_NE(root, RootOf(2, values));
  EXPECT_NE(root, RootOf(1, std::span(values).first(39999)));
  for (const std::size_t at : {0UL, 16384UL, 39999UL}) {
    values[at] = 2;
    EXPECT_NE(root, RootOf(1, values)) << at;
    values[at] = 1;
  }
}

}  // namespace
}  // namespace runtime
