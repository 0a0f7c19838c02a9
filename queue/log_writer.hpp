// Group commit: the only writer of the log. Whatever waits goes to disk in one write and one flush;
// while that runs the next group fills. No timer delays an urgent batch. Runs on the queue owner's
// executor; the write and the flush run on the log's pool, or inline when one commit waits alone
// and the disk is fast, because two thread hops cost more than such a flush.
//
// After a failed write for want of space the segment is not written further: the next group begins
// a new one. Any other failure is final (docs/spool.md): every waiter gets the error, and so does
// every later call.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "base/disk.hpp"
#include "net/ports.hpp"
#include "net/signal.hpp"
#include "queue/segment.hpp"
#include "queue/spool.hpp"

namespace posthouse::queue {

// The segment being appended to.
struct ActiveSegment {
  std::unique_ptr<base::File> file;
  std::uint32_t number = 0;
  std::uint64_t end = 0;  // where the next record goes
  std::uint64_t records = 0;
};

// What the writer needs from the spool around it; same thread.
class LogWriterOwner {
 public:
  virtual ~LogWriterOwner() = default;
  // A new segment after `sealed`, whose last flush has succeeded. `frees`: the reserve may be used.
  // Errors: no_space_on_device when there is none to be had.
  [[nodiscard]] virtual net::Task<base::Result<ActiveSegment>> next_segment(
      std::uint32_t sealed, std::uint64_t sealed_end, std::uint64_t first_lsn, bool frees) = 0;
  // Whether the reserve is whole again, so that accepting may go on after it was used.
  [[nodiscard]] virtual bool reserve_is_whole() const = 0;
  // Whether a free segment beyond the reserve is ready.
  [[nodiscard]] virtual bool can_roll() const = 0;
  // The batch is on disk, its refs are filled in.
  virtual void on_published(Batch& batch) = 0;
  virtual void on_writer_failed(const base::Error& error) = 0;
};

struct LogWriterOptions {
  std::uint64_t segment_size = 64ULL * 1024 * 1024;
  std::uint64_t max_group = 8ULL * 1024 * 1024;  // a small commit must not wait for megabytes
  // A lone commit is written on the owner's thread while flushes take less than this on average.
  base::Duration inline_below = std::chrono::milliseconds(1);
};

struct LogWriterDeps {
  net::Executor executor;
  net::Timer& timer;
  net::Blocking& pool;  // one thread, used by the writer alone
};

class LogWriter {
 public:
  LogWriter(LogWriterDeps deps, LogWriterOptions options, LogWriterOwner& owner);
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Begins to write at the end of `active`.
  void start(ActiveSegment active, std::uint64_t next_lsn);
  // message_size when the batch fits no segment; else see Spool.
  [[nodiscard]] net::Task<base::Result<>> commit(Batch& batch);
  void append_lazy(Batch batch);
  // Tries at once what waits for space.
  void retry_lazy();
  [[nodiscard]] net::Task<> stop();

  // False while only batches that free something can be written.
  [[nodiscard]] bool accepting() const;
  [[nodiscard]] bool failed() const { return failed_.has_value(); }
  [[nodiscard]] std::uint32_t segment() const { return active_.number; }
  void count(SpoolCounters& counters) const;

 private:
  // A commit that waits, in the frame of its coroutine.
  struct Waiter {
    bool done = false;
    std::size_t generation = 0;
    base::Result<> result;
  };
  struct Pending {
    Batch* batch = nullptr;
    std::unique_ptr<Batch> owned;  // a lazy batch: nobody waits
    Waiter* waiter = nullptr;
    std::uint64_t size = 0;
  };
  enum class Outcome : std::uint8_t { ok, no_space, fatal };

  net::Task<> run();
  net::Task<> write_group();
  net::Task<bool> make_room();
  net::Task<base::Result<>> roll();
  net::Task<base::Result<>> seal();
  net::Task<base::Result<>> write_and_flush(std::span<const iovec> parts, bool inline_allowed);
  void take_group();
  void add_to_group(Pending pending);
  void publish_group();
  void give_back_group(const base::Error& error);
  void refuse_waiting(const base::Error& error);
  void refuse_accepting();
  void fail(const base::Error& error);
  void finish(Pending& pending, const base::Result<>& result);
  [[nodiscard]] bool fits(std::uint64_t size) const;
  [[nodiscard]] bool any_pending_frees() const;
  [[nodiscard]] bool has_work() const;
  void arm_lazy(base::Duration delay);
  net::Task<> lazy_deadline(std::shared_ptr<bool> alive, base::Duration delay);

  LogWriterDeps deps_;
  LogWriterOptions options_;
  LogWriterOwner& owner_;
  ActiveSegment active_;
  std::uint64_t next_lsn_ = 1;
  std::uint64_t flushed_lsn_ = 0;

  std::deque<Pending> pending_;
  std::size_t urgent_ = 0;      // commits in pending_
  bool lazy_due_ = false;       // something lazy has waited long enough
  bool lazy_armed_ = false;     // a timer runs
  std::vector<Pending> group_;  // being written
  std::vector<iovec> parts_;
  std::uint64_t group_bytes_ = 0;
  std::uint64_t group_records_ = 0;
  std::size_t group_commits_ = 0;

  bool sealed_ = false;      // active_ is closed, a new segment is needed
  bool torn_ = false;        // a write to active_ failed: seal it at its end
  bool on_reserve_ = false;  // active_ was one of the spares
  bool full_ = false;        // the last attempt found no segment to go on with
  std::optional<base::Error> failed_;
  base::Duration flush_time_{0};  // moving average

  net::Signal wake_;
  // Waiters of the group being filled and of the one being written.
  std::array<net::Signal, 2> written_;
  std::size_t generation_ = 0;  // of the group being filled
  bool running_ = false;
  bool stopping_ = false;
  net::Signal stopped_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  SpoolCounters counters_;
};

}  // namespace posthouse::queue
