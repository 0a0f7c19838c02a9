// The threads of the program that run coroutines: N single-threaded io_contexts (shards). A
// connection lives and dies on one of them. Also says how many connections each carries, so that
// the listener can choose. Made by app/ before the threads start; executor(), post() and the
// connection counts may be used from any thread.
//
// Order at the end: stop(), then destroy what owns pool threads (BlockingPool), then Shards. The
// destructor shuts all contexts down before it frees the first, because coroutines of one shard
// may be suspended inside another (run_on).
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "net/task.hpp"

namespace posthouse::net {

// One open connection, counted for its shard until destroyed.
class ConnectionTicket {
 public:
  ConnectionTicket() = default;
  explicit ConnectionTicket(std::shared_ptr<std::atomic<std::size_t>> count)
      : count_(std::move(count)) {
    count_->fetch_add(1, std::memory_order_relaxed);
  }
  ConnectionTicket(ConnectionTicket&& other) noexcept = default;
  ConnectionTicket& operator=(ConnectionTicket&& other) noexcept {
    std::swap(count_, other.count_);
    return *this;
  }
  ~ConnectionTicket() {
    if (count_) {
      count_->fetch_sub(1, std::memory_order_relaxed);
    }
  }

 private:
  std::shared_ptr<std::atomic<std::size_t>> count_;
};

class Shards {
 public:
  // `name` is what thread listings show ("shard" gives shard-0, shard-1, …).
  explicit Shards(std::size_t count, std::string name = "shard");
  ~Shards();
  Shards(const Shards&) = delete;
  Shards& operator=(const Shards&) = delete;

  // Starts the threads. An exception out of a handler is logged and its shard goes on.
  void run();
  // Ends the loops and joins the threads; coroutines still suspended stay so until the
  // destructor. Idempotent; never from a shard's own thread.
  void stop();

  [[nodiscard]] std::size_t size() const { return contexts_.size(); }
  [[nodiscard]] Executor executor(std::size_t index) const;
  // Runs `work` on a shard's thread, never inline.
  void post(std::size_t index, std::function<void()> work);

  // The shard with the fewest connections; ties go round.
  [[nodiscard]] std::size_t least_loaded();
  [[nodiscard]] ConnectionTicket count_connection(std::size_t index);
  [[nodiscard]] std::size_t connections(std::size_t index) const;

 private:
  class Context;
  void run_one(std::size_t index);

  std::string name_;
  std::vector<std::unique_ptr<Context>> contexts_;
  std::vector<std::shared_ptr<std::atomic<std::size_t>>> counts_;
  std::vector<std::thread> threads_;
  std::atomic<std::size_t> next_ = 0;
};

}  // namespace posthouse::net
