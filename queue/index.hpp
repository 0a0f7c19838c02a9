// What the queue knows about its messages, in memory: one entry a live message with the state of
// each leaf, and the POP3 deletions that are not yet hardened. Also how it is made from the log:
// the fold of all records in their order. Queue owner's thread; no I/O.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "queue/message.hpp"
#include "queue/ports.hpp"
#include "queue/spool.hpp"

namespace posthouse::queue {

// A leaf as the queue runs it.
struct LeafRun {
  LeafState state = LeafState::waiting;
  bool redo = false;    // may already be in its mailbox: write anew over the name (docs/spool.md)
  bool active = false;  // in the ready queue or with the carrier
  std::uint8_t failures = 0;
};

struct Entry {
  std::shared_ptr<Message> message;  // content.text may be missing: then it is in the log alone
  RecordRef ref;
  std::vector<LeafRun> leaves;   // same order as message->leaves
  std::uint32_t unfinished = 0;  // leaves that are not finished
  std::uint32_t active = 0;      // leaves that are active; the entry stays while there are any
};

// A leaf of an entry. Entries do not move, and stay while a leaf of theirs is active.
struct LeafSlot {
  Entry* entry = nullptr;
  std::uint32_t leaf = 0;  // index
  [[nodiscard]] LeafRun& run() const { return entry->leaves[leaf]; }
  [[nodiscard]] const Leaf& what() const { return entry->message->leaves[leaf]; }
};

// A POP3 deletion from its flush until the directory of its unlinks has been synced.
struct Deletion {
  std::string box;
  std::vector<std::string> uids;
  RecordRef ref;
};

class Index {
 public:
  // Adds a message that is in the log at `ref`. `states` may be empty: all waiting.
  Entry& insert(std::shared_ptr<Message> message, const RecordRef& ref,
                std::span<const LeafState> states);
  [[nodiscard]] Entry* find(const base::MessageId& id);
  // The leaf with that number; entry is null when the message or the leaf is unknown.
  [[nodiscard]] LeafSlot find(const LeafId& id);
  // A live leaf that a name in a mailbox stands for; entry null for all other names.
  [[nodiscard]] LeafSlot find_uid(std::string_view uid);
  void finish(const LeafSlot& slot);
  // Leaves behind these names that are not finished become removed; the answer names them.
  [[nodiscard]] std::vector<LeafId> mark_removed(const std::vector<std::string>& uids);
  void erase(const base::MessageId& id);

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  // In the order of arrival.
  [[nodiscard]] std::vector<base::MessageId> ids() const;
  [[nodiscard]] std::vector<base::MessageId> ids_in(std::uint32_t segment) const;

  std::map<std::uint64_t, Deletion>& deletions() { return deletions_; }
  [[nodiscard]] std::uint64_t new_deletion_number() { return next_deletion_++; }
  void note_deletion_number(std::uint64_t number);

 private:
  std::unordered_map<base::MessageId, Entry, base::MessageIdHash> entries_;
  std::uint64_t bytes_ = 0;
  std::map<std::uint64_t, Deletion> deletions_;
  std::uint64_t next_deletion_ = 1;
};

// Recovery: applies each record of the log to an empty index.
class Fold final : public RecordVisitor {
 public:
  // `large_path` turns the bare name of a large body into its path.
  Fold(Index& index, const Spool& spool) : index_(index), spool_(spool) {}
  base::Result<> on_record(const RecordView& record) override;
  void on_damage(const Damage& damage) override;

  // After the last record.
  void complete();
  // What the spool must keep.
  [[nodiscard]] std::vector<RecordRef> live_records() const;
  [[nodiscard]] std::set<std::string> large_files() const;

 private:
  base::Result<> on_message(const RecordView& view);
  base::Result<> on_leaves_finished(const RecordView& view);
  base::Result<> on_box_delete(const RecordView& view);
  base::Result<> on_box_delete_done(const RecordView& view);

  Index& index_;
  const Spool& spool_;
};

}  // namespace posthouse::queue
