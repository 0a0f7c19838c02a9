// Signal on a bare io_context that the test turns by hand, so that order is exact.
#include "net/signal.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace posthouse::net {
namespace {

// Counts the coroutine frames that are alive.
class Alive {
 public:
  explicit Alive(int* count) : count_(count) { ++*count_; }
  Alive(const Alive&) = delete;
  Alive& operator=(const Alive&) = delete;
  ~Alive() { --*count_; }

 private:
  int* count_;
};

Task<> wait_and_note(Signal* signal, std::vector<int>* order, int number, int* alive) {
  const Alive guard(alive);
  co_await signal->wait();
  order->push_back(number);
}

struct SignalTest : testing::Test {
  void start(int number) {
    spawn(context->get_executor(), wait_and_note(signal.get(), &order, number, &alive), "waiter");
    context->poll();
  }

  std::unique_ptr<asio::io_context> context = std::make_unique<asio::io_context>(1);
  std::unique_ptr<Signal> signal = std::make_unique<Signal>(context->get_executor());
  std::vector<int> order;
  int alive = 0;
};

TEST_F(SignalTest, NotifyOneWakesTheOldest) {
  start(1);
  start(2);
  start(3);
  EXPECT_EQ(signal->waiting(), 3U);
  signal->notify_one();
  EXPECT_EQ(signal->waiting(), 2U);
  context->poll();
  EXPECT_EQ(order, std::vector({1}));
  signal->notify_one();
  signal->notify_one();
  context->poll();
  EXPECT_EQ(order, std::vector({1, 2, 3}));
  EXPECT_EQ(alive, 0);
}

TEST_F(SignalTest, NotifyAllWakesAllInOrder) {
  start(1);
  start(2);
  signal->notify_all();
  EXPECT_EQ(signal->waiting(), 0U);
  context->poll();
  EXPECT_EQ(order, std::vector({1, 2}));
}

TEST_F(SignalTest, WaitersAreNeverResumedInline) {
  start(1);
  signal->notify_all();
  EXPECT_TRUE(order.empty());
  context->poll();
  EXPECT_EQ(order, std::vector({1}));
}

TEST_F(SignalTest, ANotifyWithoutWaiterIsForgotten) {
  signal->notify_one();
  signal->notify_all();
  start(1);
  context->poll();
  EXPECT_TRUE(order.empty());
  EXPECT_EQ(signal->waiting(), 1U);
}

TEST_F(SignalTest, WaitersJoiningAfterANotifyWaitForTheNext) {
  start(1);
  signal->notify_all();
  spawn(context->get_executor(), wait_and_note(signal.get(), &order, 2, &alive), "waiter");
  context->poll();
  EXPECT_EQ(order, std::vector({1}));
  EXPECT_EQ(signal->waiting(), 1U);
}

TEST_F(SignalTest, WaitersOfADestroyedSignalDieWithTheContext) {
  start(1);
  start(2);
  signal.reset();
  context->poll();
  EXPECT_EQ(alive, 2);
  context.reset();
  EXPECT_EQ(alive, 0);
  EXPECT_TRUE(order.empty());
}

TEST_F(SignalTest, TheSignalMayOutliveItsContext) {
  start(1);
  context.reset();
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(signal->waiting(), 0U);
  signal.reset();
}

TEST_F(SignalTest, AResumedWaiterDoesNotNeedTheSignal) {
  start(1);
  signal->notify_all();
  signal.reset();
  context->poll();
  EXPECT_EQ(order, std::vector({1}));
}

// The signal lives in the frame that waits on it: destroying either must not miss the other.
Task<> wait_on_own_signal(int* alive) {
  const Alive guard(alive);
  const Executor executor = co_await asio::this_coro::executor;
  Signal own(executor);
  Signal another(executor);
  co_await own.wait();
}

TEST_F(SignalTest, ASignalInsideTheWaitingFrameIsDestroyedOnce) {
  spawn(context->get_executor(), wait_on_own_signal(&alive), "own");
  context->poll();
  EXPECT_EQ(alive, 1);
  context.reset();
  EXPECT_EQ(alive, 0);
}

Task<> throw_something(int* alive) {
  const Alive guard(alive);
  co_await asio::this_coro::executor;
  throw std::runtime_error("as planned");
}

TEST_F(SignalTest, SpawnSurvivesAnExceptionAndCallsOnExit) {
  bool ended = false;
  spawn(context->get_executor(), throw_something(&alive), "thrower", [&ended] { ended = true; });
  context->poll();
  EXPECT_TRUE(ended);
  EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace posthouse::net
