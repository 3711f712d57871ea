#include "actors/training/digits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace actors {
namespace {

// If these change, every accuracy that was ever reported on digits is about another data set; if
// they differ between machines, members of a run refuse each other.
TEST(Digits, AreTheSameBytesOnEveryMachine) {
  const Dataset digits = DrawDigitsDataset();
  EXPECT_EQ(digits.train.size(), 60000u);
  EXPECT_EQ(digits.test.size(), 10000u);
  EXPECT_EQ(Fingerprint(digits.train), 918769808095316683u);
  EXPECT_EQ(Fingerprint(digits.test), 1515935139726712558u);
}

TEST(Digits, DependOnTheirNumberAlone) {
  const ImageSet all = DrawDigits(100, 50);
  const ImageSet tail = DrawDigits(130, 20);
  EXPECT_TRUE(std::equal(tail.pixels.begin(), tail.pixels.end(), all.image(30)));
  EXPECT_TRUE(std::equal(tail.labels.begin(), tail.labels.end(), all.labels.begin() + 30));
}

TEST(Digits, HoldEachClassAboutEquallyOften) {
  const ImageSet digits = DrawDigits(0, 10000);
  ASSERT_EQ(digits.pixels.size(), 10000u * kImagePixels);
  std::vector<int> counts(kImageClasses);
  for (const std::uint8_t label : digits.labels) ++counts.at(label);
  EXPECT_THAT(counts, testing::Each(testing::AllOf(testing::Gt(850), testing::Lt(1150))));
}

TEST(Digits, AreInkOnAMostlyEmptyGround) {
  const ImageSet digits = DrawDigits(0, 1000);
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const std::uint8_t* const image = digits.image(i);
    const auto inked =
        std::count_if(image, image + kImagePixels, [](std::uint8_t pixel) { return pixel > 100; });
    EXPECT_GT(inked, 15) << "digit " << i;
    EXPECT_LT(inked, static_cast<std::ptrdiff_t>(kImagePixels) / 2) << "digit " << i;
  }
}

TEST(Fingerprint, SeesPixelsAndLabels) {
  const ImageSet digits = DrawDigits(0, 10);
  ImageSet other_pixel = digits, other_label = digits;
  other_pixel.pixels[4000] ^= 1;
  other_label.labels[3] ^= 1;
  EXPECT_EQ(Fingerprint(digits), Fingerprint(DrawDigits(0, 10)));
  EXPECT_NE(Fingerprint(digits), Fingerprint(other_pixel));
  EXPECT_NE(Fingerprint(digits), Fingerprint(other_label));
}

}  // namespace
}  // namespace actors
