// The queue; see manager.hpp.
#include "queue/manager.hpp"

#include <string_view>
#include <unordered_set>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "queue/errors.hpp"

namespace posthouse::queue {
namespace {

constexpr base::Duration kTick = std::chrono::seconds(1);
constexpr unsigned kRemovalRetryTicks = 60;

}  // namespace

Manager::Manager(const QueueParts& parts, ManagerOptions options)
    : parts_(parts),
      options_(options),
      checkpoint_(parts, index_, options.checkpoint),
      delivery_(parts, index_, checkpoint_, options.delivery),
      cleaner_(parts, index_),
      ticked_(parts.executor) {}

Manager::~Manager() { *alive_ = false; }

net::Task<base::Result<>> Manager::recover() {
  Fold fold(index_, parts_.spool);
  base::Result<> result = parts_.spool.recover(fold);
  if (!result) co_return result;
  fold.complete();
  const std::vector<RecordRef> live = fold.live_records();
  const std::set<std::string> large_files = fold.large_files();
  result = parts_.spool.begin(live, large_files);
  if (!result) co_return result;

  base::log_event(base::LogLevel::info, "queue", "-", "recovered",
                  {{"messages", index_.size()}, {"deletions", index_.deletions().size()}});
  for (const auto& [number, deletion] : index_.deletions()) undone_removals_.insert(number);
  co_await redo_removals();
  redo_leaves();
  delivery_.start();
  co_await delivery_.wait_idle();
  co_await checkpoint_.run_once();

  checkpoint_.start();
  checkpoint_.check_limits();
  watch_space();
  ticking_ = true;
  net::spawn(parts_.executor, tick(alive_), "queue tick");
  co_return result;
}

// A box that cannot be changed now must not keep the others from being served; it is tried again,
// and its deletion stays in the log until then.
net::Task<> Manager::redo_removals() {
  const std::set<std::uint64_t> numbers = undone_removals_;
  for (const std::uint64_t number : numbers) {
    const auto found = index_.deletions().find(number);
    PH_ASSERT(found != index_.deletions().end(), "a deletion stays until it is done");
    const std::string box = found->second.box;
    std::vector<std::string> uids = found->second.uids;
    const base::Result<> removed = co_await parts_.agent.remove(box, std::move(uids));
    if (removed) {
      undone_removals_.erase(number);
      checkpoint_.add_removal(number);
    } else {
      base::log_event(base::LogLevel::error, "queue", "-", "deleted mail not removed",
                      {{"box", box}, {"reason", removed.error().message()}});
    }
  }
}

void Manager::redo_leaves() {
  std::unordered_set<std::string_view> pending;  // names that a deletion still has to end
  for (const auto& [number, deletion] : index_.deletions()) {
    pending.insert(deletion.uids.begin(), deletion.uids.end());
  }
  LeafSlot slot;
  for (const base::MessageId& id : index_.ids()) {
    slot.entry = index_.find(id);
    for (slot.leaf = 0; slot.leaf < slot.entry->leaves.size(); ++slot.leaf) {
      LeafRun& run = slot.run();
      run.redo = true;
      if (run.state == LeafState::written) run.state = LeafState::waiting;
      // Its deletion is done, and only damage can have taken the record of its end.
      if (run.state == LeafState::removed &&
          !pending.contains(leaf_uid(*slot.entry->message, slot.what()))) {
        checkpoint_.add_hardened(slot);
      }
    }
    delivery_.push(*slot.entry);
  }
}

net::Task<base::Result<>> Manager::submit(Message message) {
  PH_ASSERT(!message.leaves.empty(), "a message without leaves has nowhere to go");
  for (std::size_t i = 0; i < message.leaves.size(); ++i) {
    PH_ASSERT(message.leaves[i].number == i, "leaf numbers are indexes");
  }
  auto kept = std::make_shared<Message>(std::move(message));
  Batch batch;
  batch.records.push_back(encode_message(*kept, {}, false));
  base::Result<> committed;
  if (draining_) {
    committed = base::fail(std::errc::operation_canceled, "submit", "the queue is closing");
  } else {
    committed = co_await parts_.spool.commit(batch);
  }
  if (!committed) {
    const std::string& path = kept->content.large_file;
    // A record that the next start may find needs its body then; else that start removes it.
    if (!batch.perhaps_written && !path.empty()) {
      parts_.spool.discard_large(path.substr(path.rfind('/') + 1));
    }
    if (is_no_space(committed.error())) accepting_ = false;
    co_return committed;
  }
  ++accepted_;
  Entry& entry = index_.insert(std::move(kept), batch.records.front().ref, {});
  delivery_.push(entry);
  co_return committed;
}

net::Task<base::Result<std::uint64_t>> Manager::remove_from_box(std::string box,
                                                                std::vector<std::string> uids) {
  BoxDelete record;
  record.number = index_.new_deletion_number();
  record.box = std::move(box);
  record.uids = std::move(uids);
  Batch batch;
  batch.frees = true;
  batch.records.push_back(encode_box_delete(record));
  const base::Result<> committed = co_await parts_.spool.commit(batch);
  if (!committed) co_return tl::unexpected(committed.error());
  // Not before the flush: until then the messages are still promised to the mailbox.
  static_cast<void>(index_.mark_removed(record.uids));
  Deletion deletion;
  deletion.box = std::move(record.box);
  deletion.uids = std::move(record.uids);
  deletion.ref = batch.records.front().ref;
  index_.deletions()[record.number] = std::move(deletion);
  co_return record.number;
}

void Manager::removal_done(std::uint64_t number) { checkpoint_.add_removal(number); }

Admission Manager::may_accept(std::uint64_t size) const {
  const bool room = free_space_.load(std::memory_order_relaxed) >= options_.min_space + size;
  return room && accepting_.load(std::memory_order_relaxed) ? Admission::ok : Admission::no_space;
}

void Manager::watch_space() {
  const auto free = parts_.spool.free_space();
  free_space_ = free ? *free : 0;
  accepting_ = parts_.spool.accepting() && !draining_;
}

net::Task<> Manager::tick(std::shared_ptr<bool> alive) {
  for (unsigned count = 1;; ++count) {
    const base::MonoTime when = parts_.timer.clock().mono() + kTick;
    ticking_ = false;
    ticked_.notify_all();
    co_await parts_.timer.sleep_until(when);
    if (!*alive || draining_) co_return;
    ticking_ = true;
    watch_space();
    delivery_.push_due();
    co_await cleaner_.run();
    if (count % kRemovalRetryTicks == 0) co_await redo_removals();
  }
}

net::Task<> Manager::drain() {
  draining_ = true;
  accepting_ = false;
  while (ticking_) co_await ticked_.wait();
  co_await delivery_.wait_idle();
  co_await delivery_.stop();
  co_await checkpoint_.stop();
  co_await checkpoint_.run_once();
  const base::Result<> flushed = co_await parts_.spool.flush();
  if (!flushed) {
    base::log_event(base::LogLevel::error, "queue", "-", "last flush failed",
                    {{"reason", flushed.error().message()}});
  }
}

std::vector<QueuedMessage> Manager::snapshot() {
  std::vector<QueuedMessage> list;
  list.reserve(index_.size());
  for (const base::MessageId& id : index_.ids()) {
    const Entry& entry = *index_.find(id);
    QueuedMessage message;
    message.id = id;
    message.sender = entry.message->envelope.reverse_path;
    message.arrival = entry.message->arrival;
    message.size = entry.message->content.size;
    for (std::size_t i = 0; i < entry.leaves.size(); ++i) {
      QueuedLeaf leaf;
      leaf.rcpt = entry.message->leaves[i].rcpt;
      leaf.target = entry.message->leaves[i].target;
      leaf.state = entry.leaves[i].state;
      leaf.failures = entry.leaves[i].failures;
      message.leaves.push_back(std::move(leaf));
    }
    list.push_back(std::move(message));
  }
  return list;
}

ManagerCounters Manager::counters() const {
  ManagerCounters counters;
  counters.messages = index_.size();
  counters.bytes = index_.bytes();
  counters.ready = delivery_.ready();
  counters.deferred = delivery_.deferred();
  counters.accepted = accepted_;
  counters.delivered = delivery_.delivered();
  counters.checkpoints = checkpoint_.checkpoints();
  counters.content_bytes = delivery_.content_bytes();
  counters.spool = parts_.spool.counters();
  return counters;
}

}  // namespace posthouse::queue
