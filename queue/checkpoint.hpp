// From "written in a mailbox" to "finished in the log" (docs/spool.md): remembers
// what was delivered and removed since the last checkpoint, has the carrier harden it, and writes
// the ends lazily. Queue owner's executor. A leaf that could not be hardened goes back to delivery;
// no error ends the loop.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "net/signal.hpp"
#include "queue/index.hpp"
#include "queue/ports.hpp"
#include "queue/spool.hpp"

namespace posthouse::queue {

struct CheckpointOptions {
  base::Duration after = std::chrono::seconds(2);  // since the first thing to harden
  std::size_t files = 1024;
  std::uint64_t bytes = 32ULL * 1024 * 1024;
};

struct QueueParts {
  net::Executor executor;
  Spool& spool;
  LocalAgent& agent;
  net::Timer& timer;
};

class Checkpoint {
 public:
  Checkpoint(const QueueParts& parts, Index& index, CheckpointOptions options);
  ~Checkpoint();

  // The leaf is in its mailbox; finished when the next checkpoint has hardened it.
  void add_written(const LeafSlot& slot);
  // The leaf is in its mailbox for good (redo); finished with the next records.
  void add_hardened(const LeafSlot& slot);
  // The names of the deletion have been unlinked.
  void add_removal(std::uint64_t number);
  // Starts the checkpoint now if enough is dirty; called after each batch of deliveries.
  void check_limits();

  // One checkpoint of everything added so far; returns when its records are with the spool.
  [[nodiscard]] net::Task<> run_once();
  void start();
  [[nodiscard]] net::Task<> stop();

  // Leaves that must be delivered again, since the last call.
  [[nodiscard]] std::vector<LeafId> take_failed() { return std::exchange(failed_, {}); }
  void set_on_failed(net::Signal& signal) { on_failed_ = &signal; }
  [[nodiscard]] std::uint64_t checkpoints() const { return checkpoints_; }

 private:
  net::Task<> loop();
  net::Task<> deadline(std::shared_ptr<bool> alive, std::uint64_t turn);
  void arm();
  void finish_records(const std::vector<LeafId>& leaves,
                      const std::vector<std::uint64_t>& removals);
  void finish_leaf(LeavesFinished& record, const LeafId& id);
  [[nodiscard]] bool may_finish(const Deletion& deletion);
  void send(LeavesFinished& leaves, BoxDeleteDone& deletions);

  QueueParts parts_;
  Index& index_;
  CheckpointOptions options_;
  std::vector<LeafId> written_;
  std::vector<LeafId> hardened_;
  std::vector<std::uint64_t> removals_;
  std::vector<LeafId> failed_;
  std::vector<base::MessageId> ended_;  // messages whose last leaf is in the record being made
  net::Signal* on_failed_ = nullptr;
  net::Signal wake_;
  net::Signal idle_;
  std::uint64_t turn_ = 0;  // counts checkpoints, so that an old deadline does nothing
  bool armed_ = false;
  bool due_ = false;
  bool busy_ = false;
  bool running_ = false;
  bool stopping_ = false;
  std::uint64_t checkpoints_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace posthouse::queue
