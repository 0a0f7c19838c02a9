// The parts of a running server in their order of birth; members die in reverse. Private to
// server.cpp (life) and connections.cpp (what happens to a new connection).
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "accounts/file_accounts.hpp"
#include "app/connection_limits.hpp"
#include "app/local_delivery.hpp"
#include "app/pop_services.hpp"
#include "app/server.hpp"
#include "app/smtp_services.hpp"
#include "net/asio_timer.hpp"
#include "net/blocking_pool.hpp"
#include "net/shard.hpp"
#include "queue/log_spool.hpp"
#include "queue/manager.hpp"
#include "smtpd/driver.hpp"

namespace posthouse::app {

// What one shard knows of its sessions. Touched on the shard's thread only.
struct ShardState {
  ShardState(const net::Executor& shard, const std::string& prefix)
      : executor(shard), sessions(prefix), id_prefix(prefix) {}
  net::Executor executor;
  smtpd::Sessions sessions;
  std::list<std::shared_ptr<net::Stream>> readers;  // POP3 sessions, to be closed at the end
  std::string id_prefix;
  std::uint64_t pop_sessions = 0;
};

// Shards and pools. The pools go first, executing what is queued; then the shards destroy the
// coroutines that are still suspended.
struct Threads {
  explicit Threads(std::size_t count);
  net::Shards shards;
  // Each kind of blocking work has its own bounded pool (docs/architecture.md).
  net::BlockingPool log_pool;
  net::BlockingPool large_pool;
  net::BlockingPool box_pool;
  net::BlockingPool sync_pool;
  net::BlockingPool hash_pool;
};

struct Server::State {
  State(std::shared_ptr<const Snapshot> first, Options given);
  // The threads die before everything that their coroutines refer to.
  ~State() { threads.reset(); }

  // A connection has come in on a port; on the thread of its shard.
  void accept(Service service, const net::Executor& executor, std::unique_ptr<net::Stream> stream);
  // Runs `work` for each shard on its own thread and waits; from the main thread.
  void on_every_shard(const std::function<void(ShardState&)>& work);

  Options options;
  net::AsioTimer timer;
  std::unique_ptr<Threads> threads;
  net::Executor owner;  // of the queue: the first shard
  std::unique_ptr<mailbox::BulkSync> bulk_sync;
  std::unique_ptr<queue::LogSpool> spool;
  std::unique_ptr<LocalDelivery> local;
  std::unique_ptr<queue::Manager> manager;
  std::unique_ptr<accounts::FileAccounts> users;
  ConnectionLimits limits;
  CurrentSnapshot current;
  SmtpHouse smtp_house;
  PopHouse pop_house;
  std::vector<std::unique_ptr<ShardState>> states;
  std::vector<BoundPort> ports;

 private:
  ShardState& shard_of(const net::Executor& executor);
};

}  // namespace posthouse::app
