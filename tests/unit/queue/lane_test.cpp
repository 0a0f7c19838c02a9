// Lanes in virtual time: turns, windows, back-off, kicks, holds, and the two big queues.
#include "queue/lane.hpp"

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <map>
#include <set>

namespace posthouse::queue {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

base::MonoTime at(base::Duration since_start) { return base::MonoTime(hours(1)) + since_start; }

RcptRef ref(std::uint64_t message, std::uint32_t leaf = 0) {
  return {{message, message * 0x9e3779b97f4a7c15ULL}, leaf};
}

LaneResult all(const LaneAttempt& attempt, LaneOutcome outcome, base::Duration wait = {}) {
  LaneResult result;
  result.rcpts.assign(attempt.offers.size(), {outcome, wait});
  return result;
}
LaneResult no_contact(LaneContact contact = LaneContact::failed) {
  LaneResult result;
  result.contact = contact;
  result.reason = "connection refused";
  return result;
}

class LaneTest : public testing::Test {
 protected:
  void make(LaneOptions options = {}) {
    lanes_ = std::make_unique<Lanes>(options, schedule_, random_);
  }
  void SetUp() override { make(); }
  Lanes& lanes() { return *lanes_; }
  void add(std::string_view destination, std::uint64_t message, base::Duration when = {},
           std::uint32_t leaf = 0) {
    lanes().add({ref(message, leaf), destination, at(when)}, at(when));
  }
  LaneAttempt only(base::Duration when) {
    auto attempts = lanes().next(at(when));
    EXPECT_EQ(attempts.size(), 1U);
    return attempts.empty() ? LaneAttempt() : attempts.front();
  }
  std::vector<std::uint64_t> messages(const LaneAttempt& attempt) {
    std::vector<std::uint64_t> out;
    for (const LaneOffer& offer : attempt.offers) {
      out.push_back(offer.rcpt.id.time_us);
    }
    return out;
  }

  RetrySchedule schedule_;
  base::SeededRandom random_{1};
  std::unique_ptr<Lanes> lanes_;
};

using Numbers = std::vector<std::uint64_t>;

TEST_F(LaneTest, DeliversAndForgets) {
  EXPECT_EQ(lanes().wake_at(), std::nullopt);
  add("a.example", 1);
  EXPECT_EQ(lanes().wake_at(), at({}));
  const LaneAttempt attempt = only({});
  EXPECT_EQ(attempt.destination, "a.example");
  EXPECT_EQ(messages(attempt), Numbers{1});
  EXPECT_EQ(attempt.offers[0].failures, 0U);
  EXPECT_FALSE(attempt.probe);
  EXPECT_TRUE(lanes().next(at(hours(100))).empty());
  EXPECT_EQ(lanes().report(attempt.id, all(attempt, LaneOutcome::done), at(seconds(1))),
            std::nullopt);
  EXPECT_EQ(lanes().size(), 0U);
  EXPECT_EQ(lanes().connections(), 0U);
  EXPECT_EQ(lanes().wake_at(), std::nullopt);
}

TEST_F(LaneTest, DeferredComesBackAtItsTime) {
  add("a.example", 1);
  LaneAttempt attempt = only({});
  lanes().report(attempt.id, all(attempt, LaneOutcome::deferred, minutes(5)), at(seconds(10)));
  EXPECT_EQ(lanes().wake_at(), at(minutes(5) + seconds(10)));
  EXPECT_TRUE(lanes().next(at(minutes(5) + seconds(9))).empty());
  attempt = only(minutes(5) + seconds(10));
  EXPECT_EQ(attempt.offers[0].failures, 1U);
}

TEST_F(LaneTest, RecipientsOfOneMessageStandTogether) {
  for (std::uint32_t leaf = 0; leaf < 6; ++leaf) {
    add("a.example", 1 + leaf % 2, {}, leaf);
  }
  add("a.example", 3);
  // Two connections could share the work: 4 and 3, but message 2 is not torn apart.
  const auto attempts = lanes().next(at({}));
  ASSERT_EQ(attempts.size(), 2U);
  EXPECT_EQ(messages(attempts[0]), (Numbers{1, 1, 2, 2}));
  EXPECT_EQ(messages(attempts[1]), (Numbers{1, 2, 3}));
}

TEST_F(LaneTest, OneMessageIsOneTransaction) {
  for (std::uint32_t leaf = 0; leaf < 150; ++leaf) {
    add("a.example", 1, {}, leaf);
  }
  const auto attempts = lanes().next(at({}));
  ASSERT_EQ(attempts.size(), 2U);
  EXPECT_EQ(attempts[0].offers.size(), 100U);
  EXPECT_EQ(attempts[1].offers.size(), 50U);
}

TEST_F(LaneTest, WindowGrowsWithSuccess) {
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    add("a.example", i);
  }
  std::size_t most = 0;
  auto flying = lanes().next(at({}));
  EXPECT_EQ(flying.size(), 2U);
  for (int round = 0; round < 12; ++round) {
    for (const LaneAttempt& attempt : flying) {
      lanes().report(attempt.id, all(attempt, LaneOutcome::done), at({}));
    }
    flying = lanes().next(at({}));
    most = std::max(most, flying.size());
  }
  EXPECT_EQ(most, 20U);
}

