// Binding and the accept loop. accept4(2) is called directly: it sets close-on-exec at once, it
// tells the peer, and several waiting connections are taken in one go.
#include "net/asio_listener.hpp"

#include <netinet/tcp.h>

#include <atomic>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <optional>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "net/asio_stream.hpp"
#include "net/socket_fd.hpp"

namespace posthouse::net {

namespace {

using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, Executor>;
using SteadyTimer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                               asio::wait_traits<std::chrono::steady_clock>, Executor>;

// LIMIT: connections taken before the others on this thread have their turn.
constexpr int kAcceptBatch = 64;
constexpr std::chrono::milliseconds kExhaustedPause(100);

// errno with a hint of what to do about it.
class ListenCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "listen"; }
  [[nodiscard]] std::string message(int value) const override {
    const std::string text = std::generic_category().message(value);
    switch (value) {
      case EADDRINUSE:
        return text + "; another server holds this port";
      case EACCES:
        return text + "; ports below 1024 are for root or CAP_NET_BIND_SERVICE";
      case EADDRNOTAVAIL:
        return text + "; no interface of this machine has this address";
      case EAFNOSUPPORT:
        return text + "; this machine has no such protocol, e.g. IPv6 is off";
      default:
        return text;
    }
  }
  [[nodiscard]] std::error_condition default_error_condition(int value) const noexcept override {
    return {value, std::generic_category()};
  }
};

base::Error listen_error(int code, const Endpoint& endpoint) {
  static const ListenCategory category;
  return {std::error_code(code, category), "listen", endpoint.text()};
}

bool set_flag(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

}  // namespace

struct Listener::State {
  UniqueFd fd;  // until serve()
  std::optional<Acceptor> acceptor;
  std::atomic<bool> stopped = false;
  Shards* shards = nullptr;
  Handler handler;
  bool exhausted = false;  // logged, and not yet over
};

base::Result<std::unique_ptr<Listener>> Listener::bind(const ListenOptions& options) {
  const Endpoint& endpoint = options.endpoint;
  SocketAddress address;
  const socklen_t length = to_socket_address(endpoint, address);
  UniqueFd fd(socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const bool is_v6 = address.any.sa_family == AF_INET6;
  if (!fd || !set_flag(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1) ||
      (is_v6 && !set_flag(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, options.v6_only ? 1 : 0)) ||
      ::bind(fd.get(), &address.any, length) != 0 || ::listen(fd.get(), options.backlog) != 0) {
    return tl::unexpected(listen_error(errno, endpoint));
  }
  auto state = std::make_shared<State>();
  state->fd = std::move(fd);
  return std::unique_ptr<Listener>(new Listener(std::move(state)));
}

Listener::Listener(std::shared_ptr<State> state)
    : state_(std::move(state)), local_(local_endpoint(state_->fd.get())) {}

Listener::~Listener() { stop(); }

namespace {

using StatePtr = std::shared_ptr<Listener::State>;

struct Accepted {
  UniqueFd fd;
  Endpoint peer;
};

// One waiting connection; without one errno in `error`.
Accepted accept_one(int fd, int& error) {
  SocketAddress address;
  std::memset(&address, 0, sizeof address);
  socklen_t length = sizeof address;
  Accepted accepted;
  accepted.fd = UniqueFd(accept4(fd, &address.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
  error = accepted.fd ? 0 : errno;
  accepted.peer = from_socket_address(address);
  return accepted;
}

void hand_over(const StatePtr& state, Accepted accepted) {
  const std::size_t index = state->shards->least_loaded();
  const Executor executor = state->shards->executor(index);
  // Counted now, so that a burst spreads over the shards.
  auto ticket = state->shards->count_connection(index);
  auto begin = [state, executor, accepted = std::move(accepted),
                ticket = std::move(ticket)]() mutable {
    auto stream = std::make_unique<AsioStream>(executor, std::move(accepted.fd), accepted.peer,
                                               std::move(ticket));
    state->handler(executor, std::move(stream));
  };
  asio::post(executor, std::move(begin));
}

void log_exhausted(Listener::State& state, int error) {
  if (!state.exhausted) {
    state.exhausted = true;
    base::log_event(base::LogLevel::error, "net", "-", "cannot accept connections for now",
                    {{"reason", std::generic_category().message(error)}});
  }
}

// Takes what waits. false: out of descriptors or memory.
bool accept_batch(const StatePtr& state) {
  for (int i = 0; i < kAcceptBatch; ++i) {
    int error = 0;
    Accepted accepted = accept_one(state->acceptor->native_handle(), error);
    if (error == 0) {
      state->exhausted = false;
      hand_over(state, std::move(accepted));
    } else if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
      log_exhausted(*state, error);
      return false;
    } else if (error == EAGAIN || error == EWOULDBLOCK) {
      break;
    }
    // Anything else belongs to one connection that is gone already (accept(2)): the next, please.
  }
  return true;
}

Task<> accept_loop(StatePtr state) {
  const Executor executor = co_await asio::this_coro::executor;
  while (!state->stopped) {
    co_await state->acceptor->async_wait(Acceptor::wait_read, use_tuple);
    if (state->stopped || accept_batch(state)) {
      continue;
    }
    SteadyTimer pause(executor);
    pause.expires_after(kExhaustedPause);
    co_await pause.async_wait(use_tuple);
  }
  state->acceptor.reset();
}

}  // namespace

void Listener::serve(Shards& shards, Handler handler) {
  PH_ASSERT(state_->shards == nullptr, "a listener serves once");
  const auto protocol = local_.address.is_v4() ? asio::ip::tcp::v4() : asio::ip::tcp::v6();
  state_->shards = &shards;
  state_->handler = std::move(handler);
  state_->acceptor.emplace(shards.executor(0), protocol, state_->fd.release());
  spawn(shards.executor(0), accept_loop(state_), "accept " + local_.text());
}

void Listener::stop() {
  if (state_->stopped.exchange(true)) {
    return;
  }
  if (state_->shards == nullptr) {
    state_->fd = UniqueFd();
    return;
  }
  asio::post(state_->shards->executor(0), [state = state_] {
    if (state->acceptor) {
      boost::system::error_code ignored;
      state->acceptor->close(ignored);
    }
  });
}

}  // namespace posthouse::net
