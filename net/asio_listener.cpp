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
using SteadyTimer =
    asio::basic_waitable_timer<std::chrono::steady_clock,
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

struct Listener::Serving {
  Serving(Shards& s, Handler h) : shards(s), handler(std::move(h)), acceptor(s.executor(0)) {}
  Shards& shards;
  Handler handler;
  Acceptor acceptor;
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
  return std::unique_ptr<Listener>(new Listener(std::move(fd)));
}

Listener::Listener(UniqueFd fd) : fd_(std::move(fd)), local_(local_endpoint(fd_.get())) {}

Listener::~Listener() { stop(); }

namespace {

using ServingPtr = std::shared_ptr<Listener::Serving>;

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

void hand_over(const ServingPtr& serving, Accepted accepted) {
  const std::size_t index = serving->shards.least_loaded();
  const Executor executor = serving->shards.executor(index);
  // Counted now, so that a burst spreads over the shards.
  auto ticket = serving->shards.count_connection(index);
  auto begin = [serving, executor, accepted = std::move(accepted),
                ticket = std::move(ticket)]() mutable {
    auto stream = std::make_unique<AsioStream>(executor, std::move(accepted.fd), accepted.peer,
                                               std::move(ticket));
    serving->handler(executor, std::move(stream));
  };
  asio::post(executor, std::move(begin));
}

void log_exhausted(Listener::Serving& serving, int error) {
  if (!serving.exhausted) {
    serving.exhausted = true;
    base::log_event(base::LogLevel::error, "net", "-", "cannot accept connections for now",
                    {{"reason", std::generic_category().message(error)}});
  }
}

// Takes what waits. false: out of descriptors or memory.
bool accept_batch(const ServingPtr& serving) {
  for (int i = 0; i < kAcceptBatch; ++i) {
    int error = 0;
    Accepted accepted = accept_one(serving->acceptor.native_handle(), error);
    if (error == 0) {
      serving->exhausted = false;
      hand_over(serving, std::move(accepted));
    } else if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
      log_exhausted(*serving, error);
      return false;
    } else if (error == EAGAIN || error == EWOULDBLOCK) {
      break;
    }
    // Anything else belongs to one connection that is gone already (accept(2)): the next, please.
  }
  return true;
}

// Ends when stop() has closed the socket.
Task<> accept_loop(ServingPtr serving) {
  const Executor executor = co_await asio::this_coro::executor;
  while (serving->acceptor.is_open()) {
    co_await serving->acceptor.async_wait(Acceptor::wait_read, use_tuple);
    if (!serving->acceptor.is_open() || accept_batch(serving)) {
      continue;
    }
    SteadyTimer pause(executor);
    pause.expires_after(kExhaustedPause);
    co_await pause.async_wait(use_tuple);
  }
}

}  // namespace

void Listener::serve(Shards& shards, Handler handler) {
  PH_ASSERT(fd_, "a listener serves once, and not after stop()");
  auto serving = std::make_shared<Serving>(shards, std::move(handler));
  const auto protocol = local_.address.is_v4() ? asio::ip::tcp::v4() : asio::ip::tcp::v6();
  serving->acceptor.assign(protocol, fd_.release());
  serving_ = serving;
  spawn(shards.executor(0), accept_loop(std::move(serving)), "accept " + local_.text());
}

void Listener::stop() {
  fd_ = UniqueFd();
  if (auto serving = serving_.lock()) {
    const Executor executor = serving->shards.executor(0);
    asio::post(executor, [serving = std::move(serving)] {
      boost::system::error_code ignored;
      serving->acceptor.close(ignored);
    });
  }
}

}  // namespace posthouse::net
