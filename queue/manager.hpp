// The queue: takes messages, keeps them in the spool, has them delivered, and remembers until they
// are safe in their mailboxes. Puts the parts together: Spool (durable), Index (what is live),
// Delivery (out), Checkpoint (done), Cleaner (space). Everything runs on the queue owner's
// executor; only may_accept() may be asked from other threads.
//
// Life: construct, recover() (nothing else before it returned), serve, drain(), destroy after the
// executor stopped running. After a fatal spool error every submit() answers that error.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "queue/checkpoint.hpp"
#include "queue/cleaner.hpp"
#include "queue/delivery.hpp"
#include "queue/index.hpp"
#include "queue/ports.hpp"
#include "queue/spool.hpp"

namespace posthouse::queue {

struct ManagerOptions {
  DeliveryOptions delivery;
  CheckpointOptions checkpoint;
  std::uint64_t min_space = 100ULL * 1024 * 1024;  // octets that must stay free
};

enum class Admission : std::uint8_t { ok, no_space };

// A message as `queue list` shows it.
struct QueuedLeaf {
  mail::Address rcpt;
  mail::Address target;
  LeafState state = LeafState::waiting;
  unsigned failures = 0;
};
struct QueuedMessage {
  base::MessageId id;
  mail::Address sender;
  base::WallTime arrival;
  std::uint64_t size = 0;
  std::vector<QueuedLeaf> leaves;
};

struct ManagerCounters {
  std::uint64_t messages = 0;   // live
  std::uint64_t bytes = 0;      // of their contents
  std::uint64_t ready = 0;      // leaves
  std::uint64_t deferred = 0;   // leaves
  std::uint64_t accepted = 0;   // messages, since the start
  std::uint64_t delivered = 0;  // leaves, since the start
  std::uint64_t checkpoints = 0;
  std::uint64_t content_bytes = 0;  // in memory
  SpoolCounters spool;
};

class Manager {
 public:
  Manager(const QueueParts& parts, ManagerOptions options);
  ~Manager();
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  // Folds the log, carries out the POP3 deletions in it, and delivers again what may not have been
  // hardened, before anything is served. A crash in the middle is met by the next recover().
  [[nodiscard]] net::Task<base::Result<>> recover();

  // Returns after the flush that covers the message; delivery goes on by itself. Leaf numbers are
  // 0, 1, 2 … Errors: no_space_on_device (452), else the spool has failed. The message's large
  // file belongs to the queue from the call on, also when it fails.
  [[nodiscard]] net::Task<base::Result<>> submit(Message message);

  // POP3 deletion: durable when this returns, and no crash brings the messages back. Then the
  // caller unlinks the names and says so with removal_done(number); the answer is that number.
  [[nodiscard]] net::Task<base::Result<std::uint64_t>> remove_from_box(
      std::string box, std::vector<std::string> uids);
  // The names are unlinked; the next checkpoint syncs their directory and ends the deletion.
  void removal_done(std::uint64_t number);

  // Whether a message of `size` octets may begin. Any thread; as of the last second.
  [[nodiscard]] Admission may_accept(std::uint64_t size) const;

  [[nodiscard]] std::vector<QueuedMessage> snapshot();
  [[nodiscard]] ManagerCounters counters() const;

  // Refuses new messages, finishes deliveries that are ready, checkpoints, flushes, and ends all
  // loops. The spool stays open; stop() it afterwards.
  [[nodiscard]] net::Task<> drain();

 private:
  net::Task<> redo_removals();
  void redo_leaves();
  net::Task<> tick(std::shared_ptr<bool> alive);
  void watch_space();

  QueueParts parts_;
  ManagerOptions options_;
  Index index_;
  Checkpoint checkpoint_;
  Delivery delivery_;
  Cleaner cleaner_;
  std::set<std::uint64_t> undone_removals_;  // found in the log, not yet carried out
  bool draining_ = false;
  bool ticking_ = false;
  net::Signal ticked_;
  std::uint64_t accepted_ = 0;
  std::atomic<std::uint64_t> free_space_ = 0;
  std::atomic<bool> accepting_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace posthouse::queue
