// Reading, writing, TLS and the deadline of a connection. What operations and the timer share is
// Core, kept alive by whoever is suspended, so that the stream itself may go at any time.
#include "net/asio_stream.hpp"

#include <netinet/tcp.h>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>

#include "base/assert.hpp"
#include "net/steady_time.hpp"
#include "net/tls_server.hpp"

namespace posthouse::net {

namespace {

using Socket = asio::basic_stream_socket<asio::ip::tcp, Executor>;
using SteadyTimer =
    asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, Executor>;

// LIMIT: one read. Also what a fast sender gets done before the others have their turn.
constexpr std::size_t kReadSize = 64 * 1024;
// Room for all plaintext of one read and of the partial record kept from before (RFC 8446 5.2).
constexpr std::size_t kPlainSize = kReadSize + 20 * 1024;
// LIMIT: encrypted and handed to the kernel at a time.
constexpr std::size_t kWriteSlice = 64 * 1024;
// LIMIT: unsent protocol answers of the TLS layer (key updates); more is an attack.
constexpr std::size_t kMaxUnsentAnswers = 64 * 1024;
// LIMIT: unread octets thrown away when closing.
constexpr std::size_t kMaxDrained = 256 * 1024;

// Of the thread; untouched pages of threads that never read cost nothing. They are used between
// two suspensions only, and in plain functions: g++ may keep the address over a suspension.
thread_local char wire_buffer[kReadSize];
thread_local char plain_buffer[kPlainSize];
thread_local std::string cipher_buffer;

}  // namespace

struct AsioStream::Core : std::enable_shared_from_this<Core> {
  Core(const Executor& executor, const Endpoint& p, ConnectionTicket t)
      : socket(executor), timer(executor), peer(p), ticket(std::move(t)) {}

  base::Error gone(std::string_view op) const {
    const bool late = timed_out || reads_expired;
    const auto code = late ? std::errc::timed_out : std::errc::operation_canceled;
    return {std::make_error_code(code), op, peer.text()};
  }
  base::Error system_error(int code, std::string_view op) const {
    return base::fail_errno(code, op, peer.text()).value();
  }
  base::Error tls_error(std::string_view op, const std::string& reason) const {
    return base::fail(std::errc::protocol_error, op, peer.text() + ", " + reason).value();
  }

  bool may_read() const { return !closed && !reads_expired; }

  void move_deadline(base::MonoTime when, bool only_reads);
  void arm(base::MonoTime when);
  void on_timer();
  void expire();
  void close_socket();

  // recv(2) into wire_buffer: the view, or nothing and errno in `error` (EAGAIN: not yet).
  std::string_view receive(int& error);
  // send(2) from the front of `data` until the kernel takes no more; an errno but EAGAIN, or 0.
  int send_some(std::string_view& data);
  // Sends cipher_buffer behind what is unsent; what the kernel does not take now stays in `unsent`.
  int send_cipher();
  int send_unsent();

  Socket socket;
  SteadyTimer timer;
  Endpoint peer;
  Endpoint local;
  base::MonoTime deadline = base::MonoTime::max();
  base::MonoTime armed_for = base::MonoTime::max();
  ConnectionTicket ticket;
  std::uint32_t timer_generation = 0;
  std::uint32_t blocked_writers = 0;
  bool closed = false;
  bool timed_out = false;      // closed by the deadline
  bool only_reads = false;     // the deadline ends reads and leaves the connection
  bool reads_expired = false;  // and has done so

