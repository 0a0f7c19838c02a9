// Queue and threads of a BlockingPool.
#include "net/blocking_pool.hpp"

#include <pthread.h>

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>

#include "base/assert.hpp"

namespace posthouse::net {

namespace {

template <class Handler>
struct HandlerCall final : BlockingPool::Call {
  HandlerCall(Job& j, Handler&& h) : Call(j), handler(std::move(h)) {}
  // To the executor of the waiting coroutine.
  void finish() override { asio::post(std::move(handler)); }
  Handler handler;
};

}  // namespace

BlockingPool::BlockingPool(BlockingPoolOptions options) : options_(std::move(options)) {
  PH_ASSERT(options_.threads > 0, "a blocking pool needs a thread");
  for (std::size_t i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this, i] { work(i); });
  }
}

BlockingPool::~BlockingPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

Task<bool> BlockingPool::run(Job& job) {
  if (!try_reserve()) {
    co_return false;
  }
  // Captures nothing: g++ 12 destroys captures twice inside a co_await expression.
  auto enqueue = [](auto handler, BlockingPool* pool, Job* work) {
    using Handler = decltype(handler);
    pool->submit(std::make_unique<HandlerCall<Handler>>(*work, std::move(handler)));
  };
  BlockingPool* const self = this;
  Job* const address = &job;
  co_await asio::async_initiate<const UseTask, void()>(enqueue, use_task, self, address);
  co_return true;
}

bool BlockingPool::try_reserve() {
  const std::lock_guard lock(mutex_);
  if (unfinished_.load() >= options_.threads + options_.max_waiting) {
    return false;
  }
  unfinished_.fetch_add(1);
  return true;
}

void BlockingPool::submit(std::unique_ptr<Call> call) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    Call* added = call.get();
    (last_ == nullptr ? first_ : last_->next) = std::move(call);
    last_ = added;
    wake = sleeping_ > 0;
  }
  // A thread that is awake looks at the queue again before it sleeps, so no wake-up is lost.
  if (wake) {
    wake_.notify_one();
  }
}

void BlockingPool::work(std::size_t index) {
  const std::string thread_name = options_.name.substr(0, 12) + "-" + std::to_string(index);
  pthread_setname_np(pthread_self(), thread_name.substr(0, 15).c_str());
  std::unique_lock lock(mutex_);
  for (;;) {
    if (first_ == nullptr) {
      if (stopping_) {
        return;
      }
      ++sleeping_;
      wake_.wait(lock);
      --sleeping_;
      continue;
    }
    std::unique_ptr<Call> call = std::move(first_);
    first_ = std::move(call->next);
    if (first_ == nullptr) {
      last_ = nullptr;
    }
    lock.unlock();
    call->job.execute();
    // First the place in the queue, then the caller: it may come back at once.
    unfinished_.fetch_sub(1);
    call->finish();
    call.reset();
    lock.lock();
  }
}

}  // namespace posthouse::net
