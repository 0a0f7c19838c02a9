// Head cleaning; see cleaner.hpp.
#include "queue/cleaner.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"

namespace posthouse::queue {
namespace {

// LIMIT: content in memory while copying; a new commit waits at most this long behind it.
constexpr std::uint64_t kCopyAtOnce = 1024 * 1024;

std::vector<LeafState> states_of(const Entry& entry) {
  std::vector<LeafState> states;
  states.reserve(entry.leaves.size());
  for (const LeafRun& leaf : entry.leaves) states.push_back(leaf.state);
  return states;
}

}  // namespace

net::Task<> Cleaner::run() {
  while (const auto segment = parts_.spool.segment_to_clean()) {
    const base::Result<> cleaned = co_await clean(*segment);
    if (!cleaned) {
      base::log_event(base::LogLevel::error, "queue", "-", "log segment not cleaned",
                      {{"reason", cleaned.error().message()}});
      co_return;
    }
    // The spool recycles it as soon as its last record is released. One that stays alive through a
    // commit nobody has heard of yet is met again in the next round.
    const auto next = parts_.spool.segment_to_clean();
    if (next == segment) co_return;
  }
}

net::Task<base::Result<>> Cleaner::clean(std::uint32_t segment) {
  const std::uint64_t most = std::min(kCopyAtOnce, parts_.spool.max_batch());
  const std::vector<base::MessageId> all = index_.ids_in(segment);
  std::vector<base::MessageId> some;
  std::uint64_t bytes = 0;
  for (const base::MessageId& id : all) {
    const Entry* entry = index_.find(id);
    if (entry == nullptr) continue;  // finished meanwhile
    if (bytes + entry->ref.length > most && !some.empty()) {
      bytes = 0;
      std::vector<base::MessageId> full = std::move(some);
      some.clear();
      base::Result<> copied = co_await copy_messages(std::move(full));
      if (!copied) co_return copied;
      entry = index_.find(id);
      if (entry == nullptr) continue;
    }
    some.push_back(id);
    bytes += entry->ref.length;
  }
  base::Result<> copied = co_await copy_messages(std::move(some));
  if (!copied) co_return copied;
  co_return co_await copy_deletions(segment);
}

net::Task<base::Result<>> Cleaner::copy_messages(std::vector<base::MessageId> ids) {
  struct Copy {
    base::MessageId id;
    RecordRef from;
    std::shared_ptr<const std::string> text;
  };
  std::vector<Copy> copies;
  for (const base::MessageId& id : ids) {
    const Entry* entry = index_.find(id);
    if (entry == nullptr || entry->unfinished == 0) continue;
    Copy copy;
    copy.id = id;
    copy.from = entry->ref;
    copy.text = entry->message->content.text;
    if (!copy.text) {
      auto text = co_await parts_.spool.read_text(copy.from);
      entry = index_.find(id);
      if (entry == nullptr || entry->unfinished == 0) continue;  // finished while it was read
      if (!text) co_return tl::unexpected(text.error());
      copy.text = std::move(*text);
    }
    copies.push_back(std::move(copy));
  }
  Batch batch;
  batch.frees = true;
  std::erase_if(copies, [&](Copy& copy) {
    const Entry* entry = index_.find(copy.id);
    if (entry == nullptr || entry->unfinished == 0) return true;
    // The states of this very moment: what is appended after the batch comes later in the log.
    Message message = *entry->message;
    message.content.text = std::move(copy.text);
    batch.records.push_back(encode_message(message, states_of(*entry), true));
    return false;
  });
  if (copies.empty()) co_return base::Result<>();
  base::Result<> committed = co_await parts_.spool.commit(batch);
  if (!committed) co_return committed;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    move_message(copies[i].id, copies[i].from, batch.records[i].ref);
  }
  copied_ += copies.size();
  co_return base::Result<>();
}

void Cleaner::move_message(const base::MessageId& id, const RecordRef& from, const RecordRef& to) {
  Entry* entry = index_.find(id);
  if (entry == nullptr || entry->unfinished == 0) {
    parts_.spool.release(to);  // ended while the copy was written; the end is later in the log
    return;
  }
  entry->ref = to;
  parts_.spool.release(from);
}

net::Task<base::Result<>> Cleaner::copy_deletions(std::uint32_t segment) {
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, deletion] : index_.deletions()) {
    if (deletion.ref.segment == segment) numbers.push_back(number);
  }
  for (const std::uint64_t number : numbers) {
    auto found = index_.deletions().find(number);
    if (found == index_.deletions().end()) continue;
    BoxDelete record;
    record.number = number;
    record.box = found->second.box;
    record.uids = found->second.uids;
    Batch batch;
    batch.frees = true;
    batch.records.push_back(encode_box_delete(record));
    base::Result<> committed = co_await parts_.spool.commit(batch);
    if (!committed) co_return committed;
    const RecordRef& copy = batch.records.front().ref;
    found = index_.deletions().find(number);
    if (found == index_.deletions().end()) {
      parts_.spool.release(copy);  // done meanwhile, and its end is later in the log
      continue;
    }
    parts_.spool.release(found->second.ref);
    found->second.ref = copy;
    ++copied_;
  }
  co_return base::Result<>();
}

}  // namespace posthouse::queue
