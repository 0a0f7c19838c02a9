// The spool on disk: an append-only log of recycled segments with group commit (the format and
// the argument: docs/spool.md). This class puts the parts together and keeps the books of what is
// live: SegmentStore makes and recycles files, LogRecovery reads them at start, LogWriter commits.
// Runs on the queue owner's executor; must outlive stop(), and its frames may outlive it in an
// io_context that does not run any more.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/disk.hpp"
#include "net/ports.hpp"
#include "net/signal.hpp"
#include "queue/log_writer.hpp"
#include "queue/segment_store.hpp"
#include "queue/spool.hpp"

namespace posthouse::queue {

struct LogSpoolOptions {
  std::string directory;  // work_path/queue
  std::uint64_t segment_size = 64ULL * 1024 * 1024;
  std::uint64_t min_log = 1024ULL * 1024 * 1024;  // a smaller log is not cleaned
  std::uint64_t max_group = 8ULL * 1024 * 1024;
  base::Duration inline_below = std::chrono::milliseconds(1);  // see LogWriterOptions
  std::size_t reserve = 2;
  std::size_t keep_free = 8;
};

struct LogSpoolDeps {
  net::Executor executor;
  base::Disk& disk;
  net::Timer& timer;
  net::Blocking& log_pool;   // one thread: the commits
  net::Blocking& file_pool;  // segment files, large bodies, reads
};

class LogSpool final : public Spool, private LogWriterOwner {
 public:
  LogSpool(LogSpoolDeps deps, LogSpoolOptions options);
  ~LogSpool() override;

  base::Result<> recover(RecordVisitor& visitor) override;
  base::Result<> begin(const std::vector<RecordRef>& live,
                       const std::set<std::string>& large_files) override;
  std::uint64_t max_batch() const override;
  net::Task<base::Result<>> commit(Batch& batch) override;
  void append_lazy(Batch batch) override;
  net::Task<base::Result<>> flush() override;
  void release(const RecordRef& ref) override;
  net::Task<base::Result<std::shared_ptr<const std::string>>> read_text(RecordRef ref) override;
  std::string large_path(std::string_view name) const override;
  void discard_large(std::string_view name) override;
  std::optional<std::uint32_t> segment_to_clean() const override;
  bool accepting() const override;
  base::Result<std::uint64_t> free_space() const override;
  SpoolCounters counters() const override;
  void set_on_fatal(std::function<void(const base::Error&)> on_fatal) override;
  net::Task<> stop() override;

 private:
  struct SegmentState {
    std::uint32_t number = 0;
    std::uint64_t live_bytes = 0;
    std::uint64_t live_records = 0;
  };

  // LogWriterOwner
  net::Task<base::Result<ActiveSegment>> next_segment(std::uint32_t sealed,
                                                      std::uint64_t sealed_end,
                                                      std::uint64_t first_lsn, bool frees) override;
  bool reserve_is_whole() const override;
  bool can_roll() const override;
  void on_published(Batch& batch) override;
  void on_writer_failed(const base::Error& error) override;

  net::Task<base::Result<std::string>> free_file(bool frees);
  base::Result<> remove_orphans(const std::set<std::string>& large_files);
  SegmentState& segment(std::uint32_t number);
  void add_live(const RecordRef& ref);
  [[nodiscard]] bool head_is_dead() const;
  net::Task<> housekeeping();
  net::Task<> remove_large();
  net::Task<> recycle_head();
  net::Task<> fill_free();
  net::Task<> retry_fill(std::shared_ptr<bool> alive);

  LogSpoolDeps deps_;
  LogSpoolOptions options_;
  SegmentStore store_;
  LogWriter writer_;
  std::unique_ptr<base::DiskLock> lock_;
  std::deque<SegmentState> segments_;  // ascending; the last one is being written
  std::uint64_t live_bytes_ = 0;
  ActiveSegment recovered_;
  std::uint64_t next_lsn_ = 1;
  bool damaged_ = false;

  std::vector<std::string> large_garbage_;  // names in queue/large that nothing needs any more
  net::Signal housekeeping_wake_;
  net::Signal housekeeping_ended_;
  bool housekeeping_runs_ = false;
  bool fill_failed_ = false;  // no space for a free segment; tried again later
  bool recycle_failed_ = false;
  bool stopping_ = false;
  std::uint64_t recycled_ = 0;
  std::function<void(const base::Error&)> on_fatal_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace posthouse::queue
