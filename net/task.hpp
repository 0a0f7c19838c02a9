// The coroutine type of the program and the rules for using it (docs/decisions/0009-coroutines.md):
// every executor is that of a single-threaded io_context (a shard, the queue owner, or the
// simulator), operations report errors as values, and no full expression with co_await holds
// braces or a capturing lambda (g++ 12 destroys such temporaries twice). Nor may co_await stand
// directly in the condition of if, while, do or switch: g++ 12 loses the awaited frame there (a
// crash); put the result into a variable first, `if (const bool ok = co_await …; !ok)` is fine.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace posthouse::net {

namespace asio = boost::asio;

using Executor = asio::io_context::executor_type;

template <class T = void>
using Task = asio::awaitable<T, Executor>;

using UseTask = asio::use_awaitable_t<Executor>;
inline constexpr UseTask use_task{};
inline constexpr asio::as_tuple_t<UseTask> use_tuple{};

// Starts `task` on `executor`. An exception that leaves it is logged under `name` and ends that
// task alone. `on_exit` (may be empty) runs on the executor when the task has ended.
void spawn(const Executor& executor, Task<> task, std::string name,
           std::function<void()> on_exit = {});

// Runs `task` on `owner` and comes back to the caller's executor with its result; an exception
// comes back too. On the caller's own executor this is a plain co_await without a thread hop. The
// caller's frame stays alive meanwhile, so the task may refer to the caller's locals. Both
// io_contexts must be alive (running or not) until the call has returned or both are destroyed;
// Shards sees to that.
[[nodiscard]] Task<> run_on(Executor owner, Task<> task);

template <class T>
[[nodiscard]] Task<> store_result(Task<T> task, std::optional<T>& result) {
  result.emplace(co_await std::move(task));
}

template <class T>
[[nodiscard]] Task<T> run_on(Executor owner, Task<T> task) {
  const Executor current = co_await asio::this_coro::executor;
  if (&current.context() == &owner.context()) {
    co_return co_await std::move(task);
  }
  // Kept here and not sent through co_spawn, which asks for a default constructor.
  std::optional<T> result;
  Task<> storing = store_result(std::move(task), result);
  co_await run_on(owner, std::move(storing));
  co_return std::move(*result);
}

}  // namespace posthouse::net
