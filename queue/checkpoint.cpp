// Checkpoints; see checkpoint.hpp.
#include "queue/checkpoint.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"

namespace posthouse::queue {
namespace {

// LIMIT: leaves in one LeavesFinished record, so that it always fits a segment.
constexpr std::size_t kMaxFinished = 1024;

LeafId id_of(const LeafSlot& slot) {
  LeafId id;
  id.id = slot.entry->message->id;
  id.leaf = slot.what().number;
  return id;
}

bool contains(const std::vector<LeafId>& ids, const LeafId& wanted) {
  return std::any_of(ids.begin(), ids.end(), [&](const LeafId& id) {
    return id.id == wanted.id && id.leaf == wanted.leaf;
  });
}

}  // namespace

Checkpoint::Checkpoint(const QueueParts& parts, Index& index, CheckpointOptions options)
    : parts_(parts),
      index_(index),
      options_(options),
      wake_(parts.executor),
      idle_(parts.executor) {}

Checkpoint::~Checkpoint() { *alive_ = false; }

void Checkpoint::add_written(const LeafSlot& slot) {
  slot.run().state = LeafState::written;
  written_.push_back(id_of(slot));
  arm();
}

void Checkpoint::add_hardened(const LeafSlot& slot) {
  slot.run().state = LeafState::written;
  hardened_.push_back(id_of(slot));
  arm();
}

void Checkpoint::add_removal(std::uint64_t number) {
  removals_.push_back(number);
  arm();
}

void Checkpoint::arm() {
  if (armed_ || !running_) return;
  armed_ = true;
  net::spawn(parts_.executor, deadline(alive_, turn_), "checkpoint deadline");
}

net::Task<> Checkpoint::deadline(std::shared_ptr<bool> alive, std::uint64_t turn) {
  const base::MonoTime when = parts_.timer.clock().mono() + options_.after;
  co_await parts_.timer.sleep_until(when);
  if (!*alive || turn != turn_) co_return;
  due_ = true;
  wake_.notify_one();
}

void Checkpoint::check_limits() {
  if (due_ || (parts_.agent.dirty_files() < options_.files &&
               parts_.agent.dirty_bytes() < options_.bytes)) {
    return;
  }
  due_ = true;
  wake_.notify_one();
}

void Checkpoint::start() {
  running_ = true;
  net::spawn(parts_.executor, loop(), "checkpoints");
}

net::Task<> Checkpoint::loop() {
  while (!stopping_) {
    if (due_) {
      co_await run_once();
    } else {
      co_await wake_.wait();
    }
  }
  running_ = false;
  idle_.notify_all();
}

net::Task<> Checkpoint::stop() {
  stopping_ = true;
  wake_.notify_one();
  while (running_) co_await idle_.wait();
}

net::Task<> Checkpoint::run_once() {
  while (busy_) co_await idle_.wait();
  busy_ = true;
  due_ = false;
  armed_ = false;
  ++turn_;
  ++checkpoints_;
  std::vector<LeafId> leaves = std::exchange(written_, {});
  const std::vector<LeafId> durable = std::exchange(hardened_, {});
  const std::vector<std::uint64_t> removals = std::exchange(removals_, {});

  const std::vector<LeafId> failed = co_await parts_.agent.checkpoint();
  for (const LeafId& id : failed) {
    const LeafSlot slot = index_.find(id);
    if (slot.entry == nullptr || slot.run().state != LeafState::written) continue;
    // docs/spool.md: not a log error; written again, flushed this time.
    slot.run().state = LeafState::waiting;
    slot.run().redo = true;
    failed_.push_back(id);
  }
  if (!failed.empty()) {
    std::erase_if(leaves, [&](const LeafId& id) { return contains(failed, id); });
    if (on_failed_ != nullptr) on_failed_->notify_one();
  }
  leaves.insert(leaves.end(), durable.begin(), durable.end());
  finish_records(leaves, removals);
  busy_ = false;
  idle_.notify_all();
}

// A removed leaf that is with the carrier may be written back; its deletion waits for the end of
// that delivery, which removes it again.
bool Checkpoint::may_finish(const Deletion& deletion) {
  return std::none_of(deletion.uids.begin(), deletion.uids.end(), [&](const std::string& uid) {
    const LeafSlot slot = index_.find_uid(uid);
    return slot.entry != nullptr && slot.run().active;
  });
}

void Checkpoint::finish_leaf(LeavesFinished& record, const LeafId& id) {
  const LeafSlot slot = index_.find(id);
  if (slot.entry == nullptr || slot.run().state == LeafState::finished) return;
  index_.finish(slot);
  if (record.items.empty() || record.items.back().id != id.id) {
    LeavesFinished::Item item;
    item.id = id.id;
    record.items.push_back(std::move(item));
  }
  record.items.back().leaves.push_back(id.leaf);
  if (slot.entry->unfinished == 0) ended_.push_back(id.id);
}

void Checkpoint::finish_records(const std::vector<LeafId>& leaves,
                                const std::vector<std::uint64_t>& removals) {
  LeavesFinished finished;
  BoxDeleteDone done;
  std::size_t count = 0;
  const auto add = [&](const LeafId& id) {
    finish_leaf(finished, id);
    if (++count % kMaxFinished == 0) send(finished, done);
  };
  for (const LeafId& id : leaves) {
    const LeafSlot slot = index_.find(id);
    // Removed or to be delivered again meanwhile: somebody else ends it.
    if (slot.entry != nullptr && slot.run().state == LeafState::written) add(id);
  }
  for (const std::uint64_t number : removals) {
    const auto found = index_.deletions().find(number);
    if (found == index_.deletions().end()) continue;
    // docs/spool.md: live until the directory of the unlink is synced.
    if (parts_.agent.removals_failed(found->second.box) || !may_finish(found->second)) {
      add_removal(number);
      continue;
    }
    for (const std::string& uid : found->second.uids) {
      const LeafSlot slot = index_.find_uid(uid);
      if (slot.entry != nullptr && slot.run().state == LeafState::removed) add(id_of(slot));
    }
    // After its leaves: a deletion that is done does not keep them away any longer.
    done.numbers.push_back(number);
  }
  send(finished, done);
}

// One batch, so that both take effect together; then the records they end are released.
void Checkpoint::send(LeavesFinished& leaves, BoxDeleteDone& deletions) {
  if (leaves.items.empty() && deletions.numbers.empty()) return;
  Batch batch;
  batch.frees = true;
  if (!leaves.items.empty()) batch.records.push_back(encode_leaves_finished(leaves));
  if (!deletions.numbers.empty()) batch.records.push_back(encode_box_delete_done(deletions));
  const std::vector<base::MessageId> ended = std::exchange(ended_, {});
  for (const base::MessageId& id : ended) {
    const std::string& path = index_.find(id)->message->content.large_file;
    if (!path.empty()) batch.large_to_remove.push_back(path.substr(path.rfind('/') + 1));
  }
  parts_.spool.append_lazy(std::move(batch));
  for (const base::MessageId& id : ended) {
    const Entry* entry = index_.find(id);
    parts_.spool.release(entry->ref);
    // With a carrier still (a removed leaf): the end of that delivery erases it.
    if (entry->active == 0) index_.erase(id);
  }
  for (const std::uint64_t number : deletions.numbers) {
    const auto found = index_.deletions().find(number);
    parts_.spool.release(found->second.ref);
    index_.deletions().erase(found);
  }
  leaves.items.clear();
  deletions.numbers.clear();
}

}  // namespace posthouse::queue