TEST_F(LaneTest, BusyServerGetsFewer) {
  for (std::uint64_t i = 0; i < 1000; ++i) {
    add("a.example", i);
  }
  auto flying = lanes().next(at({}));
  ASSERT_EQ(flying.size(), 2U);
  EXPECT_EQ(lanes().report(flying[1].id, no_contact(LaneContact::busy), at({})), std::nullopt);
  EXPECT_TRUE(lanes().next(at({})).empty());
  EXPECT_EQ(lanes().view("a.example")->window, 1U);
  // The refused recipients are next, in their order, and nothing counts against them.
  lanes().report(flying[0].id, all(flying[0], LaneOutcome::done), at({}));
  const auto next = lanes().next(at({}));
  EXPECT_EQ(messages(next[0]), messages(flying[1]));
  EXPECT_EQ(next[0].offers[0].failures, 0U);
  // With no other connection, busy is down.
  for (const LaneAttempt& attempt : next) {
    lanes().report(attempt.id, no_contact(LaneContact::busy), at(seconds(1)));
  }
  EXPECT_TRUE(lanes().view("a.example")->probe_at.has_value());
}

TEST_F(LaneTest, FailureOfOneConnectionOfALiveLane) {
  for (std::uint64_t i = 0; i < 400; ++i) {
    add("a.example", i);
  }
  const auto flying = lanes().next(at({}));
  ASSERT_EQ(flying.size(), 2U);
  lanes().report(flying[0].id, all(flying[0], LaneOutcome::done), at(seconds(1)));
  EXPECT_EQ(lanes().report(flying[1].id, no_contact(), at(seconds(2))), std::nullopt);
  EXPECT_FALSE(lanes().view("a.example")->probe_at);
  const auto victim = lanes().view(flying[1].offers[0].rcpt);
  EXPECT_EQ(victim->state, LaneRcptView::State::deferred);
  EXPECT_EQ(victim->failures, 1U);
  EXPECT_GE(victim->next_try, at(seconds(62)));
  EXPECT_LE(victim->next_try, at(seconds(68)));
  EXPECT_FALSE(lanes().next(at(seconds(2))).empty());
}

