// How c-ares 1.18 is driven: it calls our socket functions, so that descriptors are opened, watched
// and closed by Asio alone; after every call into it the waits and the timer are set anew; its
// callbacks only store results and wake coroutines through a post, so that nothing calls it again
// from inside.
#include "net/dns_channel.hpp"

#include <ares.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include <algorithm>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <set>
#include <vector>

#include "base/assert.hpp"
#include "base/random.hpp"
#include "net/socket_fd.hpp"

namespace posthouse::net {

namespace {

using base::Result;
using Channel = CaresResolver::Channel;
using Descriptor = asio::posix::basic_stream_descriptor<Executor>;
using SteadyTimer =
    asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, Executor>;

// LIMIT: queries on the wire; more wait for their turn. Identifiers must stay hard to guess, and
// c-ares walks over all queries to find the next time-out. Names whose servers are silent hold
// their place for the whole time-out, so it must not be small either.
constexpr std::size_t kMaxInFlight = 1000;
// Answers to a burst of questions come as a burst; the kernel may grant less.
constexpr int kReceiveBuffer = 1024 * 1024;
constexpr std::size_t kHeaderSize = 12;

// Ends the channels of an io_context before its reactor and timers go.
class ChannelService final : public asio::execution_context::service {
 public:
  using key_type = ChannelService;
  inline static asio::execution_context::id id;

  explicit ChannelService(asio::execution_context& context)
      : asio::execution_context::service(context) {}
  void add(Channel& channel) { channels_.insert(&channel); }
  void remove(Channel& channel) { channels_.erase(&channel); }

 private:
  void shutdown() override {
    while (!channels_.empty()) {
      // It may be the coroutines alone that keep the channel: end() must not lose it halfway.
      const auto channel = (*channels_.begin())->shared_from_this();
      channel->end();
    }
  }
  std::set<Channel*> channels_;
};

}  // namespace

struct Channel::Socket {
  Socket(const Executor& executor, int number) : descriptor(executor), fd(number) {}
  Descriptor descriptor;
  int fd;
  bool want_read = false;
  bool want_write = false;
  bool reading = false;  // a wait is pending
  bool writing = false;
  bool closed = false;
};

struct Channel::Clockwork {
  explicit Clockwork(const Executor& executor) : timer(executor), descriptor(executor) {}
  SteadyTimer timer;
  std::uint64_t generation = 0;
  // Never opened: its service must exist before ours, so that it is shut down later.
  Descriptor descriptor;
};

// The C side. `data` is the Channel.
struct Channel::Callbacks {
  static ares_socket_t open(int domain, int type, int protocol, void* data) {
    auto& channel = *static_cast<Channel*>(data);
    const int fd = ::socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (fd < 0) {
      return ARES_SOCKET_BAD;
    }
    if (type == SOCK_DGRAM) {
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
    }
    auto socket = std::make_shared<Socket>(channel.executor_, fd);
    boost::system::error_code failed;
    socket->descriptor.assign(fd, failed);
    if (failed) {
      ::close(fd);
      errno = failed.value();
      return ARES_SOCKET_BAD;
    }
    channel.sockets_[fd] = std::move(socket);
    return fd;
  }

  static int close(ares_socket_t fd, void* data) {
    auto& channel = *static_cast<Channel*>(data);
    const auto found = channel.sockets_.find(fd);
    PH_ASSERT(found != channel.sockets_.end(), "c-ares closes a socket that is not open");
    found->second->closed = true;
    boost::system::error_code ignored;
    found->second->descriptor.close(ignored);  // ends the waits, then closes
    channel.sockets_.erase(found);
    return 0;
  }

  static int connect(ares_socket_t fd, const sockaddr* address, ares_socklen_t size, void*) {
    return ::connect(fd, address, size);
  }

  static ares_ssize_t receive(ares_socket_t fd, void* buffer, size_t size, int flags,
                              sockaddr* from, ares_socklen_t* from_size, void* data) {
    const ssize_t got = ::recvfrom(fd, buffer, size, flags, from, from_size);
    if (got > 0) {
      static_cast<Channel*>(data)->note_refusal(buffer, static_cast<std::size_t>(got));
    }
    return got;
  }

  static ares_ssize_t send(ares_socket_t fd, const iovec* parts, int count, void*) {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = static_cast<std::size_t>(count);
    return ::sendmsg(fd, &message, MSG_NOSIGNAL);
  }

  static void on_socket_state(void* data, ares_socket_t fd, int readable, int writable) {
    auto& channel = *static_cast<Channel*>(data);
    const auto found = channel.sockets_.find(fd);
    if (found != channel.sockets_.end()) {
      found->second->want_read = readable != 0;
      found->second->want_write = writable != 0;
    }
  }

