// The waiters of a Signal. They belong to a service of the io_context and not to the Signal: so
// a Signal may sit in the very coroutine frame that waits on it, may be destroyed while others
// wait, and may outlive the io_context, and in each case every frame is destroyed exactly once.
// One thread (that of the executor) except for construction before the threads run.
#include "net/signal.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>
#include <mutex>

namespace posthouse::net {

namespace {

class SignalService;

// A suspended coroutine in the list of its signal.
struct Waiter {
  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  virtual ~Waiter() = default;
  virtual void resume() = 0;  // on the coroutine's executor
  std::unique_ptr<Waiter> next;
};

template <class Handler>
struct HandlerWaiter final : Waiter {
  explicit HandlerWaiter(Handler&& h) : handler(std::move(h)) {}
  // Never inline: the notifier must not find its own state changed by the one it woke.
  void resume() override { asio::post(std::move(handler)); }
  Handler handler;
};

}  // namespace

struct SignalState : std::enable_shared_from_this<SignalState> {
  void push(std::unique_ptr<Waiter> waiter) {
    Waiter* added = waiter.get();
    (last == nullptr ? first : last->next) = std::move(waiter);
    last = added;
    ++size;
  }
  std::unique_ptr<Waiter> pop() {
    std::unique_ptr<Waiter> oldest = std::move(first);
    first = std::move(oldest->next);
    if (first == nullptr) {
      last = nullptr;
    }
    --size;
    return oldest;
  }

  std::unique_ptr<Waiter> first;
  Waiter* last = nullptr;
  std::size_t size = 0;

  // Guarded by the service.
  SignalService* service = nullptr;  // null once the io_context has shut down
  SignalState* previous = nullptr;
  SignalState* following = nullptr;
  std::shared_ptr<SignalState> orphan;  // itself, while waiters outlive the Signal
};

namespace {

// Knows every signal of one io_context and destroys what still waits at its end.
class SignalService final : public asio::execution_context::service {
 public:
  using key_type = SignalService;
  inline static asio::execution_context::id id;

  explicit SignalService(asio::execution_context& context)
      : asio::execution_context::service(context) {}

  void add(SignalState& state) {
    const std::lock_guard lock(mutex_);
    state.service = this;
    state.following = head_;
    if (head_ != nullptr) {
      head_->previous = &state;
    }
    head_ = &state;
  }

  void remove(SignalState& state) {
    const std::lock_guard lock(mutex_);
    unlink(state);
  }

 private:
  void unlink(SignalState& state) {
    (state.previous == nullptr ? head_ : state.previous->following) = state.following;
    if (state.following != nullptr) {
      state.following->previous = state.previous;
    }
    state.previous = state.following = nullptr;
    state.service = nullptr;
  }

  std::shared_ptr<SignalState> take_any() {
    const std::lock_guard lock(mutex_);
    if (head_ == nullptr) {
      return nullptr;
    }
    auto state = head_->shared_from_this();
    unlink(*state);
    state->orphan.reset();
    return state;
  }

  void shutdown() override {
    // A coroutine destroyed here may destroy further signals, which then call remove(): hence one
    // at a time and without the lock.
    while (const auto state = take_any()) {
      while (state->size > 0) {
        state->pop();
      }
    }
  }

  std::mutex mutex_;
  SignalState* head_ = nullptr;
};

}  // namespace

Signal::Signal(Executor executor) : state_(std::make_shared<SignalState>()) {
  asio::use_service<SignalService>(executor.context()).add(*state_);
}

Signal::~Signal() {
  if (state_->service == nullptr) {
    return;
  }
  if (state_->size > 0) {
    state_->orphan = state_;
  } else {
    state_->service->remove(*state_);
  }
}

Task<> Signal::wait() {
  // Captures nothing: g++ 12 destroys captures twice inside a co_await expression.
  auto enqueue = [](auto handler, const std::shared_ptr<SignalState>& state) {
    using Handler = decltype(handler);
    state->push(std::make_unique<HandlerWaiter<Handler>>(std::move(handler)));
  };
  co_await asio::async_initiate<const UseTask, void()>(enqueue, use_task, state_);
}

void Signal::notify_one() {
  if (state_->size > 0) {
    state_->pop()->resume();
  }
}

void Signal::notify_all() {
  // resume() only posts, so nobody can join the list meanwhile.
  while (state_->size > 0) {
    state_->pop()->resume();
  }
}

std::size_t Signal::waiting() const { return state_->size; }

}  // namespace posthouse::net