TEST_F(LaneTest, DownLaneCountsForAllThatWereDue) {
  add("a.example", 1);
  add("a.example", 2);
  lanes().add({ref(3), "a.example", at(hours(3))}, at({}));
  const auto flying = lanes().next(at({}));
  ASSERT_EQ(flying.size(), 2U);
  add("a.example", 4);
  auto hint = lanes().report(flying[0].id, no_contact(), at(seconds(30)));
  ASSERT_TRUE(hint);
  EXPECT_EQ(hint->failures, 1U);
  EXPECT_GE(hint->probe_at, at(seconds(90)));
  EXPECT_LE(hint->probe_at, at(seconds(96)));
  // The second connection began before that: the same failure, not another.
  EXPECT_EQ(lanes().report(flying[1].id, no_contact(), at(seconds(31))), std::nullopt);
  EXPECT_EQ(lanes().view(ref(1))->failures, 1U);
  EXPECT_EQ(lanes().view(ref(2))->failures, 1U);
  EXPECT_EQ(lanes().view(ref(3))->failures, 0U);  // was not due
  EXPECT_EQ(lanes().view(ref(4))->failures, 1U);  // was due, and not with the carrier
  EXPECT_EQ(lanes().wake_at(), hint->probe_at);
  add("a.example", 5, seconds(60));
  EXPECT_EQ(lanes().wake_at(), hint->probe_at);  // new mail waits for the probe
  EXPECT_TRUE(lanes().next(hint->probe_at - seconds(1)).empty());
  auto probes = lanes().next(hint->probe_at);
  ASSERT_EQ(probes.size(), 1U);
  EXPECT_TRUE(probes[0].probe);
  EXPECT_EQ(messages(probes[0]), (Numbers{5, 4, 1, 2}));  // new mail before retries
  hint = lanes().report(probes[0].id, no_contact(), hint->probe_at + seconds(1));
  ASSERT_TRUE(hint);
  EXPECT_EQ(hint->failures, 2U);
  EXPECT_EQ(lanes().view(ref(5))->failures, 1U);
  EXPECT_EQ(lanes().view(ref(4))->failures, 2U);
  // It comes back: the window is open again.
  probes = lanes().next(hint->probe_at);
  ASSERT_EQ(probes.size(), 1U);
  hint = lanes().report(probes[0].id, all(probes[0], LaneOutcome::done), hint->probe_at);
  ASSERT_TRUE(hint);
  EXPECT_EQ(hint->failures, 0U);
  EXPECT_EQ(lanes().size(), 1U);
  EXPECT_EQ(lanes().wake_at(), at(hours(3)));
}

TEST_F(LaneTest, HintOfBeforeTheRestart) {
  lanes().restore("a.example", {3, at(minutes(5)), at(minutes(20))}, at(minutes(10)));
  lanes().add({ref(1), "a.example", at({}), 2}, at(minutes(10)));
  lanes().add({ref(2), "a.example", at(minutes(10))}, at(minutes(10)));
  EXPECT_EQ(lanes().view(ref(1))->failures, 5U);
  EXPECT_EQ(lanes().view(ref(2))->failures, 0U);
  EXPECT_EQ(lanes().wake_at(), at(minutes(20)));
  const LaneAttempt probe = only(minutes(20));
  EXPECT_TRUE(probe.probe);
  const auto hint = lanes().report(probe.id, no_contact(), at(minutes(20)));
  EXPECT_EQ(hint->failures, 4U);
  EXPECT_GE(hint->probe_at, at(minutes(50)));
}

TEST_F(LaneTest, NewMailBeforeRetriesButNotForEver) {
  LaneOptions options;
  options.max_rcpts = 1;
  options.max_window = 1;
  make(options);
  for (std::uint64_t i = 0; i < 5; ++i) {
    lanes().add({ref(100 + i), "a.example", at({}), 1}, at({}));
  }
  for (std::uint64_t i = 0; i < 40; ++i) {
    add("a.example", i);
  }
  Numbers order;
  for (int i = 0; i < 45; ++i) {
    const LaneAttempt attempt = only({});
    order.push_back(messages(attempt).at(0));
    lanes().report(attempt.id, all(attempt, LaneOutcome::done), at({}));
  }
  EXPECT_LT(order[0], 100U);
  std::size_t retries = 0;
  for (std::size_t i = 0; i < 25; ++i) {
    retries += order[i] >= 100 ? 1 : 0;
  }
  EXPECT_EQ(retries, 5U);  // each fifth
}

TEST_F(LaneTest, DestinationsTakeTurns) {
  LaneOptions options;
  options.max_rcpts = 1;
  options.max_connections = 1;
  make(options);
  const char* const names[] = {"a", "b", "c", "d"};
  for (std::uint64_t i = 0; i < 40; ++i) {
    add("a", i);  // much
    for (std::uint64_t lane = 1; lane < 4; ++lane) {
      if (i < 10) {
        add(names[lane], 1000 * lane + i);
      }
    }
  }
  std::string order;
  for (int i = 0; i < 40; ++i) {
    const LaneAttempt attempt = only({});
    order += attempt.destination;
    EXPECT_EQ(lanes().wake_at(), std::nullopt);  // no connection is free
    lanes().report(attempt.id, all(attempt, LaneOutcome::done), at({}));
  }
  for (std::size_t round = 0; round < 10; ++round) {
    std::string four = order.substr(4 * round, 4);
    std::sort(four.begin(), four.end());
    EXPECT_EQ(four, "abcd") << order;
  }
}

