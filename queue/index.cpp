// The index and its fold; see index.hpp.
#include "queue/index.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "queue/leaf_uid.hpp"

namespace posthouse::queue {

Entry& Index::insert(std::shared_ptr<Message> message, const RecordRef& ref,
                     std::span<const LeafState> states) {
  const base::MessageId id = message->id;
  const auto [found, inserted] = entries_.try_emplace(id);
  PH_ASSERT(inserted, "message ids are never repeated");
  Entry& entry = found->second;
  bytes_ += message->content.size;
  entry.ref = ref;
  entry.leaves.resize(message->leaves.size());
  for (std::size_t i = 0; i < entry.leaves.size(); ++i) {
    if (!states.empty()) entry.leaves[i].state = states[i];
    if (entry.leaves[i].state != LeafState::finished) ++entry.unfinished;
  }
  entry.message = std::move(message);
  return entry;
}

Entry* Index::find(const base::MessageId& id) {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second;
}

LeafSlot Index::find(const LeafId& id) {
  LeafSlot slot;
  Entry* entry = find(id.id);
  if (entry == nullptr) return slot;
  const std::vector<Leaf>& leaves = entry->message->leaves;
  const auto is_it = [&](std::size_t at) { return leaves[at].number == id.leaf; };
  std::uint32_t at = 0;
  if (id.leaf < leaves.size() && is_it(id.leaf)) {
    at = id.leaf;  // numbers are indexes unless a later version leaves gaps
  } else {
    while (at < leaves.size() && !is_it(at)) ++at;
    if (at == leaves.size()) return slot;
  }
  slot.entry = entry;
  slot.leaf = at;
  return slot;
}

LeafSlot Index::find_uid(std::string_view uid) {
  const auto id = parse_leaf_uid(uid);
  if (!id) return LeafSlot();
  const LeafSlot slot = find(*id);
  // The seconds in front belong to the name: another program may have made a similar one.
  if (slot.entry == nullptr || leaf_uid(*slot.entry->message, slot.what()) != uid) {
    return LeafSlot();
  }
  return slot;
}

void Index::finish(const LeafSlot& slot) {
  LeafRun& run = slot.run();
  if (run.state == LeafState::finished) return;
  run.state = LeafState::finished;
  --slot.entry->unfinished;
}

void Index::erase(const base::MessageId& id) {
  const auto found = entries_.find(id);
  PH_ASSERT(found != entries_.end() && found->second.active == 0, "nobody holds the entry");
  bytes_ -= found->second.message->content.size;
  entries_.erase(found);
}

std::vector<base::MessageId> Index::ids() const {
  std::vector<base::MessageId> ids;
  ids.reserve(entries_.size());
  for (const auto& [id, entry] : entries_) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::vector<base::MessageId> Index::ids_in(std::uint32_t segment) const {
  std::vector<base::MessageId> ids;
  for (const auto& [id, entry] : entries_) {
    if (entry.ref.segment == segment) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::vector<LeafId> Index::mark_removed(const std::vector<std::string>& uids) {
  std::vector<LeafId> marked;
  for (const std::string& uid : uids) {
    const LeafSlot slot = find_uid(uid);
    if (slot.entry == nullptr || slot.run().state >= LeafState::removed) continue;
    slot.run().state = LeafState::removed;
    LeafId id;
    id.id = slot.entry->message->id;
    id.leaf = slot.what().number;
    marked.push_back(id);
  }
  return marked;
}

void Index::note_deletion_number(std::uint64_t number) {
  next_deletion_ = std::max(next_deletion_, number + 1);
}

base::Result<> Fold::on_record(const RecordView& record) {
  switch (record.type) {
    case RecordType::message:
      return on_message(record);
    case RecordType::leaves_finished:
      return on_leaves_finished(record);
    case RecordType::box_delete:
      return on_box_delete(record);
    case RecordType::box_delete_done:
      return on_box_delete_done(record);
    case RecordType::seal:
      break;
  }
  return {};
}

base::Result<> Fold::on_message(const RecordView& view) {
  auto record = decode_message(view.payload);
  if (!record) return tl::unexpected(record.error());
  if (Entry* known = index_.find(record->message.id)) {
    // Copied forward. States only advance, and what was appended between making the copy and
    // writing it counts as well: the further of both is true.
    known->ref = view.ref;
    for (std::uint32_t i = 0; i < record->message.leaves.size(); ++i) {
      LeafId id;
      id.id = record->message.id;
      id.leaf = record->message.leaves[i].number;
      const LeafSlot slot = index_.find(id);
      if (slot.entry == nullptr || slot.run().state >= record->states[i]) continue;
      if (record->states[i] == LeafState::finished) {
        index_.finish(slot);
      } else {
        slot.run().state = record->states[i];
      }
    }
    if (known->unfinished == 0) index_.erase(record->message.id);
    return {};
  }
  Message& message = record->message;
  if (!message.content.large_file.empty()) {
    message.content.large_file = spool_.large_path(message.content.large_file);
  }
  const base::MessageId id = message.id;
  const Entry& entry =
      index_.insert(std::make_shared<Message>(std::move(message)), view.ref, record->states);
  if (entry.unfinished == 0) index_.erase(id);
  return {};
}

base::Result<> Fold::on_leaves_finished(const RecordView& view) {
  auto record = decode_leaves_finished(view.payload);
  if (!record) return tl::unexpected(record.error());
  for (const LeavesFinished::Item& item : record->items) {
    Entry* entry = index_.find(item.id);
    if (entry == nullptr) continue;  // its record went with an older segment
    for (const std::uint32_t number : item.leaves) {
      LeafId id;
      id.id = item.id;
      id.leaf = number;
      const LeafSlot slot = index_.find(id);
      if (slot.entry != nullptr) index_.finish(slot);
    }
    if (entry->unfinished == 0) index_.erase(item.id);
  }
  return {};
}

base::Result<> Fold::on_box_delete(const RecordView& view) {
  auto record = decode_box_delete(view.payload);
  if (!record) return tl::unexpected(record.error());
  index_.note_deletion_number(record->number);
  Deletion deletion;
  deletion.box = std::move(record->box);
  deletion.uids = std::move(record->uids);
  deletion.ref = view.ref;
  static_cast<void>(index_.mark_removed(deletion.uids));
  index_.deletions()[record->number] = std::move(deletion);
  return {};
}

base::Result<> Fold::on_box_delete_done(const RecordView& view) {
  auto record = decode_box_delete_done(view.payload);
  if (!record) return tl::unexpected(record.error());
  for (const std::uint64_t number : record->numbers) {
    index_.note_deletion_number(number);
    index_.deletions().erase(number);
  }
  return {};
}

void Fold::complete() {
  // Head cleaning may have copied a message, with the state from before, after the deletion was
  // written but before anybody knew that it was.
  for (const auto& [number, deletion] : index_.deletions()) {
    static_cast<void>(index_.mark_removed(deletion.uids));
  }
}

void Fold::on_damage(const Damage&) {}  // the spool has logged it and keeps the octets

std::vector<RecordRef> Fold::live_records() const {
  std::vector<RecordRef> live;
  for (const base::MessageId& id : index_.ids()) live.push_back(index_.find(id)->ref);
  for (const auto& [number, deletion] : index_.deletions()) live.push_back(deletion.ref);
  return live;
}

std::set<std::string> Fold::large_files() const {
  std::set<std::string> names;
  for (const base::MessageId& id : index_.ids()) {
    const std::string& path = index_.find(id)->message->content.large_file;
    if (!path.empty()) names.insert(path.substr(path.rfind('/') + 1));
  }
  return names;
}

}  // namespace posthouse::queue
