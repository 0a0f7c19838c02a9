// Connecting within a deadline; the addresses of this machine.
#include "net/asio_dialer.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <cstring>

#include "net/asio_stream.hpp"
#include "net/socket_fd.hpp"
#include "net/steady_time.hpp"

namespace posthouse::net {

namespace {

using base::Result;
using Socket = asio::basic_stream_socket<asio::ip::tcp, Executor>;
using SteadyTimer =
    asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, Executor>;

// What the waiting coroutine and its deadline share.
struct Attempt {
  explicit Attempt(const Executor& executor) : socket(executor), timer(executor) {}
  Socket socket;
  SteadyTimer timer;
  bool timed_out = false;
};

bool is_any(const IpAddress& address) {
  const auto& bytes = address.bytes();
  return address == IpAddress::v4(0) ||
         std::all_of(bytes.begin(), bytes.end(), [](auto octet) { return octet == 0; });
}

// A non-blocking socket bound to `source`; or errno.
int open_socket(const Endpoint& to, const std::optional<IpAddress>& source, UniqueFd& out) {
  const int family = to.address.is_v4() ? AF_INET : AF_INET6;
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) {
    return errno;
  }
  if (source) {
    // The port is chosen at connect(2), when it need only be unique for that peer.
    const int on = 1;
    setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    Endpoint from;
    from.address = *source;
    SocketAddress address;
    const socklen_t length = to_socket_address(from, address);
    if (::bind(fd.get(), &address.any, length) != 0) {
      return errno;
    }
  }
  out = std::move(fd);
  return 0;
}

void start_deadline(const std::shared_ptr<Attempt>& attempt, base::MonoTime deadline) {
  attempt->timer.expires_at(to_steady(deadline));
  attempt->timer.async_wait(
      [weak = std::weak_ptr<Attempt>(attempt)](const boost::system::error_code& code) {
        const auto late = weak.lock();
        if (late && !code && late->socket.is_open()) {
          late->timed_out = true;
          boost::system::error_code ignored;
          late->socket.close(ignored);
        }
      });
}

int pending_error(Socket& socket) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(socket.native_handle(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) {
    return errno;
  }
  return error;
}

// Starts connecting. 0: connected or on the way (`waiting` says which); or errno.
int start_connect(Attempt& attempt, const Endpoint& to, UniqueFd fd, bool& waiting) {
  SocketAddress address;
  const socklen_t length = to_socket_address(to, address);
  waiting = false;
  if (::connect(fd.get(), &address.any, length) != 0) {
    if (errno != EINPROGRESS && errno != EINTR) {
      return errno;
    }
    waiting = true;
  }
  boost::system::error_code failed;
  attempt.socket.assign(to.address.is_v4() ? asio::ip::tcp::v4() : asio::ip::tcp::v6(), fd.get(),
                        failed);
  if (failed) {
    return failed.value();
  }
  static_cast<void>(fd.release());
  return 0;
}

// Waits for the outcome of connect(2). An errno, ETIMEDOUT for the deadline, or 0.
Task<int> finish_connect(std::shared_ptr<Attempt> attempt, base::MonoTime deadline) {
  start_deadline(attempt, deadline);
  const auto waited = co_await attempt->socket.async_wait(Socket::wait_write, use_tuple);
  attempt->timer.cancel();
  if (attempt->timed_out || !attempt->socket.is_open()) {
    co_return ETIMEDOUT;
  }
  const boost::system::error_code code = std::get<0>(waited);
  co_return code ? code.value() : pending_error(attempt->socket);
}

}  // namespace

Task<Result<std::unique_ptr<Stream>>> AsioDialer::dial(Endpoint to, base::MonoTime deadline) {
  const std::optional<IpAddress> source =
      to.address.is_v4() ? options_.source_v4 : options_.source_v6;
  const std::string where = source ? "from " + source->text() + " to " + to.text() : to.text();
  const Executor executor = co_await asio::this_coro::executor;
  if (base::system_clock().mono() >= deadline) {
    co_return base::fail_errno(ETIMEDOUT, "connect", where);
  }
  UniqueFd fd;
  int error = open_socket(to, source, fd);
  const auto attempt = std::make_shared<Attempt>(executor);
  bool waiting = false;
  if (error == 0) {
    error = start_connect(*attempt, to, std::move(fd), waiting);
  }
  if (error == 0 && waiting) {
    error = co_await finish_connect(attempt, deadline);
  }
  if (error != 0) {
    co_return base::fail_errno(error, "connect", where);
  }
  boost::system::error_code failed;
  UniqueFd connected(attempt->socket.release(failed));
  if (failed) {
    co_return base::fail_errno(failed.value(), "connect", where);
  }
  std::unique_ptr<Stream> stream = std::make_unique<AsioStream>(executor, std::move(connected), to);
  co_return std::move(stream);
}

OwnEndpoints::OwnEndpoints(const std::vector<Endpoint>& listening) : listening_(listening) {
  const bool any = std::any_of(listening.begin(), listening.end(),
                               [](const Endpoint& e) { return is_any(e.address); });
  ifaddrs* list = nullptr;
  if (!any || getifaddrs(&list) != 0) {
    return;
  }
  for (const ifaddrs* item = list; item != nullptr; item = item->ifa_next) {
    if (item->ifa_addr == nullptr) {
      continue;
    }
    const int family = item->ifa_addr->sa_family;
    if (family == AF_INET || family == AF_INET6) {
      SocketAddress address;
      std::memset(&address, 0, sizeof address);
      std::memcpy(&address, item->ifa_addr,
                  family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
      machine_.push_back(from_socket_address(address).address);
    }
  }
  freeifaddrs(list);
}

bool OwnEndpoints::contains(const Endpoint& endpoint) const {
  const bool of_machine =
      endpoint.address.is_loopback() ||  // all of 127.0.0.0/8 is local
      std::find(machine_.begin(), machine_.end(), endpoint.address) != machine_.end();
  return std::any_of(listening_.begin(), listening_.end(), [&](const Endpoint& own) {
    if (own.port != endpoint.port) {
      return false;
    }
    if (own.address == endpoint.address) {
      return true;
    }
    // 0.0.0.0 takes IPv4 only; :: may take both.
    const bool v4_listener = own.address == IpAddress::v4(0);
    return is_any(own.address) && of_machine && (!v4_listener || endpoint.address.is_v4());
  });
}

bool OwnEndpoints::uses_port(std::uint16_t port) const {
  return std::any_of(listening_.begin(), listening_.end(),
                     [port](const Endpoint& own) { return own.port == port; });
}

}  // namespace posthouse::net
