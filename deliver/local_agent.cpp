// The local agent (see local_agent.hpp): batches in, one job each, results out.
#include "deliver/local_agent.hpp"

#include <algorithm>
#include <map>

#include "base/log.hpp"
#include "mailbox/paths.hpp"
#include "net/signal.hpp"

namespace posthouse::deliver {
namespace {

class BulkJob final : public net::Job {
 public:
  BulkJob(mailbox::Checkpoint& checkpoint, mailbox::BulkSync& bulk)
      : checkpoint_(checkpoint), bulk_(bulk) {}
  void execute() noexcept override {
    done_ = checkpoint_.run_bulk(bulk_);
    if (done_) checkpoint_.close_files();
  }
  [[nodiscard]] bool done() const { return done_; }

 private:
  mailbox::Checkpoint& checkpoint_;
  mailbox::BulkSync& bulk_;
  bool done_ = false;
};

class SyncJob final : public net::Job {
 public:
  explicit SyncJob(mailbox::Checkpoint& checkpoint) : checkpoint_(checkpoint) {}
  void execute() noexcept override { checkpoint_.run(); }

 private:
  mailbox::Checkpoint& checkpoint_;
};

class RemoveJob final : public net::Job {
 public:
  RemoveJob(mailbox::Store& store, const std::string& path, const std::vector<std::string>& uids)
      : store_(store), path_(path), uids_(uids) {}
  void execute() noexcept override { result_ = store_.remove(path_, uids_); }
  [[nodiscard]] const base::Result<>& result() const { return result_; }

 private:
  mailbox::Store& store_;
  const std::string& path_;
  const std::vector<std::string>& uids_;
  base::Result<> result_;
};

mailbox::Delivery to_delivery(const mailbox::Store& store, BoxDelivery from) {
  mailbox::Delivery delivery;
  delivery.path = store.path_of(from.box);
  delivery.uid = std::move(from.uid);
  delivery.recipient = std::move(from.recipient);
  delivery.reverse_path = std::move(from.reverse_path);
  delivery.arrival = from.arrival;
  delivery.text = std::move(from.text);
  delivery.large_file = std::move(from.large_file);
  return delivery;
}

}  // namespace

// Writes one batch. Filled on the owner's thread, executed on the pool's, then read by the owner.
class LocalAgent::DeliverJob final : public net::Job {
 public:
  enum class Durable : std::uint8_t { no, yes, unknown };
  struct Item {
    LeafKey leaf;
    bool redo = false;
    bool hardened = false;  // the directories above the mailbox
    mailbox::Delivery delivery;
    mailbox::Stored stored;
    Durable durable = Durable::no;
    BoxResult result;
  };

  DeliverJob(mailbox::Store& store, bool sync_always) : store_(store), sync_always_(sync_always) {}

  Item& add(BoxDelivery from) {
    Item& item = items_.emplace_back();
    item.leaf.id = from.id;
    item.leaf.leaf = from.leaf;
    item.redo = from.redo;
    item.delivery = to_delivery(store_, std::move(from));
    return item;
  }

  void execute() noexcept override {
    std::map<std::string_view, std::vector<Item*>> redos;  // by mailbox
    for (Item& item : items_) {
      if (item.redo) {
        redos[item.delivery.path].push_back(&item);
      } else {
        write(item);
      }
    }
    for (const auto& [path, items] : redos) redo(items);
  }

  std::vector<Item>& items() { return items_; }

 private:
  static void fail(Item& item, const base::Error& error) {
    item.result.written = false;
    item.result.detail = error.message();
  }

  void write(Item& item) {
    // Waiting for a lock that another program keeps is for the first of a batch, not for each.
    if (!locked_.empty() && locked_.contains(item.delivery.path)) {
      item.result.written = false;
      item.result.detail = "the mailbox is locked by another program";
      return;
    }
    auto stored = store_.deliver(item.delivery);
    if (!stored) {
      if (stored.error().code == std::errc::resource_unavailable_try_again) {
        locked_.insert(item.delivery.path);
      }
      return fail(item, stored.error());
    }
    item.stored = std::move(*stored);
    if (!sync_always_) return;
    auto synced = store_.sync_now(item.delivery.path, *item.stored.file);
    if (synced && !item.hardened) synced = store_.sync_above(item.delivery.path);
    if (!synced) {
      item.durable = Durable::unknown;
      return fail(item, synced.error());
    }
    item.durable = Durable::yes;
    item.stored.file.reset();
  }

  void redo(const std::vector<Item*>& items) {
    std::vector<mailbox::Delivery> deliveries;
    deliveries.reserve(items.size());
    for (Item* item : items) deliveries.push_back(item->delivery);
    auto results = store_.redo(deliveries);
    // Above the mailbox, too: whether this process ever synced those entries is not worth asking.
    const auto above = store_.sync_above(deliveries.front().path);
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (results[i] && !above) results[i] = above;
      items[i]->durable = results[i] ? Durable::yes : Durable::unknown;
      if (!results[i]) fail(*items[i], results[i].error());
    }
  }

  mailbox::Store& store_;
  const bool sync_always_;
  std::vector<Item> items_;
  std::unordered_set<std::string> locked_;  // mailboxes that could not be had in time
};