  static void on_answer(void* data, int status, int, unsigned char* packet, int size) {
    // While the channel is destroyed end() finishes the queries itself.
    if (status == ARES_EDESTRUCTION) {
      return;
    }
    auto& query = *static_cast<DnsQuery*>(data);
    if (packet != nullptr && size > 0) {
      query.packet.assign(reinterpret_cast<const char*>(packet), static_cast<std::size_t>(size));
    }
    query.channel->finish(query, status);
  }
};

Result<std::shared_ptr<Channel>> Channel::make(const Executor& executor,
                                               const CaresOptions& options) {
  std::shared_ptr<Channel> channel(new Channel(executor));
  const auto opened = channel->open(options);
  if (!opened) {
    channel->end();
    return tl::unexpected(opened.error());
  }
  return channel;
}

Channel::Channel(const Executor& executor)
    : executor_(executor), clockwork_(std::make_unique<Clockwork>(executor)), room_(executor) {
  asio::use_service<ChannelService>(executor_.context()).add(*this);
}

Channel::~Channel() { end(); }

namespace {

base::Error ares_error(int status, std::string_view op) {
  const auto code = status == ARES_ENOMEM ? std::errc::not_enough_memory : std::errc::io_error;
  return base::fail(code, op, ares_strerror(status)).value();
}

// How many servers the system's configuration names.
Result<std::size_t> count_system_servers() {
  ares_channel channel = nullptr;
  const int status = ares_init(&channel);
  if (status != ARES_SUCCESS) {
    return tl::unexpected(ares_error(status, "read the DNS configuration"));
  }
  ares_addr_port_node* servers = nullptr;
  std::size_t count = 0;
  if (ares_get_servers_ports(channel, &servers) == ARES_SUCCESS) {
    for (const auto* server = servers; server != nullptr; server = server->next) {
      ++count;
    }
    ares_free_data(servers);
  }
  ares_destroy(channel);
  return std::max<std::size_t>(count, 1);
}

// c-ares waits `first` for every server, then twice that in the next round, and so on.
int first_time_out_ms(const CaresOptions& options, std::size_t servers, int tries) {
  const auto whole = std::chrono::duration_cast<std::chrono::milliseconds>(options.time_out);
  const auto rounds = static_cast<std::int64_t>((1U << static_cast<unsigned>(tries)) - 1);
  const std::int64_t first = whole.count() / (rounds * static_cast<std::int64_t>(servers));
  return static_cast<int>(std::clamp<std::int64_t>(first, 20, 3'600'000));
}

}  // namespace

Result<> Channel::open(const CaresOptions& options) {
  static const int library = ares_library_init(ARES_LIB_INIT_ALL);
  PH_ASSERT(library == ARES_SUCCESS, "c-ares did not start");
  std::size_t servers = options.servers.size();
  if (servers == 0) {
    const auto counted = count_system_servers();
    if (!counted) {
      return tl::unexpected(counted.error());
    }
    servers = *counted;
  }
  ares_options settings{};
  settings.flags = 0;  // no EDNS: over 512 octets c-ares asks again by TCP
  settings.tries = std::clamp(options.tries, 1, 8);
  settings.timeout = first_time_out_ms(options, servers, settings.tries);
  settings.sock_state_cb = &Callbacks::on_socket_state;
  settings.sock_state_cb_data = this;
  const int status = ares_init_options(
      &ares_, &settings,
      ARES_OPT_FLAGS | ARES_OPT_TRIES | ARES_OPT_TIMEOUTMS | ARES_OPT_SOCK_STATE_CB);
  if (status != ARES_SUCCESS) {
    ares_ = nullptr;
    return tl::unexpected(ares_error(status, "start DNS"));
  }
  static constexpr ares_socket_functions kFunctions{&Callbacks::open, &Callbacks::close,
                                                    &Callbacks::connect, &Callbacks::receive,
                                                    &Callbacks::send};
  ares_set_socket_functions(ares_, &kFunctions, this);
  return options.servers.empty() ? Result<>() : set_servers(options);
}

Result<> Channel::set_servers(const CaresOptions& options) {
  std::vector<ares_addr_port_node> nodes(options.servers.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Endpoint& server = options.servers[i];
    const auto& bytes = server.address.bytes();
    ares_addr_port_node& node = nodes[i];
    node.next = i + 1 < nodes.size() ? &nodes[i + 1] : nullptr;
    if (server.address.is_v4()) {
      node.family = AF_INET;
      std::memcpy(&node.addr.addr4, bytes.data() + 12, 4);
    } else {
      node.family = AF_INET6;
      std::memcpy(&node.addr.addr6, bytes.data(), 16);
    }
    node.udp_port = node.tcp_port = server.port == 0 ? 53 : server.port;
  }
  const int status = ares_set_servers_ports(ares_, nodes.data());
  return status == ARES_SUCCESS ? Result<>() : tl::unexpected(ares_error(status, "set dns_host"));
}

void Channel::end() {
  if (ended_) {
    return;
  }
  PH_ASSERT(!inside_, "a DNS channel is destroyed from its own callback");
  ended_ = true;
  asio::use_service<ChannelService>(executor_.context()).remove(*this);
  if (ares_ != nullptr) {
    ares_destroy(ares_);  // closes the sockets through Callbacks::close
    ares_ = nullptr;
  }
  PH_ASSERT(sockets_.empty(), "c-ares forgot a socket");
  clockwork_.reset();
  const auto cancelled = std::move(pending_);
  pending_.clear();
  for (const auto& [id, query] : cancelled) {
    query->status = ARES_ECANCELLED;
    query->finished = true;
    query->done.notify_all();
  }
  room_.notify_all();
}

std::uint16_t Channel::unused_id() const {
  for (;;) {
    // From the CSPRNG: with the kernel's source port this is all that forged answers must guess.
    const auto id = static_cast<std::uint16_t>(base::system_random().next_u64());
    if (pending_.count(id) == 0) {
      return id;
    }
  }
}

Task<std::shared_ptr<DnsQuery>> Channel::ask(std::string name, DnsType type) {
  const auto self = shared_from_this();
  while (!self->ended_ && self->pending_.size() >= kMaxInFlight) {
    co_await self->room_.wait();
  }
  auto query = std::make_shared<DnsQuery>(self->executor_, std::move(name), type);
  if (self->ended_) {
    query->status = ARES_ECANCELLED;
    query->finished = true;
    co_return query;
  }
  query->id = self->unused_id();
  query->channel = self.get();
  self->pending_[query->id] = query;
  const std::string packet = build_dns_query(query->id, query->name, type);
  self->inside_ = true;
  ares_send(self->ares_, reinterpret_cast<const unsigned char*>(packet.data()),
            static_cast<int>(packet.size()), &Callbacks::on_answer, query.get());
  self->inside_ = false;
  self->refresh();
  co_return query;
}

void Channel::finish(DnsQuery& query, int status) {
  const auto found = pending_.find(query.id);
  PH_ASSERT(found != pending_.end() && found->second.get() == &query, "an unknown DNS query ended");
  const auto kept = std::move(found->second);
  pending_.erase(found);
  kept->status = status;
  kept->finished = true;
  kept->done.notify_all();
  room_.notify_one();
}

// c-ares swallows these answers and goes on to the next server; when none is left it reports
// connection_refused or a time-out, so what the servers said is remembered here. For TCP this sees
// pieces of the stream; a piece that only looks like a refusal changes a word in a message.
void Channel::note_refusal(const void* data, std::size_t size) {
  if (size < kHeaderSize) {
    return;
  }
  const auto* octets = static_cast<const unsigned char*>(data);
  const auto found = pending_.find(static_cast<std::uint16_t>(octets[0] << 8U | octets[1]));
  const unsigned rcode = octets[3] & 0x0fU;
  const bool refusal = rcode == 2 || rcode == 4 || rcode == 5;
  if (found != pending_.end() && refusal && (octets[2] & 0x80U) != 0) {
    found->second->server_rcode = rcode;
  }
}

void Channel::process(int read_fd, int write_fd) {
  inside_ = true;
  ares_process_fd(ares_, read_fd, write_fd);
  inside_ = false;
  refresh();
}

void Channel::refresh() {
  for (const auto& [fd, socket] : sockets_) {
    if (socket->want_read && !socket->reading) {
      watch(socket, false);
    }
    if (socket->want_write && !socket->writing) {
      watch(socket, true);
    }
  }
  arm_timer();
}

void Channel::watch(const std::shared_ptr<Socket>& socket, bool write) {
  (write ? socket->writing : socket->reading) = true;
  socket->descriptor.async_wait(
      write ? Descriptor::wait_write : Descriptor::wait_read,
      // The socket and not its number: the number may belong to another by then.
      [weak = weak_from_this(), socket, write](const boost::system::error_code&) {
        const auto channel = weak.lock();
        if (channel) {
          channel->on_ready(socket, write);
        }
      });
}

void Channel::on_ready(const std::shared_ptr<Socket>& socket, bool write) {
  (write ? socket->writing : socket->reading) = false;
  if (ended_ || socket->closed) {
    return;
  }
  const bool wanted = write ? socket->want_write : socket->want_read;
  if (wanted) {
    process(write ? ARES_SOCKET_BAD : socket->fd, write ? socket->fd : ARES_SOCKET_BAD);
  }
}

void Channel::arm_timer() {
  timeval buffer{};
  const timeval* const left = ares_timeout(ares_, nullptr, &buffer);
  const std::uint64_t generation = ++clockwork_->generation;
  if (left == nullptr) {
    clockwork_->timer.cancel();
    return;
  }
  clockwork_->timer.expires_after(std::chrono::seconds(left->tv_sec) +
                                  std::chrono::microseconds(left->tv_usec));
  clockwork_->timer.async_wait(
      [weak = weak_from_this(), generation](const boost::system::error_code&) {
        const auto channel = weak.lock();
        // A handler of an earlier expiry may have been queued already.
        if (channel && !channel->ended_ && channel->clockwork_->generation == generation) {
          channel->process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
        }
      });
}

}  // namespace posthouse::net