TEST_F(LaneTest, ConnectionGoesOnUnlessOthersNeedIt) {
  LaneOptions options;
  options.max_rcpts = 1;
  options.max_connections = 2;
  make(options);
  for (std::uint64_t i = 0; i < 6; ++i) {
    add("a", i);
  }
  const auto flying = lanes().next(at({}));
  ASSERT_EQ(flying.size(), 2U);
  auto more = lanes().report_and_continue(flying[0].id, all(flying[0], LaneOutcome::done), at({}));
  ASSERT_TRUE(more.attempt);
  EXPECT_EQ(messages(*more.attempt), Numbers{2});
  EXPECT_EQ(lanes().connections(), 2U);
  add("b", 100);
  more =
      lanes().report_and_continue(more.attempt->id, all(*more.attempt, LaneOutcome::done), at({}));
  EXPECT_FALSE(more.attempt);  // b's turn
  EXPECT_EQ(lanes().connections(), 1U);
  std::set<std::string> served;
  for (int i = 0; i < 2; ++i) {
    const LaneAttempt attempt = only({});
    served.insert(attempt.destination);
    lanes().report(attempt.id, all(attempt, LaneOutcome::done), at({}));
  }
  EXPECT_TRUE(served.contains("b"));
}

TEST_F(LaneTest, KickWakesAllOfADestination) {
  for (std::uint64_t i = 0; i < 50; ++i) {
    lanes().add({ref(i), "a.example", at(hours(i + 1)), 3}, at({}));
  }
  lanes().add({ref(99), "b.example", at(hours(1)), 3}, at({}));
  EXPECT_TRUE(lanes().hold(ref(7)));
  EXPECT_EQ(lanes().kick("c.example", at({})), 0U);
  EXPECT_EQ(lanes().kick("a.example", at(minutes(1))), 49U);
  EXPECT_EQ(lanes().wake_at(), at(minutes(1)));
  EXPECT_EQ(lanes().view(ref(30))->state, LaneRcptView::State::ready);
  const auto attempts = lanes().next(at(minutes(1)));
  ASSERT_EQ(attempts.size(), 2U);
  EXPECT_EQ(attempts[0].offers.size() + attempts[1].offers.size(), 49U);
  EXPECT_EQ(attempts[0].offers[0].failures, 3U);
  // It fails for all; what is removed meanwhile does not come back.
  EXPECT_FALSE(lanes().remove(attempts[0].offers[0].rcpt));
  lanes().report(attempts[0].id, no_contact(), at(minutes(2)));
  lanes().report(attempts[1].id, no_contact(), at(minutes(2)));
  EXPECT_EQ(lanes().size(), 50U);
  EXPECT_EQ(lanes().view(attempts[1].offers[0].rcpt)->failures, 4U);
  // A kick goes through the back-off.
  EXPECT_EQ(lanes().kick("a.example", at(minutes(2))), 48U);
  EXPECT_EQ(lanes().next(at(minutes(2))).size(), 1U);
}

TEST_F(LaneTest, KickTwiceAndAddBetween) {
  lanes().add({ref(1), "a", at(hours(1)), 1}, at({}));
  lanes().kick("a", at({}));
  lanes().add({ref(2), "a", at(hours(2)), 1}, at({}));
  EXPECT_EQ(lanes().view(ref(2))->state, LaneRcptView::State::deferred);
  lanes().kick("a", at({}));
  EXPECT_TRUE(lanes().remove(ref(1)));
  EXPECT_EQ(messages(only({})), Numbers{2});
}