// One checkpoint that syncs by file, shared by its jobs.
struct LocalAgent::Round {
  Round(const mailbox::CheckpointContext& context, mailbox::DirtySet dirty,
        const mailbox::HardenedPaths& hardened, const net::Executor& executor)
      : checkpoint(context, std::move(dirty), hardened), ended(executor) {}

  mailbox::Checkpoint checkpoint;
  net::Signal ended;
  std::size_t running = 0;
};

LocalAgent::LocalAgent(Parts parts, LocalAgentOptions options) : parts_(parts), options_(options) {}

net::Task<std::vector<BoxResult>> LocalAgent::deliver(std::vector<BoxDelivery> deliveries) {
  DeliverJob job(parts_.store, options_.sync_always);
  job.items().reserve(deliveries.size());
  for (BoxDelivery& delivery : deliveries) {
    DeliverJob::Item& item = job.add(std::move(delivery));
    if (!suspect_.empty() && suspect_.contains(item.delivery.uid)) item.redo = true;
    item.hardened = options_.sync_always && hardened_.contains(item.delivery.path);
  }
  const bool ran = co_await parts_.mailbox_pool.run(job);
  if (!ran) {
    for (DeliverJob::Item& item : job.items()) {
      item.result.written = false;
      item.result.detail = "too much work is waiting for the mailbox disk";
    }
  }
  co_return collect(job);
}

std::vector<BoxResult> LocalAgent::collect(DeliverJob& job) {
  std::vector<BoxResult> results;
  results.reserve(job.items().size());
  for (DeliverJob::Item& item : job.items()) {
    if (item.durable == DeliverJob::Durable::unknown) {
      suspect_.insert(item.delivery.uid);
    } else if (item.durable == DeliverJob::Durable::yes) {
      suspect_.erase(item.delivery.uid);
      hardened_.add(item.delivery.path);
    } else if (item.result.written) {
      dirty_.add(unsynced_.size(), item.delivery.path, std::move(item.stored));
      unsynced_.push_back(Unsynced{item.leaf, std::move(item.delivery.uid)});
    }
    results.push_back(std::move(item.result));
  }
  return results;
}

net::Task<> LocalAgent::sync_files(net::Blocking* pool, std::shared_ptr<Round> round) {
  SyncJob job(round->checkpoint);
  // A full pool is no harm: the other jobs take over, and what nobody took counts as failed.
  (void)co_await pool->run(job);
  --round->running;
  round->ended.notify_all();
}

net::Task<> LocalAgent::run_by_file(std::shared_ptr<Round> round, net::Blocking* pool,
                                    std::size_t jobs) {
  const net::Executor executor = co_await net::asio::this_coro::executor;
  round->running = jobs;
  for (std::size_t i = 0; i < jobs; ++i) {
    net::spawn(executor, sync_files(pool, round), "mailbox sync");
  }
  while (round->running > 0) co_await round->ended.wait();
}

net::Task<std::vector<LeafKey>> LocalAgent::checkpoint() {
  std::vector<LeafKey> failed;
  failed_.clear();
  if (dirty_.empty()) co_return failed;
  mailbox::CheckpointContext context{parts_.store.disk(), parts_.store.options().format,
                                     parts_.store.options().root};
  const net::Executor executor = co_await net::asio::this_coro::executor;
  const auto round =
      std::make_shared<Round>(context, std::exchange(dirty_, {}), hardened_, executor);
  const std::vector<Unsynced> unsynced = std::exchange(unsynced_, {});

  bool done = false;
  if (parts_.bulk != nullptr && round->checkpoint.syncs() >= options_.bulk_from) {
    BulkJob job(round->checkpoint, *parts_.bulk);
    (void)co_await parts_.sync_pool.run(job);
    done = job.done();
  }
  if (!done) {
    const std::size_t jobs =
        std::clamp<std::size_t>(round->checkpoint.syncs() / 8, 1, options_.sync_jobs);
    co_await run_by_file(round, &parts_.sync_pool, jobs);
  }
  for (const std::uint64_t token : round->checkpoint.finish(hardened_)) {
    failed.push_back(unsynced[token].leaf);
    suspect_.insert(unsynced[token].uid);
  }
  // Removals whose directory failed are tried again with the next checkpoint.
  for (const std::string& mailbox : round->checkpoint.failed_mailboxes()) {
    dirty_.add_removal(mailbox);
    failed_.insert(mailbox);
  }
  co_return failed;
}

net::Task<base::Result<>> LocalAgent::remove(std::string box, std::vector<std::string> uids) {
  const std::string path = parts_.store.path_of(box);
  RemoveJob job(parts_.store, path, uids);
  const bool ran = co_await parts_.mailbox_pool.run(job);
  if (!ran) {
    co_return base::fail(std::errc::resource_unavailable_try_again, "remove", path);
  }
  // After an error, too: some may be removed.
  dirty_.add_removal(path);
  co_return job.result();
}

void LocalAgent::note_removal(const std::string& box) {
  dirty_.add_removal(parts_.store.path_of(box));
}

}  // namespace posthouse::deliver
