// Errors, times, random numbers, queue ids, secrets and assertions.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>

#include "base/assert.hpp"
#include "base/ids.hpp"
#include "base/random.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/text.hpp"
#include "base/time.hpp"

namespace posthouse::base {
namespace {

WallTime at_us(std::int64_t micros) { return WallTime(Duration(micros)); }

TEST(Error, ReadsAsOneSentence) {
  EXPECT_EQ(Error(fail_errno(EACCES, "open", "/etc/x").value()).message(),
            "open /etc/x: Permission denied");
  EXPECT_EQ(fail_errno(ENOSPC, "write").value().message(), "write: No space left on device");
  EXPECT_EQ(fail(std::errc::file_exists, "link").value().code, std::errc::file_exists);
}

TEST(AssertDeathTest, SaysWhatAndWhere) {
  EXPECT_DEATH(PH_ASSERT(1 > 2, "numbers are in order"),
               "internal error: numbers are in order \\(1 > 2\\) at .*values_test.cpp:[0-9]+");
}

TEST(Time, FormatsRfc3339) {
  EXPECT_EQ(format_rfc3339(at_us(0)), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_rfc3339(at_us(951'827'696'123'999)), "2000-02-29T12:34:56.123Z");
  EXPECT_EQ(format_rfc3339(at_us(-1)), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(format_rfc3339(at_us(4'102'444'799'999'999)), "2099-12-31T23:59:59.999Z");
}

TEST(Time, SystemClockMoves) {
  const Clock& clock = system_clock();
  const MonoTime before = clock.mono();
  MonoTime after = before;
  while (after == before) {
    after = clock.mono();
  }
  EXPECT_GT(after, before);
  EXPECT_GT(clock.wall(), at_us(1'600'000'000'000'000));
}

TEST(Random, SeedDecidesTheSequence) {
  SeededRandom one(7);
  SeededRandom same(7);
  SeededRandom other(8);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const auto value = one.next_u64();
    EXPECT_EQ(value, same.next_u64());
    differs = differs || value != other.next_u64();
  }
  EXPECT_TRUE(differs);
}

TEST(Random, FillsEveryOctet) {
  for (Random* random : std::initializer_list<Random*>{&system_random(), new SeededRandom(1)}) {
    std::array<std::byte, 37> seen{};
    for (int round = 0; round < 64; ++round) {
      std::array<std::byte, 37> octets{};
      random->fill(octets);
      std::transform(seen.begin(), seen.end(), octets.begin(), seen.begin(),
                     [](std::byte a, std::byte b) { return a | b; });
    }
    // Each of the 296 bits is set in one of 64 rounds, but for a chance of 2^-55.
    EXPECT_TRUE(
        std::all_of(seen.begin(), seen.end(), [](std::byte b) { return b == std::byte{255}; }));
    if (random != &system_random()) {
      delete random;
    }
  }
}

TEST(Random, BelowStaysBelowAndReachesAll) {
  SeededRandom random(3);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const auto value = random.below(10);
    ASSERT_LT(value, 10U);
    seen.insert(value);
  }
  EXPECT_EQ(seen.size(), 10U);
  EXPECT_EQ(random.below(1), 0U);
}

TEST(Ids, WrittenForm) {
  EXPECT_EQ(format_message_id({0, 0}), "000000000000000000000000");
  EXPECT_EQ(format_message_id({(std::uint64_t{1} << 55) - 1, ~std::uint64_t{0}}),
            "vvvvvvvvvvvfvvvvvvvvvvvv");
  EXPECT_EQ(format_message_id({32, 33}), "000000000100000000000011");
}

TEST(Ids, RefusesWhatIsNoId) {
  EXPECT_EQ(parse_message_id(""), std::nullopt);
  EXPECT_EQ(parse_message_id("00000000000000000000000"), std::nullopt);
  EXPECT_EQ(parse_message_id("0000000000000000000000000"), std::nullopt);
  EXPECT_EQ(parse_message_id("00000000000w000000000000"), std::nullopt);
  EXPECT_EQ(parse_message_id("../../../../../../etc/pw"), std::nullopt);
  EXPECT_EQ(parse_message_id("00000000000g000000000000"), std::nullopt);  // a 65th bit
  EXPECT_TRUE(parse_message_id("00000000000f000000000000"));
}

RC_GTEST_PROP(Ids, RoundTripAndSort, ()) {
  const auto time = rc::gen::inRange<std::uint64_t>(0, std::uint64_t{1} << 55);
  const MessageId a{*time, *rc::gen::arbitrary<std::uint64_t>()};
  const MessageId b{*time, *rc::gen::arbitrary<std::uint64_t>()};
  RC_ASSERT(parse_message_id(format_message_id(a)) == a);
  RC_ASSERT(parse_message_id(to_upper(format_message_id(a))) == a);
  RC_ASSERT((a < b) == (format_message_id(a) < format_message_id(b)));
}

TEST(Ids, NewIdsCarryTheTimeAndDiffer) {
  SeededRandom random(1);
  const MessageId a = new_message_id(at_us(1'700'000'000'000'000), random);
  const MessageId b = new_message_id(at_us(1'700'000'000'000'000), random);
  EXPECT_EQ(a.time_us, 1'700'000'000'000'000U);
  EXPECT_NE(a, b);
  EXPECT_EQ(new_message_id(at_us(-5), random).time_us, 1U);  // a clock before 1970
  EXPECT_FALSE(new_message_id(at_us(0), random).empty());
  EXPECT_TRUE(MessageId().empty());
}

TEST(Secret, WipesShortAndLongStrings) {
  std::string text = "a long secret that lies on the heap and not within the string itself";
  const std::string_view memory(text.data(), text.size());
  wipe(text);
  EXPECT_TRUE(text.empty());
  EXPECT_EQ(memory, std::string(memory.size(), '\0'));  // wipe keeps the memory
}

TEST(Secret, MovedFromIsEmpty) {
  std::string password = "pa55";
  Secret first(std::move(password));
  EXPECT_TRUE(password.empty());  // NOLINT(bugprone-use-after-move): wiping it is the promise
  Secret second(std::move(first));
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(second.view(), "pa55");
  first = std::move(second);
  EXPECT_EQ(first.view(), "pa55");
  EXPECT_TRUE(second.empty());  // NOLINT(bugprone-use-after-move)
}

}  // namespace
}  // namespace posthouse::base
