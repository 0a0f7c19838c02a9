// Delivery of waiting leaves; see delivery.hpp.
#include "queue/delivery.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/log.hpp"

namespace posthouse::queue {

Delivery::Delivery(const QueueParts& parts, Index& index, Checkpoint& checkpoint,
                   DeliveryOptions options)
    : parts_(parts),
      index_(index),
      checkpoint_(checkpoint),
      options_(options),
      wake_(parts.executor),
      idle_(parts.executor) {
  checkpoint_.set_on_failed(wake_);
}

Delivery::~Delivery() = default;

void Delivery::push(Entry& entry) {
  LeafSlot slot;
  slot.entry = &entry;
  keep_text(entry);
  for (std::uint32_t i = 0; i < entry.leaves.size(); ++i) {
    slot.leaf = i;
    if (slot.run().state == LeafState::waiting && !slot.run().active) push(slot);
  }
}

void Delivery::push(const LeafSlot& slot) {
  PH_ASSERT(!slot.run().active, "a leaf is in the ready queue once");
  slot.run().active = true;
  ++slot.entry->active;
  ready_.push_back(slot);
  wake_.notify_one();
}

void Delivery::push_due() {
  const auto push_again = [&](const LeafId& id) {
    const LeafSlot slot = index_.find(id);
    if (slot.entry == nullptr || slot.run().state != LeafState::waiting || slot.run().active)
      return;
    push(slot);
  };
  for (const LeafId& id : checkpoint_.take_failed()) push_again(id);
  const base::MonoTime now = parts_.timer.clock().mono();
  while (!retries_.empty() && retries_.begin()->first <= now) {
    const LeafId id = retries_.begin()->second;
    retries_.erase(retries_.begin());
    push_again(id);
  }
}

// A text that came with the message; counted until it is dropped.
void Delivery::keep_text(Entry& entry) {
  if (!entry.message->content.text) return;
  content_bytes_ += entry.message->content.text->size();
  if (content_bytes_ > options_.content_memory) drop_text(entry);  // the log has it
}

void Delivery::drop_text(Entry& entry) {
  Content& content = entry.message->content;
  if (!content.text) return;
  content_bytes_ -= content.text->size();
  content.text.reset();
}

void Delivery::start() {
  for (std::size_t i = 0; i < options_.workers; ++i) {
    ++workers_;
    net::spawn(parts_.executor, worker(), "delivery");
  }
}

net::Task<> Delivery::wait_idle() {
  while (!ready_.empty() || in_flight_ > 0) co_await idle_.wait();
}

net::Task<> Delivery::stop() {
  stopping_ = true;
  wake_.notify_all();
  while (workers_ > 0) co_await idle_.wait();
}

net::Task<> Delivery::worker() {
  while (!stopping_) {
    push_due();
    std::vector<LeafSlot> batch = take_batch();
    if (batch.empty()) {
      if (in_flight_ == 0) idle_.notify_all();
      co_await wake_.wait();
      continue;
    }
    ++in_flight_;
    co_await deliver(std::move(batch));
    --in_flight_;
    checkpoint_.check_limits();
  }
  --workers_;
  idle_.notify_all();
}

std::vector<LeafSlot> Delivery::take_batch() {
  std::vector<LeafSlot> batch;
  while (!ready_.empty() && batch.size() < options_.batch) {
    const LeafSlot slot = ready_.front();
    ready_.pop_front();
    if (slot.run().state == LeafState::waiting) {
      batch.push_back(slot);
    } else {
      leave(slot);  // deleted by POP3 since
    }
  }
  return batch;
}

net::Task<> Delivery::deliver(std::vector<LeafSlot> batch) {
  co_await load_texts(batch);
  if (batch.empty()) co_return;
  std::vector<LocalDelivery> deliveries;
  deliveries.reserve(batch.size());
  for (const LeafSlot& slot : batch) {
    LocalDelivery delivery;
    delivery.message = slot.entry->message;
    delivery.leaf = slot.leaf;
    delivery.redo = slot.run().redo;
    deliveries.push_back(std::move(delivery));
  }
  const std::vector<LocalResult> results = co_await parts_.agent.deliver(std::move(deliveries));
  PH_ASSERT(results.size() == batch.size(), "the agent answers each delivery");
  for (std::size_t i = 0; i < batch.size(); ++i) on_result(batch[i], results[i]);
  if (!written_back_.empty()) co_await take_back();
}

// Takes leaves whose text cannot be read out of the batch.
net::Task<> Delivery::load_texts(std::vector<LeafSlot>& batch) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const LeafSlot slot = batch[i];
    base::Result<> loaded;
    if (!slot.entry->message->content.text) loaded = co_await load_text(*slot.entry);
    if (loaded) {
      batch[kept++] = slot;
    } else {
      defer(slot, loaded.error().message());
      leave(slot);
    }
  }
  batch.resize(kept);
}

