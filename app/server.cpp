// Birth and death of the server's parts. What it does with connections is in connections.cpp.
#include "app/server.hpp"

#include <algorithm>
#include <functional>
#include <future>
#include <thread>

#include "app/server_state.hpp"
#include "base/disk.hpp"
#include "base/log.hpp"

namespace posthouse::app {
namespace {

constexpr std::chrono::seconds kTransactionGrace{30};  // docs/operations.md, `serve`
constexpr std::chrono::seconds kReaderGrace{2};        // POP3 sessions have nothing to finish
constexpr std::chrono::milliseconds kIdlePoll{20};

net::BlockingPoolOptions pool(const char* name, std::size_t threads, std::size_t waiting) {
  net::BlockingPoolOptions options;
  options.name = name;
  options.threads = threads;
  options.max_waiting = waiting;
  return options;
}

std::size_t shard_count(std::size_t wanted) {
  if (wanted > 0) return wanted;
  return std::max<std::size_t>(1, std::thread::hardware_concurrency() / 2);
}

net::Task<> complete(net::Task<> task, std::shared_ptr<std::promise<void>> promise) {
  co_await std::move(task);
  promise->set_value();
}

// Runs `task` on `executor` and waits for it on the calling (main) thread.
void wait_for(const net::Executor& executor, net::Task<> task) {
  auto promise = std::make_shared<std::promise<void>>();
  auto done = promise->get_future();
  net::spawn(executor, complete(std::move(task), std::move(promise)), "main");
  done.wait();
}

net::Task<> store_outcome(net::Task<base::Result<>> task, base::Result<>* outcome) {
  *outcome = co_await std::move(task);
}

}  // namespace

Threads::Threads(std::size_t count)
    : shards(count),
      log_pool(pool("log", 1, 16)),
      large_pool(pool("large", 1, 4096)),
      box_pool(pool("mailbox", 2, 8192)),
      sync_pool(pool("sync", 4, 4096)),
      hash_pool(pool("hash", 1, 64)) {}

Server::State::State(std::shared_ptr<const Snapshot> first, Options given)
    : options(std::move(given)),
      threads(std::make_unique<Threads>(shard_count(options.shards))),
      owner(threads->shards.executor(0)),
      bulk_sync(mailbox::make_system_bulk_sync()),
      smtp_house(owner),
      pop_house(owner) {
  net::Shards& shards = threads->shards;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    states.push_back(std::make_unique<ShardState>(shards.executor(i), std::to_string(i) + "-"));
  }
  const conf::Settings& settings = *first->settings;
  limits.set(settings.max_connections, settings.max_connections_per_ip);

  queue::LogSpoolOptions spool_options;
  spool_options.directory = settings.work_path + "/queue";
  queue::LogSpoolDeps spool_deps{owner, base::system_disk(), timer, threads->log_pool,
                                 threads->large_pool};
  spool = std::make_unique<queue::LogSpool>(spool_deps, spool_options);
  if (options.on_fatal) spool->set_on_fatal(options.on_fatal);

  const LocalDelivery::Parts parts{base::system_disk(), mailbox::system_file_locks(),
                                   threads->box_pool, threads->sync_pool, bulk_sync.get()};
  local = std::make_unique<LocalDelivery>(parts, settings);
  queue::ManagerOptions manager_options;
  manager_options.min_space = settings.min_space;
  const queue::QueueParts queue_parts{owner, *spool, *local, timer};
  manager = std::make_unique<queue::Manager>(queue_parts, manager_options);

  accounts::FileAccounts::Ports account_ports;
  account_ports.disk = &base::system_disk();
  account_ports.clock = &base::system_clock();
  account_ports.random = &base::system_random();
  account_ports.hashing = &threads->hash_pool;
  accounts::FileAccounts::Options account_options;
  account_options.path = settings.user_file;
  account_options.cache_entries = settings.authent_cache;
  users = std::make_unique<accounts::FileAccounts>(account_ports, account_options);

  smtp_house.accounts = users.get();
  smtp_house.queue = manager.get();
  smtp_house.large_pool = &threads->large_pool;
  smtp_house.large_directory = spool_options.directory + "/large";
  smtp_house.random = &base::system_random();
  smtp_house.clock = &base::system_clock();
  pop_house.accounts = users.get();
  pop_house.queue = manager.get();
  pop_house.local = local.get();
  pop_house.mailbox_pool = &threads->box_pool;
  current.set(std::move(first));
}

void Server::State::on_every_shard(const std::function<void(ShardState&)>& work) {
  for (std::size_t i = 0; i < states.size(); ++i) {
    auto promise = std::make_shared<std::promise<void>>();
    auto done = promise->get_future();
    threads->shards.post(i, [&work, promise, state = states[i].get()] {
      work(*state);
      promise->set_value();
    });
    done.wait();
  }
}

Server::Server(std::shared_ptr<const Snapshot> snapshot, Options options)
    : state_(std::make_unique<State>(std::move(snapshot), std::move(options))) {
  state_->threads->shards.run();
}

Server::~Server() {
  state_->ports.clear();
  state_->threads->shards.stop();
}

base::Result<> Server::recover() {
  base::Result<> outcome;
  wait_for(state_->owner, store_outcome(state_->manager->recover(), &outcome));
  return outcome;
}

void Server::serve(std::vector<BoundPort> ports) {
  state_->ports = std::move(ports);
  for (auto& port : state_->ports) {
    const Service service = port.service;
    State* state = state_.get();
    port.listener->serve(
        state_->threads->shards,
        [state, service](const net::Executor& shard, std::unique_ptr<net::Stream> stream) {
          state->accept(service, shard, std::move(stream));
        });
  }
}

void Server::adopt(std::shared_ptr<const Snapshot> snapshot) {
  state_->limits.set(snapshot->settings->max_connections,
                     snapshot->settings->max_connections_per_ip);
  state_->users->reload();
  state_->current.set(std::move(snapshot));
}

void Server::shut_down() {
  for (auto& port : state_->ports) port.listener->stop();
  const base::Clock& clock = base::system_clock();
  const base::MonoTime begin = clock.mono();
  state_->on_every_shard([](ShardState& shard) { shard.sessions.stop_all(); });
  bool readers_closed = false;
  for (;;) {
    std::size_t writers = 0;
    std::size_t readers = 0;
    const bool close_readers = !readers_closed && clock.mono() - begin >= kReaderGrace;
    state_->on_every_shard([&](ShardState& shard) {
      writers += shard.sessions.size();
      if (close_readers) {
        const auto streams = shard.readers;  // closing may end a session and change the list
        for (const auto& stream : streams) stream->close();
      }
      readers += shard.readers.size();
    });
    readers_closed = readers_closed || close_readers;
    if ((writers == 0 && readers == 0) || clock.mono() - begin >= kTransactionGrace) break;
    auto pause = state_->timer.sleep_until(clock.mono() + kIdlePoll);
    wait_for(state_->owner, std::move(pause));
  }
  state_->on_every_shard([](ShardState& shard) { shard.sessions.abort_all(); });
  wait_for(state_->owner, state_->manager->drain());
  wait_for(state_->owner, state_->spool->stop());
}

}  // namespace posthouse::app
