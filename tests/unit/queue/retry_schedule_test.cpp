// Retries, expiry and delay notices over virtual days.
#include "queue/retry_schedule.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace posthouse::queue {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

// The times of all failures of a message that never succeeds, from its arrival on.
std::vector<base::Duration> history(const RetrySchedule& schedule, bool null_sender,
                                    base::Random& random) {
  std::vector<base::Duration> tries{base::Duration(0)};
  for (;;) {
    const auto wait = schedule.next_wait(
        {static_cast<unsigned>(tries.size()), tries.back(), null_sender, {}}, random);
    if (!wait) {
      return tries;
    }
    tries.push_back(tries.back() + *wait);
  }
}

TEST(RetrySchedule, DefaultSchedule) {
  const RetrySchedule schedule;
  const base::Duration expected[] = {minutes(1), minutes(5), minutes(15), minutes(30),
                                     hours(1),   hours(2),   hours(2),    hours(2)};
  unsigned failures = 0;
  for (const base::Duration wait : expected) {
    EXPECT_EQ(schedule.base_wait(++failures), wait);
  }
  EXPECT_EQ(schedule.base_wait(1'000'000), hours(2));
}

// Five days, computed here from the documented rule: wait plus the seed's jitter of 0 to 10 % in
// whole seconds, and a last try when the time is over.
TEST(RetrySchedule, FiveDaysToTheSecond) {
  const std::int64_t waits[] = {60, 300, 900, 1800, 3600, 7200};
  for (const std::uint64_t seed : {1U, 2U, 77U}) {
    base::SeededRandom random(seed);
    const auto tries = history(RetrySchedule(), false, random);
    base::SeededRandom again(seed);
    std::int64_t at = 0;
    std::vector<std::int64_t> expected{0};
    while (at < 120 * 3600) {
      const std::int64_t wait = waits[std::min<std::size_t>(expected.size() - 1, 5)];
      at +=
          wait + static_cast<std::int64_t>(again.below(static_cast<std::uint64_t>(wait / 10 + 1)));
      expected.push_back(std::min<std::int64_t>(at, 120 * 3600));
    }
    ASSERT_EQ(tries.size(), expected.size());
    for (std::size_t i = 0; i < tries.size(); ++i) {
      EXPECT_EQ(tries[i], seconds(expected[i])) << seed << " try " << i;
    }
    EXPECT_LT(tries.size(), 70U);
  }
}

TEST(RetrySchedule, NullSenderEndsEarlier) {
  base::SeededRandom random(5);
  const auto tries = history(RetrySchedule(), true, random);
  EXPECT_EQ(tries.back(), hours(48));
  EXPECT_LT(tries[tries.size() - 2], hours(48));
}

TEST(RetrySchedule, SameSeedSameHistory) {
  base::SeededRandom one(9);
  base::SeededRandom two(9);
  base::SeededRandom other(10);
  const auto tries = history(RetrySchedule(), false, one);
  EXPECT_EQ(tries, history(RetrySchedule(), false, two));
  EXPECT_NE(tries, history(RetrySchedule(), false, other));
}

TEST(RetrySchedule, ExpiryAndWarning) {
  const base::WallTime arrival{hours(1000)};
  const RetrySchedule schedule;
  EXPECT_EQ(schedule.expires_at(arrival, false), arrival + hours(120));
  EXPECT_EQ(schedule.expires_at(arrival, true), arrival + hours(48));
  EXPECT_EQ(schedule.warn_at(arrival, false), arrival + hours(4));
  EXPECT_EQ(schedule.warn_at(arrival, true), std::nullopt);
  RetrySettings settings;
  settings.delay_warn = hours(0);
  EXPECT_EQ(RetrySchedule(settings).warn_at(arrival, false), std::nullopt);
  settings.delay_warn = hours(120);
  EXPECT_EQ(RetrySchedule(settings).warn_at(arrival, false), std::nullopt);
  base::SeededRandom random(1);
  EXPECT_EQ(schedule.next_wait({3, hours(120), false, {}}, random), std::nullopt);
  EXPECT_EQ(schedule.next_wait({3, hours(500), false, {}}, random), std::nullopt);
  EXPECT_EQ(schedule.next_wait({9, hours(120) - seconds(1), false, hours(1)}, random), seconds(1));
}

TEST(RetrySchedule, HintNeverShortens) {
  const RetrySchedule schedule;
  for (const std::int64_t hint : {-5, 0, 1, 59, 60, 100, 299, 7199, 7200, 7201, 999'999'999}) {
    for (unsigned failures = 1; failures < 9; ++failures) {
      base::SeededRandom random(3);
      base::SeededRandom same(3);
      const auto plain = schedule.next_wait({failures, hours(1), false, {}}, random);
      const auto hinted = schedule.next_wait({failures, hours(1), false, seconds(hint)}, same);
      EXPECT_EQ(*hinted, std::max(*plain, std::min<base::Duration>(seconds(hint), hours(2))));
    }
  }
}

RC_GTEST_PROP(RetrySchedule, WaitsStayWithinTheirBounds, (std::uint64_t seed)) {
  RetrySettings settings;
  settings.waits.clear();
  const auto drawn = *rc::gen::nonEmpty<std::vector<int>>(
      rc::gen::container<std::vector<int>>(rc::gen::inRange(1, 100'000)));
  for (const int wait : drawn) {
    settings.waits.emplace_back(seconds(wait));
  }
  const RetrySchedule schedule(settings);
  base::SeededRandom random(seed);
  for (unsigned failures = 1; failures < drawn.size() + 3; ++failures) {
    const auto base = schedule.base_wait(failures);
    RC_ASSERT(base == seconds(drawn[std::min<std::size_t>(failures, drawn.size()) - 1]));
    const auto wait = schedule.wait(failures, random);
    RC_ASSERT(wait >= base);
    RC_ASSERT(wait <= base + base / 10);
  }
}

}  // namespace
}  // namespace posthouse::queue
