// The Timer port on real time.
#include "net/asio_timer.hpp"

#include <boost/asio/basic_waitable_timer.hpp>

#include "net/steady_time.hpp"

namespace posthouse::net {

namespace {
using SteadyTimer =
    asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, Executor>;
}  // namespace

Task<> AsioTimer::sleep_until(base::MonoTime when) {
  const Executor executor = co_await asio::this_coro::executor;
  SteadyTimer timer(executor);
  timer.expires_at(to_steady(when));
  co_await timer.async_wait(use_tuple);
}

}  // namespace posthouse::net