TEST_F(LaneTest, KickOneRecipient) {
  for (std::uint64_t i = 0; i < 500; ++i) {
    add("a", i);
  }
  for (const LaneAttempt& attempt : lanes().next(at({}))) {
    lanes().report(attempt.id, no_contact(), at({}));
  }
  lanes().add({ref(1000), "a", at(hours(9)), 4}, at({}));
  EXPECT_TRUE(lanes().kick(ref(1000), at(seconds(1))));
  EXPECT_TRUE(lanes().kick(ref(400), at(seconds(1))));
  EXPECT_FALSE(lanes().kick(ref(5000), at(seconds(1))));
  const LaneAttempt probe = only(seconds(1));
  EXPECT_EQ(messages(probe)[0], 400U);
  EXPECT_EQ(probe.offers[0].failures, 1U);
  EXPECT_EQ(messages(probe)[1], 1000U);
  EXPECT_EQ(probe.offers[1].failures, 4U);
  EXPECT_FALSE(lanes().kick(ref(1000), at(seconds(1))));
}

TEST_F(LaneTest, HoldAndRelease) {
  add("a", 1);
  EXPECT_TRUE(lanes().hold(ref(1)));
  EXPECT_FALSE(lanes().hold(ref(2)));
  EXPECT_EQ(lanes().view(ref(1))->state, LaneRcptView::State::held);
  EXPECT_TRUE(lanes().next(at({})).empty());
  EXPECT_EQ(lanes().wake_at(), std::nullopt);
  EXPECT_TRUE(lanes().release(ref(1), at(minutes(1))));
  LaneAttempt attempt = only(minutes(1));
  // Held while with the carrier: kept afterwards, unless done.
  EXPECT_TRUE(lanes().hold(ref(1)));
  lanes().report(attempt.id, all(attempt, LaneOutcome::deferred, minutes(1)), at(minutes(2)));
  EXPECT_EQ(lanes().view(ref(1))->state, LaneRcptView::State::held);
  EXPECT_EQ(lanes().view(ref(1))->failures, 1U);
  EXPECT_TRUE(lanes().next(at(hours(9))).empty());
  EXPECT_TRUE(lanes().release(ref(1), at(hours(9))));
  attempt = only(hours(9));
  EXPECT_TRUE(lanes().hold(ref(1)));
  EXPECT_TRUE(lanes().release(ref(1), at(hours(9))));
  lanes().report(attempt.id, no_contact(), at(hours(9)));
  EXPECT_EQ(lanes().view(ref(1))->state, LaneRcptView::State::deferred);
  EXPECT_TRUE(lanes().hold(ref(1)));
  EXPECT_TRUE(lanes().remove(ref(1)));
  EXPECT_EQ(lanes().view("a")->held, 0U);
  EXPECT_EQ(lanes().size(), 0U);
}

TEST_F(LaneTest, SuspendedDestination) {
  lanes().suspend("a");
  add("a", 1);
  add("b", 2);
  EXPECT_EQ(only({}).destination, "b");
  EXPECT_EQ(lanes().wake_at(), std::nullopt);
  EXPECT_TRUE(lanes().view("a")->suspended);
  // ETRN lets pass what was there, and only that.
  EXPECT_EQ(lanes().kick("a", at({})), 1U);
  add("a", 3);
  LaneAttempt attempt = only({});
  EXPECT_EQ(messages(attempt), Numbers{1});
  lanes().report(attempt.id, all(attempt, LaneOutcome::deferred, minutes(1)), at({}));
  EXPECT_TRUE(lanes().next(at(hours(1))).empty());
  EXPECT_EQ(lanes().wake_at(), std::nullopt);
  lanes().resume("a", at(hours(1)));
  const auto attempts = lanes().next(at(hours(1)));
  EXPECT_EQ(attempts.size(), 2U);
  EXPECT_EQ(messages(attempts[0]), Numbers{3});
}

TEST_F(LaneTest, IdleLanesAreBounded) {
  LaneOptions options;
  options.idle_lanes = 3;
  make(options);
  for (std::uint64_t i = 0; i < 100; ++i) {
    add("d" + std::to_string(i), i);
    const LaneAttempt attempt = only({});
    lanes().report(attempt.id, all(attempt, LaneOutcome::done), at({}));
  }
  int known = 0;
  for (int i = 0; i < 100; ++i) {
    known += lanes().view("d" + std::to_string(i)) ? 1 : 0;
  }
  EXPECT_EQ(known, 3);
  EXPECT_TRUE(lanes().view("d99"));
  EXPECT_EQ(lanes().view("d99")->window, 3U);  // what was learned is kept
}

