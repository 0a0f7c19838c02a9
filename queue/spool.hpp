// The durable store of the queue (docs/spool.md): batches of records that are committed
// together or not at all. LogSpool (log_spool.hpp) keeps them in an append-only log, MemSpool
// (mem_spool.hpp) in memory; one conformance suite runs against both.
//
// Called by queue::Manager on the queue owner's executor. After an Error with no_space_on_device
// from commit() the spool works on; any other error is final: the spool has failed, every later
// call answers the same error, and on_fatal was called once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "net/task.hpp"
#include "queue/record.hpp"

namespace posthouse::queue {

// Records that take effect together. Movable; commit() fills in the `ref` of each record.
struct Batch {
  std::vector<EncodedRecord> records;
  // Only finishes or frees something (results, deletions, copies of head cleaning): may use the
  // spare segments of a full disk (docs/spool.md).
  bool frees = false;
  // Set by a commit() that failed: the next start may find the records all the same, so the large
  // bodies they name must stay.
  bool perhaps_written = false;
  // Large bodies (names in queue/large) to remove once the batch is on disk.
  std::vector<std::string> large_to_remove;

  Batch() = default;
  [[nodiscard]] std::size_t size() const {
    std::size_t total = 0;
    for (const EncodedRecord& record : records) total += record.size();
    return total;
  }
};

// A record met by recovery.
struct RecordView {
  RecordType type = RecordType::message;
  RecordRef ref;
  std::string_view payload;  // valid during the call
};

// Octets of a segment that could not be read as records.
struct Damage {
  std::string segment;  // file name
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  std::string set_aside;  // path of the copy in queue/corrupt, empty when it could not be made
};

// Folds the log; called in the order of the log.
class RecordVisitor {
 public:
  virtual ~RecordVisitor() = default;
  // An error ends recovery with it.
  virtual base::Result<> on_record(const RecordView& record) = 0;
  virtual void on_damage(const Damage& damage) = 0;
};

struct SpoolCounters {
  std::uint64_t flushes = 0;         // of the log
  std::uint64_t batches = 0;         // committed
  std::uint64_t records = 0;         // committed
  std::uint64_t bytes = 0;           // committed
  std::uint64_t inline_flushes = 0;  // of `flushes`, run on the owner's thread
  std::uint64_t segments = 0;        // with records in them
  std::uint64_t free_segments = 0;
  std::uint64_t live_bytes = 0;
  std::uint64_t recycled = 0;  // segments, since the start
};

class Spool {
 public:
  virtual ~Spool() = default;

  // Reads everything that survived, once, before any other call; takes the spool's lock. Nothing is
  // visited before it is durable again (docs/spool.md). Errors: not_supported ("unknown record
  // version"), resource_unavailable_try_again when another process owns the spool, I/O.
  [[nodiscard]] virtual base::Result<> recover(RecordVisitor& visitor) = 0;
  // After the fold: the records that are still needed, and the large bodies they name. Starts the
  // writer, recycles what is dead, and removes bodies without a record (2a.7).
  [[nodiscard]] virtual base::Result<> begin(const std::vector<RecordRef>& live,
                                             const std::set<std::string>& large_files) = 0;

  // LIMIT: octets of a batch; commit() refuses a larger one with message_size.
  [[nodiscard]] virtual std::uint64_t max_batch() const = 0;
  // Returns after the flush that covers the batch. Records that keep a segment alive count as live
  // from then on, each until its release().
  [[nodiscard]] virtual net::Task<base::Result<>> commit(Batch& batch) = 0;
  // Rides with the next flush, at latest 50 ms from now; kept through a full disk. `frees` is set,
  // and no record in it keeps a segment alive.
  virtual void append_lazy(Batch batch) = 0;
  // Returns when everything appended before the call is on disk.
  [[nodiscard]] virtual net::Task<base::Result<>> flush() = 0;
  virtual void release(const RecordRef& ref) = 0;

  // The content part of a message record, read back and verified.
  [[nodiscard]] virtual net::Task<base::Result<std::shared_ptr<const std::string>>> read_text(
      RecordRef ref) = 0;
  // Path of a large body, from its bare name.
  [[nodiscard]] virtual std::string large_path(std::string_view name) const = 0;
  // Removes a large body that no record names (a submission that failed).
  virtual void discard_large(std::string_view name) = 0;

  // The oldest segment when its live records should be copied forward now, else nullopt.
  [[nodiscard]] virtual std::optional<std::uint32_t> segment_to_clean() const = 0;
  // False when only batches that free something are taken.
  [[nodiscard]] virtual bool accepting() const = 0;
  [[nodiscard]] virtual base::Result<std::uint64_t> free_space() const = 0;
  [[nodiscard]] virtual SpoolCounters counters() const = 0;

  // Called once, with the error, when the spool fails for good; the program ends (2a.1).
  virtual void set_on_fatal(std::function<void(const base::Error&)> on_fatal) = 0;
  // Ends the background work; commits that wait are finished first. Last call before destruction.
  [[nodiscard]] virtual net::Task<> stop() = 0;
};

}  // namespace posthouse::queue