net::Task<base::Result<>> Delivery::load_text(Entry& entry) {
  while (true) {
    const RecordRef ref = entry.ref;
    auto text = co_await parts_.spool.read_text(ref);
    if (entry.message->content.text) break;  // the other worker was faster
    if (text) {
      entry.message->content.text = std::move(*text);
      content_bytes_ += entry.message->content.text->size();
      break;
    }
    // Head cleaning may have moved the record while it was read.
    if (entry.ref == ref) co_return tl::unexpected(text.error());
  }
  co_return base::Result<>();
}

void Delivery::on_result(const LeafSlot& slot, const LocalResult& result) {
  LeafRun& run = slot.run();
  if (result.outcome == LocalOutcome::deferred) {
    defer(slot, result.detail);
  } else {
    ++delivered_;
    if (run.state != LeafState::waiting) {
      written_back_.emplace_back(slot.what().box, leaf_uid(*slot.entry->message, slot.what()));
    } else if (run.redo) {
      checkpoint_.add_hardened(slot);
    } else {
      checkpoint_.add_written(slot);
    }
  }
  leave(slot);
}

void Delivery::defer(const LeafSlot& slot, const std::string& reason) {
  LeafRun& run = slot.run();
  if (run.state != LeafState::waiting) return;
  base::Duration delay = options_.first_retry;
  for (unsigned i = 0; i < run.failures && delay < options_.last_retry; ++i) delay *= 2;
  delay = std::min(delay, options_.last_retry);
  if (run.failures < UINT8_MAX) ++run.failures;
  LeafId id;
  id.id = slot.entry->message->id;
  id.leaf = slot.what().number;
  retries_.emplace(parts_.timer.clock().mono() + delay, id);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(delay).count();
  base::log_event(base::LogLevel::error, "queue", base::format_message_id(id.id),
                  "delivery deferred",
                  {{"box", slot.what().box},
                   {"reason", reason},
                   {"retry_s", static_cast<std::uint64_t>(seconds)}});
}

// The leaf is neither ready nor with the agent any more.
void Delivery::leave(const LeafSlot& slot) {
  Entry& entry = *slot.entry;
  slot.run().active = false;
  --entry.active;
  if (entry.active > 0) return;
  drop_text(entry);
  if (entry.unfinished == 0) index_.erase(entry.message->id);
}

// POP3 deleted these names while they were being written anew; the deletion is in the log.
net::Task<> Delivery::take_back() {
  std::vector<std::pair<std::string, std::string>> names = std::exchange(written_back_, {});
  for (auto& [box, uid] : names) {
    std::vector<std::string> uids;
    uids.push_back(uid);
    const base::Result<> removed = co_await parts_.agent.remove(box, std::move(uids));
    if (!removed) {
      base::log_event(base::LogLevel::error, "queue", uid, "deleted mail not removed again",
                      {{"box", box}, {"reason", removed.error().message()}});
    }
  }
}

}  // namespace posthouse::queue
