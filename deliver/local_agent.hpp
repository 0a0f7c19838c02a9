// Local delivery: writes messages into mailboxes on the mailbox pool and makes them durable, many
// at a time, on the sync pool. Owns the list of what is not durable yet. All calls on one executor
// (the queue owner's), any number at once; whatever fails is reported for the messages concerned
// only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "mailbox/checkpoint.hpp"
#include "mailbox/store.hpp"
#include "net/ports.hpp"

namespace posthouse::deliver {

// One message for one mailbox. Content: `text`, then the file `large_file` when it is not empty,
// both with CRLF line ends.
struct BoxDelivery {
  base::MessageId id;
  std::uint32_t leaf = 0;
  std::string uid;           // "<seconds>.<message id>-<leaf>"
  std::string box;           // relative to drop_path, or absolute
  std::string recipient;     // for Delivered-To
  std::string reverse_path;  // without brackets; empty: the null reverse-path
  base::WallTime arrival;
  std::shared_ptr<const std::string> text;
  std::string large_file;
  bool redo = false;  // may be in the mailbox already: written anew and synced (docs/spool.md)
};

struct BoxResult {
  bool written = true;  // false: try again later
  std::string detail;   // why not, for the log
};

struct LeafKey {
  base::MessageId id;
  std::uint32_t leaf = 0;
};

struct LocalAgentOptions {
  bool sync_always = false;    // delivery_sync always
  std::size_t bulk_from = 32;  // files and directories from which one call per file system syncs
  std::size_t sync_jobs = 4;   // parallel jobs of a checkpoint that syncs one by one
};

class LocalAgent {
 public:
  // All must outlive the agent. `bulk` may be null: checkpoints sync by file then.
  struct Parts {
    mailbox::Store& store;
    net::Blocking& mailbox_pool;
    net::Blocking& sync_pool;
    mailbox::BulkSync* bulk = nullptr;
  };
  LocalAgent(Parts parts, LocalAgentOptions options);

  // Writes all deliveries in one job; results in the same order. Written is durable after the next
  // successful checkpoint; with `redo` or sync_always it is at once.
  [[nodiscard]] net::Task<std::vector<BoxResult>> deliver(std::vector<BoxDelivery> deliveries);

  // Makes everything written or removed before the call durable. Returns the leaves that could not
  // be hardened: they must be delivered again (and will be as a redo, whether asked to or not).
  [[nodiscard]] net::Task<std::vector<LeafKey>> checkpoint();

  // Whether the last checkpoint could not make the removals in `box` durable; the next tries again.
  [[nodiscard]] bool removals_failed(const std::string& box) const {
    return failed_.contains(parts_.store.path_of(box));
  }

  // Deliveries and octets written since the last checkpoint began.
  [[nodiscard]] std::size_t dirty_files() const { return dirty_.deliveries(); }
  [[nodiscard]] std::uint64_t dirty_bytes() const { return dirty_.octets(); }

  // Removes messages by uid; missing ones are fine. Durable after the next checkpoint.
  [[nodiscard]] net::Task<base::Result<>> remove(std::string box, std::vector<std::string> uids);
  // Somebody else (a POP3 session) removed messages: the next checkpoint makes that durable.
  void note_removal(const std::string& box);

 private:
  // A delivery that the next checkpoint hardens; its index is the token in the dirty set.
  struct Unsynced {
    LeafKey leaf;
    std::string uid;
  };
  class DeliverJob;
  struct Round;
  static net::Task<> sync_files(net::Blocking* pool, std::shared_ptr<Round> round);
  static net::Task<> run_by_file(std::shared_ptr<Round> round, net::Blocking* pool,
                                 std::size_t jobs);
  std::vector<BoxResult> collect(DeliverJob& job);

  Parts parts_;
  const LocalAgentOptions options_;
  mailbox::DirtySet dirty_;
  std::vector<Unsynced> unsynced_;
  mailbox::HardenedPaths hardened_;
  std::unordered_set<std::string> failed_;  // mailboxes of the last checkpoint
  // Messages written but not for sure hardened: whoever delivers them again gets a redo.
  std::unordered_set<std::string> suspect_;
};

}  // namespace posthouse::deliver
