// What happens to a new connection: limits, then the SMTP or POP3 driver with the services it
// needs, under the snapshot of that moment. On the thread of the connection's shard.
#include <algorithm>

#include "app/server_state.hpp"
#include "base/assert.hpp"
#include "base/log.hpp"
#include "pop3d/driver.hpp"

namespace posthouse::app {
namespace {

constexpr std::chrono::seconds kRefusalTimeout{5};

bool is_smtp(Service service) { return service != Service::pop && service != Service::pops; }

// Tells a client that there is no room, and goes.
net::Task<> refuse(std::unique_ptr<net::Stream> stream, Service service, net::Timer* timer) {
  stream->set_deadline(timer->clock().mono() + kRefusalTimeout);
  // On the implicit-TLS ports a plain answer would be noise to the client.
  if (service != Service::submissions && service != Service::pops) {
    const std::string_view answer =
        is_smtp(service) ? "421 4.7.0 too many connections, try again later\r\n"
                         : "-ERR [SYS/TEMP] too many connections, try again later\r\n";
    (void)co_await stream->write(answer);
  }
  stream->close();
}

struct SmtpConnection {
  std::shared_ptr<const Snapshot> snapshot;
  std::unique_ptr<net::Stream> stream;
  ConnectionLimits::Slot slot;
  Service service = Service::smtp;

  SmtpConnection(std::shared_ptr<const Snapshot> s, std::unique_ptr<net::Stream> c,
                 ConnectionLimits::Slot taken, Service kind)
      : snapshot(std::move(s)), stream(std::move(c)), slot(std::move(taken)), service(kind) {}
};

net::Task<> run_smtp(Server::State* server, ShardState* shard, SmtpConnection connection) {
  const std::shared_ptr<const Snapshot>& snapshot = connection.snapshot;
  SmtpServices services(server->smtp_house, snapshot);
  smtpd::Services shared;
  shared.oracle = &services;
  shared.sink = &services;
  shared.authenticator = &services;
  shared.timer = &server->timer;
  shared.sessions = &shard->sessions;
  const smtpd::SessionConfig* config =
      connection.service == Service::smtp ? &snapshot->smtp : &snapshot->submission;
  const bool trusted = snapshot->trusted.contains(connection.stream->peer().address);
  smtpd::ConnectionArgs args(std::move(connection.stream),
                             std::shared_ptr<const smtpd::SessionConfig>(snapshot, config), shared);
  args.tls = snapshot->tls;
  args.implicit_tls = connection.service == Service::submissions;
  args.trusted = trusted;
  net::Task<> serving = smtpd::serve(std::move(args));
  co_await std::move(serving);
}

struct PopConnection {
  std::shared_ptr<const Snapshot> snapshot;
  std::shared_ptr<net::Stream> stream;
  ConnectionLimits::Slot slot;
  Service service = Service::pop;

  PopConnection(std::shared_ptr<const Snapshot> s, std::shared_ptr<net::Stream> c,
                ConnectionLimits::Slot taken, Service kind)
      : snapshot(std::move(s)), stream(std::move(c)), slot(std::move(taken)), service(kind) {}
};

// An entry in the shard's list of readers while a session runs.
class ReaderEntry {
 public:
  ReaderEntry(ShardState& shard, std::shared_ptr<net::Stream> stream)
      : shard_(shard), place_(shard.readers.insert(shard.readers.end(), std::move(stream))) {}
  ~ReaderEntry() { shard_.readers.erase(place_); }
  ReaderEntry(const ReaderEntry&) = delete;
  ReaderEntry& operator=(const ReaderEntry&) = delete;

 private:
  ShardState& shard_;
  std::list<std::shared_ptr<net::Stream>>::iterator place_;
};

net::Task<> run_pop(Server::State* server, ShardState* shard, PopConnection connection) {
  PopServices services(server->pop_house, connection.snapshot);
  const ReaderEntry entry(*shard, connection.stream);
  pop3d::ConnectionArgs args;
  args.stream = connection.stream;
  args.tls = connection.snapshot->tls;
  args.maildrops = &services;
  args.timer = &server->timer;
  args.implicit_tls = connection.service == Service::pops;
  args.cleartext_passwords = connection.snapshot->settings->pop_cleartext;
  args.id = shard->id_prefix + "p" + std::to_string(++shard->pop_sessions);
  net::Task<> serving = pop3d::serve(std::move(args));
  co_await std::move(serving);
}

}  // namespace

ShardState& Server::State::shard_of(const net::Executor& executor) {
  const auto it = std::find_if(states.begin(), states.end(),
                               [&](const auto& state) { return state->executor == executor; });
  PH_ASSERT(it != states.end(), "connections arrive on shards");
  return **it;
}

void Server::State::accept(Service service, const net::Executor& executor,
                           std::unique_ptr<net::Stream> stream) {
  ConnectionLimits::Slot slot = limits.take(stream->peer().address);
  if (!slot.granted()) {
    base::log_event(base::LogLevel::info, "app", "-", "connection refused, too many",
                    {{"client", stream->peer().address.text()}, {"open", limits.open()}});
    net::spawn(executor, refuse(std::move(stream), service, &timer), "refusal");
    return;
  }
  ShardState& shard = shard_of(executor);
  auto snapshot = current.get();
  if (is_smtp(service)) {
    SmtpConnection connection(std::move(snapshot), std::move(stream), std::move(slot), service);
    net::spawn(executor, run_smtp(this, &shard, std::move(connection)), "smtpd");
  } else {
    PopConnection connection(std::move(snapshot), std::move(stream), std::move(slot), service);
    net::spawn(executor, run_pop(this, &shard, std::move(connection)), "pop3d");
  }
}

}  // namespace posthouse::app
