// A wait point between coroutines of one executor: wait() suspends until the next notify.
// Single-threaded: wait() and notify_*() are called on the owning executor's thread only.
// Spurious wake-ups do not happen, but a notify without a waiter is not remembered: test the
// condition in a loop around wait().
#pragma once

#include <cstddef>
#include <memory>

#include "net/task.hpp"

namespace posthouse::net {

struct SignalState;  // signal.cpp

class Signal {
 public:
  explicit Signal(Executor executor);
  // Waiters still suspended are never resumed; their coroutines are destroyed with their
  // io_context. The Signal itself may outlive that io_context.
  ~Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  [[nodiscard]] Task<> wait();
  void notify_one();  // resumes the oldest waiter, through a post
  void notify_all();
  [[nodiscard]] std::size_t waiting() const;

 private:
  std::shared_ptr<SignalState> state_;
};

}  // namespace posthouse::net