TEST_F(LaneTest, ListsLanes) {
  add("up", 1);
  add("down", 2);
  for (const LaneAttempt& attempt : lanes().next(at({}))) {
    if (attempt.destination == "down") {
      lanes().report(attempt.id, no_contact(), at({}));
    }
  }
  std::map<std::string, std::string> seen;
  lanes().for_each_lane([&](const LaneView& lane) {
    seen[std::string(lane.destination)] =
        std::string(lane.reason) + "/" + std::to_string(lane.recipients) + "/" +
        std::to_string(lane.active) + "/" + std::to_string(lane.connections);
  });
  EXPECT_EQ(seen, (std::map<std::string, std::string>{{"up", "/1/1/1"},
                                                      {"down", "connection refused/1/0/0"}}));
}

// Sanitizers bring an allocator of their own, which mallinfo2() knows nothing of.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kOtherAllocator = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kOtherAllocator = true;
#else
constexpr bool kOtherAllocator = false;
#endif
#else
constexpr bool kOtherAllocator = false;
#endif

// Octets this process has allocated.
std::size_t allocated() {
  const auto info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

TEST_F(LaneTest, HundredThousandForADeadHostAndAThousandForALiveOne) {
  constexpr std::uint64_t kDead = 100'000;
  constexpr std::uint64_t kLive = 1'000;
  const std::size_t before = allocated();
  for (std::uint64_t i = 0; i < kDead; ++i) {
    add("dead.example", i);
  }
  for (std::uint64_t i = 0; i < kLive; ++i) {
    add("live.example", kDead + i);
  }
  std::uint64_t connections = 0;
  std::uint64_t delivered = 0;
  base::Duration live_done{};
  base::Duration when{};
  while (when < hours(24)) {
    for (const LaneAttempt& attempt : lanes().next(at(when))) {
      if (attempt.destination == "live.example") {
        delivered += attempt.offers.size();
        lanes().report(attempt.id, all(attempt, LaneOutcome::done), at(when));
        live_done = when;
      } else {
        ++connections;
        lanes().report(attempt.id, no_contact(), at(when));
      }
    }
    const auto wake = lanes().wake_at();
    ASSERT_TRUE(wake);
    when = *wake - at({});
  }
  EXPECT_EQ(delivered, kLive);
  EXPECT_EQ(live_done, base::Duration(0));  // the dead host delays nobody
  EXPECT_LT(connections, 200U);
  EXPECT_GT(connections, 10U);
  RecordProperty("dead_host_connections", static_cast<int>(connections));
  // All of them are deferred now; each has counted every failure, the two connections of the
  // beginning as one.
  EXPECT_EQ(lanes().size(), kDead);
  EXPECT_EQ(lanes().view(ref(0))->failures, connections - 1);
  EXPECT_EQ(lanes().view(ref(kDead - 1))->failures, connections - 1);
  if (!kOtherAllocator) {
    const std::size_t octets = (allocated() - before) / kDead;
    RecordProperty("octets_per_deferred_recipient", static_cast<int>(octets));
    EXPECT_LT(octets, 100U);
    EXPECT_GT(octets, sizeof(RcptRef));
  }
}

// The other way to be deferred: each by its own reply, each with its own time.
TEST_F(LaneTest, HundredThousandDeferredOneByOne) {
  constexpr std::uint64_t kCount = 100'000;
  const std::size_t before = allocated();
  for (std::uint64_t i = 0; i < kCount; ++i) {
    lanes().add({ref(i), "d" + std::to_string(i % 1000), at(seconds(i)), 1}, at({}));
  }
  if (!kOtherAllocator) {
    EXPECT_LT((allocated() - before) / kCount, 100U);
  }
  std::uint64_t offered = 0;
  base::MonoTime last = at({});
  for (auto wake = lanes().wake_at(); wake; wake = lanes().wake_at()) {
    ASSERT_GE(*wake, last);
    last = *wake;
    const auto attempts = lanes().next(*wake);
    ASSERT_FALSE(attempts.empty());
    for (const LaneAttempt& attempt : attempts) {
      offered += attempt.offers.size();
      lanes().report(attempt.id, all(attempt, LaneOutcome::done), *wake);
    }
  }
  EXPECT_EQ(offered, kCount);
  EXPECT_EQ(lanes().size(), 0U);
}

}  // namespace
}  // namespace posthouse::queue
