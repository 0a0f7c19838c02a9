// Threads and io_contexts of the shards.
#include "net/shard.hpp"

#include <pthread.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <exception>

#include "base/assert.hpp"
#include "base/log.hpp"

namespace posthouse::net {

// The concurrency hint 1 keeps post() safe from other threads (the "unsafe" hints do not).
class Shards::Context : public asio::io_context {
 public:
  Context() : asio::io_context(1), work_(asio::make_work_guard(*this)) {}
  // Destroys what is suspended or queued but leaves the context usable by other destructors.
  void end() {
    work_.reset();
    shutdown();
  }

 private:
  asio::executor_work_guard<Executor> work_;
};

Shards::Shards(std::size_t count, std::string name) : name_(std::move(name)) {
  PH_ASSERT(count > 0, "a server needs at least one shard");
  for (std::size_t i = 0; i < count; ++i) {
    contexts_.push_back(std::make_unique<Context>());
    counts_.push_back(std::make_shared<std::atomic<std::size_t>>(0));
  }
}

Shards::~Shards() {
  stop();
  for (const auto& context : contexts_) {
    context->end();
  }
}

void Shards::run() {
  PH_ASSERT(threads_.empty(), "Shards::run() was called twice");
  for (std::size_t i = 0; i < contexts_.size(); ++i) {
    threads_.emplace_back([this, i] { run_one(i); });
  }
}

void Shards::run_one(std::size_t index) {
  const std::string thread_name = name_ + "-" + std::to_string(index);
  pthread_setname_np(pthread_self(), thread_name.substr(0, 15).c_str());
  for (;;) {
    try {
      contexts_[index]->run();
      return;
    } catch (const std::exception& e) {
      base::log_event(base::LogLevel::error, "net", "-", "handler ended by an exception",
                      {{"thread", thread_name}, {"reason", e.what()}});
    }
  }
}

void Shards::stop() {
  for (const auto& context : contexts_) {
    context->stop();
  }
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
}

Executor Shards::executor(std::size_t index) const { return contexts_[index]->get_executor(); }

void Shards::post(std::size_t index, std::function<void()> work) {
  asio::post(executor(index), std::move(work));
}

std::size_t Shards::least_loaded() {
  const std::size_t start = next_.fetch_add(1, std::memory_order_relaxed);
  std::size_t best = start % size();
  for (std::size_t i = 1; i < size(); ++i) {
    const std::size_t candidate = (start + i) % size();
    if (connections(candidate) < connections(best)) {
      best = candidate;
    }
  }
  return best;
}

ConnectionTicket Shards::count_connection(std::size_t index) {
  return ConnectionTicket(counts_[index]);
}

std::size_t Shards::connections(std::size_t index) const {
  return counts_[index]->load(std::memory_order_relaxed);
}

}  // namespace posthouse::net