  std::unique_ptr<TlsEngine> tls;
  std::string unread;  // ciphertext behind what was consumed so far
  std::string unsent;  // ciphertext that the kernel did not take
};

// Thousands of idle connections: this, a coroutine frame or two, and the kernel's part are all.
static_assert(sizeof(AsioStream::Core) <= 512);

void AsioStream::Core::move_deadline(base::MonoTime when, bool reads) {
  deadline = when;
  only_reads = reads;
  reads_expired = false;
  // The usual case, a later deadline, is a store: the armed timer looks again when it fires.
  if (!closed && when < armed_for) {
    arm(when);
  }
}

void AsioStream::Core::arm(base::MonoTime when) {
  armed_for = when;
  // A handler of the previous expiry may already be queued: it knows by its number.
  const std::uint32_t generation = ++timer_generation;
  timer.expires_at(to_steady(when));
  timer.async_wait([weak = weak_from_this(), generation](const boost::system::error_code&) {
    const auto core = weak.lock();
    if (core && core->timer_generation == generation) {
      core->on_timer();
    }
  });
}

void AsioStream::Core::on_timer() {
  armed_for = base::MonoTime::max();
  if (closed) {
    return;
  }
  if (base::system_clock().mono() >= deadline) {
    expire();
  } else if (deadline != base::MonoTime::max()) {
    arm(deadline);
  }
}

void AsioStream::Core::expire() {
  if (only_reads && !reads_expired && blocked_writers == 0) {
    reads_expired = true;
    boost::system::error_code ignored;
    socket.cancel(ignored);
  } else {
    timed_out = true;
    close_socket();
  }
}

void AsioStream::Core::close_socket() {
  closed = true;
  ++timer_generation;
  timer.cancel();
  boost::system::error_code ignored;
  socket.close(ignored);  // ends pending operations with operation_aborted
}

std::string_view AsioStream::Core::receive(int& error) {
  for (;;) {
    const ssize_t got = ::recv(socket.native_handle(), wire_buffer, kReadSize, MSG_DONTWAIT);
    if (got >= 0) {
      error = 0;
      return {wire_buffer, static_cast<std::size_t>(got)};
    }
    if (errno != EINTR) {
      error = errno == EWOULDBLOCK ? EAGAIN : errno;
      return {};
    }
  }
}

int AsioStream::Core::send_some(std::string_view& data) {
  while (!data.empty()) {
    const ssize_t sent =
        ::send(socket.native_handle(), data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) {
      data.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return 0;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

int AsioStream::Core::send_unsent() {
  std::string_view data = unsent;
  const int error = send_some(data);
  if (data.empty()) {
    std::string().swap(unsent);  // an idle connection keeps no buffer
  } else {
    unsent.erase(0, unsent.size() - data.size());
  }
  return error;
}

int AsioStream::Core::send_cipher() {
  if (!unsent.empty()) {
    unsent += cipher_buffer;
    return send_unsent();
  }
  std::string_view data = cipher_buffer;
  const int error = send_some(data);
  unsent = data;
  return error;
}

namespace {

using CorePtr = std::shared_ptr<AsioStream::Core>;

// An operation that was cancelled on an open socket: the deadline expired and was moved before the
// waiting coroutine had its turn. It waits again.
bool is_fatal(const boost::system::error_code& code) {
  return code && code != asio::error::operation_aborted;
}

// Waits until the socket is readable. false: it is closed or the deadline of reads has passed.
Task<bool> wait_readable(CorePtr core) {
  const auto waited = co_await core->socket.async_wait(Socket::wait_read, use_tuple);
  // The state decides and not the code: a closed socket may still report success.
  co_return core->may_read() && !is_fatal(std::get<0>(waited));
}

// Waits until the kernel takes more. false: the connection is closed.
Task<bool> wait_writable(CorePtr core) {
  if (core->reads_expired) {
    core->expire();  // nobody set a new deadline, so there is no time to wait
    co_return false;
  }
  ++core->blocked_writers;
  const auto waited = co_await core->socket.async_wait(Socket::wait_write, use_tuple);
  --core->blocked_writers;
  co_return !core->closed && !is_fatal(std::get<0>(waited));
}

// The reactor is asked before the kernel, for fairness, and because between two commands there is
// nothing to read yet: one wake-up, one recv(2) straight into the buffer that the caller sees.
Task<base::Result<std::string_view>> read_plain(CorePtr core) {
  while (core->may_read()) {
    const auto waited = co_await core->socket.async_wait(Socket::wait_read, use_tuple);
    if (!core->may_read() || is_fatal(std::get<0>(waited))) {
      break;
    }
    int error = 0;
    const std::string_view got = core->receive(error);
    if (error == 0) {
      co_return got;
    }
    if (error != EAGAIN) {
      co_return tl::unexpected(core->system_error(error, "read"));
    }
  }
  co_return tl::unexpected(core->gone("read"));
}

Task<base::Result<>> write_plain(CorePtr core, std::string_view data) {
  while (!core->closed) {
    const int error = core->send_some(data);
    if (error != 0) {
      co_return tl::unexpected(core->system_error(error, "write"));
    }
    if (data.empty()) {
      co_return base::Result<>();
    }
    const bool writable = co_await wait_writable(core);
    if (!writable) {
      break;
    }
  }
  co_return tl::unexpected(core->gone("write"));
}

// Brings cipher_buffer and what is unsent to the kernel.
Task<base::Result<>> flush(CorePtr core) {
  int error = core->send_cipher();
  while (error == 0 && !core->unsent.empty()) {
    const bool writable = co_await wait_writable(core);
    if (!writable) {
      co_return tl::unexpected(core->gone("write"));
    }
    error = core->send_unsent();
  }
  if (error != 0) {
    co_return tl::unexpected(core->system_error(error, "write"));
  }
  co_return base::Result<>();
}

// One step of reading TLS: decrypts `input` and sends what the layer has to answer. nullopt: more
// octets are needed.
std::optional<base::Result<std::string_view>> decrypt(AsioStream::Core& core,
                                                      std::string_view input) {
  std::size_t length = 0;
  cipher_buffer.clear();
  const TlsStatus status = core.tls->read(input, plain_buffer, length, cipher_buffer);
  // `input` may be a view of core.unread.
  std::string rest(input);
  core.unread.swap(rest);
  if (!cipher_buffer.empty() || !core.unsent.empty()) {
    // Not waited for: a reader that cannot send must go on reading, or both sides would stand.
    core.send_cipher();
    if (core.unsent.size() > kMaxUnsentAnswers) {
      return tl::unexpected(core.tls_error("read", "too many TLS key updates"));
    }
  }
  switch (status) {
    case TlsStatus::done:
      return std::string_view(plain_buffer, length);
    case TlsStatus::closed:
      return std::string_view();
    case TlsStatus::failed:
      return tl::unexpected(core.tls_error("read", core.tls->error()));
    case TlsStatus::want_input:
      break;
  }
  return std::nullopt;
}

Task<base::Result<std::string_view>> read_tls(CorePtr core) {
  if (core->may_read()) {
    // What came together with the handshake, or did not fit into the caller's view last time.
    auto result = decrypt(*core, core->unread);
    if (result) {
      co_return std::move(*result);
    }
  }
  while (core->may_read()) {
    const bool readable = co_await wait_readable(core);
    if (!readable) {
      break;
    }
    int error = 0;
    const std::string_view got = core->receive(error);
    if (error == EAGAIN) {
      continue;
    }
    if (error != 0) {
      co_return tl::unexpected(core->system_error(error, "read"));
    }
    if (got.empty()) {
      // The end without close_notify reads as the end: SMTP and POP3 frame their own messages.
      co_return std::string_view();
    }
    auto result = decrypt(*core, got);
    if (result) {
      co_return std::move(*result);
    }
  }
  co_return tl::unexpected(core->gone("read"));
}

bool encrypt(AsioStream::Core& core, std::string_view slice) {
  cipher_buffer.clear();
  return core.tls->write(slice, cipher_buffer) == TlsStatus::done;
}

Task<base::Result<>> write_tls(CorePtr core, std::string_view data) {
  while (!data.empty() && !core->closed) {
    const std::string_view slice = data.substr(0, kWriteSlice);
    if (!encrypt(*core, slice)) {
      co_return tl::unexpected(core->tls_error("write", core->tls->error()));
    }
    auto sent = co_await flush(core);
    if (!sent) {
      co_return sent;
    }
    data.remove_prefix(slice.size());
  }
  if (core->closed) {
    co_return tl::unexpected(core->gone("write"));
  }
  co_return base::Result<>();
}

TlsStatus step_handshake(AsioStream::Core& core, std::string_view input) {
  cipher_buffer.clear();
  const TlsStatus status = core.tls->handshake(input, cipher_buffer);
  core.unread = input;
  return status;
}

Task<base::Result<TlsInfo>> shake_hands(CorePtr core) {
  while (core->may_read()) {
    const bool readable = co_await wait_readable(core);
    if (!readable) {
      break;
    }
    int error = 0;
    const std::string_view got = core->receive(error);
    if (error == EAGAIN) {
      continue;
    }
    if (error != 0) {
      co_return tl::unexpected(core->system_error(error, "TLS handshake"));
    }
    if (got.empty()) {
      co_return tl::unexpected(core->system_error(ECONNRESET, "TLS handshake"));
    }
    const TlsStatus status = step_handshake(*core, got);
    if (status == TlsStatus::failed) {
      core->send_cipher();  // the alert, if the kernel takes it at once
      co_return tl::unexpected(core->tls_error("TLS handshake", core->tls->error()));
    }
    const auto sent = co_await flush(core);
    if (!sent) {
      co_return tl::unexpected(sent.error());
    }
    if (status == TlsStatus::done) {
      co_return core->tls->info();
    }
  }
  co_return tl::unexpected(core->gone("TLS handshake"));
}

// The client speaks first.
Task<base::Result<TlsInfo>> open_handshake(CorePtr core, std::shared_ptr<TlsClient> client,
                                           std::string name) {
  core->tls = client->new_engine(name);
  if (core->closed) {
    co_return tl::unexpected(core->gone("TLS handshake"));
  }
  if (step_handshake(*core, core->unread) == TlsStatus::failed) {
    co_return tl::unexpected(core->tls_error("TLS handshake", core->tls->error()));
  }
  const auto sent = co_await flush(core);
  if (!sent) {
    co_return tl::unexpected(sent.error());
  }
  co_return co_await shake_hands(core);
}

}  // namespace

AsioStream::AsioStream(const Executor& executor, UniqueFd fd, const Endpoint& peer,
                       ConnectionTicket ticket)
    : core_(std::make_shared<Core>(executor, peer, std::move(ticket))) {
  core_->local = local_endpoint(fd.get());
  const int on = 1;
  // Replies are complete when written; waiting for more (RFC 896) only delays the dialogue.
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const auto protocol = core_->local.address.is_v4() ? asio::ip::tcp::v4() : asio::ip::tcp::v6();
  boost::system::error_code failed;
  core_->socket.assign(protocol, fd.get(), failed);
  if (failed) {
    core_->closed = true;  // epoll is out of memory or watches: the first operation says so
  } else {
    static_cast<void>(fd.release());
  }
}

AsioStream::~AsioStream() { close(); }

Task<base::Result<std::string_view>> AsioStream::read() {
  return core_->tls ? read_tls(core_) : read_plain(core_);
}

Task<base::Result<>> AsioStream::write(std::string_view data) {
  return core_->tls ? write_tls(core_, data) : write_plain(core_, data);
}

Task<base::Result<TlsInfo>> AsioStream::start_tls(std::shared_ptr<TlsServer> server) {
  PH_ASSERT(!core_->tls, "TLS was started twice on one connection");
  auto* const openssl = dynamic_cast<OpenSslServer*>(server.get());
  PH_ASSERT(openssl != nullptr, "a TCP stream needs a TlsServer of make_tls_server()");
  core_->tls = openssl->new_engine();
  return shake_hands(core_);
}

Task<base::Result<TlsInfo>> AsioStream::start_tls_client(std::shared_ptr<TlsClient> client,
                                                         std::string name) {
  PH_ASSERT(!core_->tls, "TLS was started twice on one connection");
  PH_ASSERT(client != nullptr, "a TLS client without settings");
  return open_handshake(core_, std::move(client), std::move(name));
}

void AsioStream::set_deadline(base::MonoTime when) { core_->move_deadline(when, false); }
void AsioStream::set_soft_deadline(base::MonoTime when) { core_->move_deadline(when, true); }

void AsioStream::close() {
  Core& core = *core_;
  if (core.closed) {
    return;
  }
  if (core.tls && core.unsent.empty()) {
    cipher_buffer.clear();
    core.tls->close_notify(cipher_buffer);
    core.send_cipher();
  }
  // Unread octets would turn the close into a reset, which may overtake our last reply.
  std::size_t drained = 0;
  while (drained < kMaxDrained) {
    const ssize_t got =
        ::recv(core.socket.native_handle(), nullptr, kReadSize, MSG_DONTWAIT | MSG_TRUNC);
    if (got <= 0) {
      break;
    }
    drained += static_cast<std::size_t>(got);
  }
  core.close_socket();
}

const Endpoint& AsioStream::peer() const { return core_->peer; }
const Endpoint& AsioStream::local() const { return core_->local; }

}  // namespace posthouse::net
