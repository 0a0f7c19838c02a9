// Starting coroutines: on an executor for good (spawn) and on another executor with the result
// brought back (run_on). Called from any thread; everything that can fail inside the coroutine is
// caught at its root and ends that coroutine alone.
#include "net/task.hpp"

#include <boost/asio/co_spawn.hpp>
#include <exception>

#include "base/log.hpp"

namespace posthouse::net {

namespace {

std::string describe(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "an exception of an unknown type";
  }
}

}  // namespace

void spawn(const Executor& executor, Task<> task, std::string name, std::function<void()> on_exit) {
  auto ended = [name = std::move(name), on_exit = std::move(on_exit)](std::exception_ptr failure) {
    if (failure) {
      base::log_event(base::LogLevel::error, "net", "-", "task ended by an exception",
                      {{"task", name}, {"reason", describe(failure)}});
    }
    if (on_exit) {
      on_exit();
    }
  };
  asio::co_spawn(executor, std::move(task), std::move(ended));
}

Task<> run_on(Executor owner, Task<> task) {
  const Executor current = co_await asio::this_coro::executor;
  if (&current.context() == &owner.context()) {
    co_await std::move(task);
  } else {
    co_await asio::co_spawn(owner, std::move(task), use_task);
  }
}

}  // namespace posthouse::net
