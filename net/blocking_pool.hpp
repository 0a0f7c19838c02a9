// The Blocking port on threads: a bounded pool for one kind of blocking work (mailbox files,
// password hashes, …). run() may be called on any executor; the caller is resumed there by one
// post after its job was executed on a pool thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "net/ports.hpp"

namespace posthouse::net {

struct BlockingPoolOptions {
  std::string name;              // what thread listings show, at most 12 characters
  std::size_t threads = 1;       // at least 1
  std::size_t max_waiting = 64;  // LIMIT: jobs queued beside those being executed
};

class BlockingPool final : public Blocking {
 public:
  explicit BlockingPool(BlockingPoolOptions options);
  // Executes what is queued and joins. The callers' io_contexts must still exist (stopped or not).
  ~BlockingPool() override;
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  [[nodiscard]] Task<bool> run(Job& job) override;

  // A queued call; implemented in blocking_pool.cpp.
  struct Call {
    explicit Call(Job& j) : job(j) {}
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    virtual ~Call() = default;
    virtual void finish() = 0;  // posts the result to the caller's executor
    Job& job;
    std::unique_ptr<Call> next;
  };

 private:
  [[nodiscard]] bool try_reserve();
  void submit(std::unique_ptr<Call> call);
  void work(std::size_t index);

  const BlockingPoolOptions options_;
  std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_.
  std::unique_ptr<Call> first_;
  Call* last_ = nullptr;
  std::size_t sleeping_ = 0;
  bool stopping_ = false;

  std::atomic<std::size_t> unfinished_ = 0;  // reserved, queued or executed; grows under mutex_

  std::vector<std::thread> threads_;
};

}  // namespace posthouse::net
