// Group commit; see log_writer.hpp.
#include "queue/log_writer.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "queue/errors.hpp"
#include "queue/job.hpp"
#include "queue/lazy.hpp"

namespace posthouse::queue {
namespace {

// How long lazy records wait before a full disk is tried again for their sake.
constexpr base::Duration kFullDiskDelay = std::chrono::seconds(1);

}  // namespace

LogWriter::LogWriter(LogWriterDeps deps, LogWriterOptions options, LogWriterOwner& owner)
    : deps_(deps),
      options_(options),
      owner_(owner),
      wake_(deps.executor),
      written_{net::Signal(deps.executor), net::Signal(deps.executor)},
      stopped_(deps.executor) {}

LogWriter::~LogWriter() { *alive_ = false; }

void LogWriter::start(ActiveSegment active, std::uint64_t next_lsn) {
  active_ = std::move(active);
  next_lsn_ = next_lsn;
  flushed_lsn_ = next_lsn - 1;
  running_ = true;
  net::spawn(deps_.executor, run(), "log writer");
}

net::Task<base::Result<>> LogWriter::commit(Batch& batch) {
  if (failed_) co_return tl::unexpected(*failed_);
  if (stopping_) co_return base::fail(std::errc::operation_canceled, "commit", "spool is closed");
  Pending pending;
  pending.batch = &batch;
  pending.size = batch.size();
  if (kSegmentHeaderSize + pending.size + kSealSize > options_.segment_size) {
    co_return base::fail(std::errc::message_size, "commit", "batch larger than a log segment");
  }
  Waiter waiter;
  waiter.generation = generation_;
  pending.waiter = &waiter;
  pending_.push_back(std::move(pending));
  ++urgent_;
  // Through a post: whoever else is about to commit gets into the same group.
  wake_.notify_one();
  while (!waiter.done) co_await written_[waiter.generation & 1].wait();
  co_return std::move(waiter.result);
}

void LogWriter::append_lazy(Batch batch) {
  if (failed_) return;
  for (const EncodedRecord& record : batch.records) {
    PH_ASSERT(!keeps_alive(record.type), "nobody would learn where a lazy record stands");
  }
  PH_ASSERT(batch.frees, "a lazy batch frees something");
  Pending pending;
  pending.owned = std::make_unique<Batch>(std::move(batch));
  pending.batch = pending.owned.get();
  pending.size = pending.batch->size();
  PH_ASSERT(kSegmentHeaderSize + pending.size + kSealSize <= options_.segment_size,
            "a lazy batch fits a segment");
  pending_.push_back(std::move(pending));
  arm_lazy(kLazyDelay);
}

void LogWriter::arm_lazy(base::Duration delay) {
  if (lazy_armed_) return;
  lazy_armed_ = true;
  net::spawn(deps_.executor, lazy_deadline(alive_, delay), "log writer, lazy");
}

net::Task<> LogWriter::lazy_deadline(std::shared_ptr<bool> alive, base::Duration delay) {
  const base::MonoTime when = deps_.timer.clock().mono() + delay;
  co_await deps_.timer.sleep_until(when);
  if (!*alive) co_return;
  lazy_armed_ = false;
  retry_lazy();
}

void LogWriter::retry_lazy() {
  if (pending_.empty()) return;
  lazy_due_ = true;
  wake_.notify_one();
}

bool LogWriter::has_work() const { return urgent_ > 0 || (lazy_due_ && !pending_.empty()); }

net::Task<> LogWriter::run() {
  while (!failed_) {
    if (has_work()) {
      co_await write_group();
    } else if (stopping_) {
      break;
    } else {
      co_await wake_.wait();
    }
  }
  running_ = false;
  stopped_.notify_all();
}

net::Task<> LogWriter::stop() {
  lazy_due_ = true;
  stopping_ = true;
  wake_.notify_one();
  while (running_) co_await stopped_.wait();
}

bool LogWriter::fits(std::uint64_t size) const {
  return active_.end + size + kSealSize <= options_.segment_size;
}

bool LogWriter::accepting() const {
  if (failed_ || (on_reserve_ && !owner_.reserve_is_whole())) return false;
  return !full_ || owner_.can_roll();
}

bool LogWriter::any_pending_frees() const {
  return std::any_of(pending_.begin(), pending_.end(),
                     [](const Pending& p) { return p.batch->frees; });
}

net::Task<> LogWriter::write_group() {
  const bool room = co_await make_room();
  if (!room) co_return;
  if (on_reserve_) refuse_accepting();
  if (pending_.empty()) co_return;
  take_group();
  if (group_bytes_ == 0) {  // only empty batches: their place in the order was all they asked for
    publish_group();
    co_return;
  }
  const bool alone = group_commits_ == 1;
  const base::Result<> written = co_await write_and_flush(parts_, alone);
  if (written) {
    publish_group();
  } else if (is_no_space(written.error())) {
    torn_ = true;
    // Before anybody is answered: behind the seal nothing of the failed write comes to life.
    const base::Result<> sealed = co_await seal();
    if (sealed || is_no_space(sealed.error())) {
      for (Pending& pending : group_) pending.batch->perhaps_written = !sealed;
      give_back_group(written.error());
    } else {
      fail(sealed.error());
    }
  } else {
    fail(written.error());
  }
}

// False when nothing can be written now; whoever waited has been answered.
net::Task<bool> LogWriter::make_room() {
  if (on_reserve_ && owner_.reserve_is_whole()) on_reserve_ = false;
  if (on_reserve_) refuse_accepting();
  if (pending_.empty()) co_return false;
  if (sealed_ || torn_ || !fits(pending_.front().size)) {
    const base::Result<> rolled = co_await roll();
    full_ = !rolled && is_no_space(rolled.error());
    if (full_) {
      refuse_waiting(rolled.error());
      co_return false;
    }
    if (!rolled) {
      fail(rolled.error());
      co_return false;
    }
  }
  co_return true;
}

net::Task<base::Result<>> LogWriter::roll() {
  if (!sealed_) {
    base::Result<> result = co_await seal();
    if (!result) co_return result;
  }
  auto next = co_await owner_.next_segment(active_.number, active_.end, next_lsn_, false);
  bool reserve = false;
  if (!next && is_no_space(next.error()) && any_pending_frees()) {
    next = co_await owner_.next_segment(active_.number, active_.end, next_lsn_, true);
    reserve = true;
  }
  if (!next) co_return tl::unexpected(next.error());
  active_ = std::move(*next);
  sealed_ = false;
  torn_ = false;
  on_reserve_ = reserve;
  co_return base::Result<>();
}

net::Task<base::Result<>> LogWriter::seal() {
  Seal value;
  value.records = active_.records;
  EncodedRecord record = encode_seal(value);
  finish_record(record, kEndOfBatch, active_.number, next_lsn_, flushed_lsn_);
  iovec part;
  part.iov_base = record.head.data();
  part.iov_len = record.head.size();
  const std::span<const iovec> parts(&part, 1);
  base::Result<> written = co_await write_and_flush(parts, false);
  if (!written) co_return written;
  active_.end += record.head.size();
  flushed_lsn_ = next_lsn_++;
  sealed_ = true;
  co_return written;
}

net::Task<base::Result<>> LogWriter::write_and_flush(std::span<const iovec> parts,
                                                     bool inline_allowed) {
  base::Result<> result;
  base::Duration took{0};
  const base::Clock& clock = deps_.timer.clock();
  base::File& file = *active_.file;
  const std::uint64_t offset = active_.end;
  auto work = [&] {
    const base::MonoTime began = clock.mono();
    result = file.write_at(offset, parts);
    if (result) result = final_if_failed(file.sync_data());
    took = clock.mono() - began;
  };
  ++counters_.flushes;
  if (inline_allowed && flush_time_ < options_.inline_below) {
    ++counters_.inline_flushes;
    work();
  } else {
    CallJob<decltype(work)> job(work);
    const bool ran = co_await deps_.pool.run(job);
    if (!ran) work();  // the pool is ours alone; better slow than refused
  }
  flush_time_ = (flush_time_ * 7 + took) / 8;
  co_return result;
}

void LogWriter::take_group() {
  group_.clear();
  parts_.clear();
  group_bytes_ = 0;
  group_records_ = 0;
  group_commits_ = 0;
  bool all = true;
  while (!pending_.empty()) {
    Pending& next = pending_.front();
    const std::uint64_t after = active_.end + group_bytes_ + next.size + kSealSize;
    if (after > options_.segment_size ||
        (!group_.empty() && group_bytes_ + next.size > options_.max_group)) {
      all = false;
      break;
    }
    add_to_group(std::move(next));
    pending_.pop_front();
  }
  if (all) lazy_due_ = false;
  ++generation_;
  // Those left behind wake with this group, find themselves not done, and wait for the next.
  for (Pending& left : pending_) {
    if (left.waiter != nullptr) left.waiter->generation = generation_;
  }
}

void LogWriter::add_to_group(Pending pending) {
  Batch& batch = *pending.batch;
  for (std::size_t i = 0; i < batch.records.size(); ++i) {
    EncodedRecord& record = batch.records[i];
    const std::uint8_t flags = i + 1 == batch.records.size() ? kEndOfBatch : 0;
    finish_record(record, flags, active_.number, next_lsn_ + group_records_, flushed_lsn_);
    record.ref.segment = active_.number;
    record.ref.offset = static_cast<std::uint32_t>(active_.end + group_bytes_);
    record.ref.length = static_cast<std::uint32_t>(record.size());
    iovec part;
    part.iov_base = record.head.data();
    part.iov_len = record.head.size();
    parts_.push_back(part);
    if (record.content && !record.content->empty()) {
      part.iov_base = const_cast<char*>(record.content->data());  // writev(2) only reads
      part.iov_len = record.content->size();
      parts_.push_back(part);
    }
    group_bytes_ += record.size();
    ++group_records_;
  }
  if (pending.waiter != nullptr) {
    --urgent_;
    ++group_commits_;
  }
  group_.push_back(std::move(pending));
}

void LogWriter::publish_group() {
  active_.end += group_bytes_;
  active_.records += group_records_;
  next_lsn_ += group_records_;
  flushed_lsn_ = next_lsn_ - 1;
  counters_.bytes += group_bytes_;
  counters_.records += group_records_;
  counters_.batches += group_.size();
  for (Pending& pending : group_) {
    owner_.on_published(*pending.batch);
    if (pending.waiter != nullptr) pending.waiter->done = true;
  }
  group_.clear();
  written_[(generation_ - 1) & 1].notify_all();
}

// The group could not be written: commits are refused, lazy batches go back to the front.
void LogWriter::give_back_group(const base::Error& error) {
  const base::Result<> refused = tl::unexpected(error);
  for (auto pending = group_.rbegin(); pending != group_.rend(); ++pending) {
    if (pending->waiter != nullptr) {
      pending->waiter->result = refused;
      pending->waiter->done = true;
    } else {
      pending_.push_front(std::move(*pending));
    }
  }
  group_.clear();
  written_[(generation_ - 1) & 1].notify_all();
  lazy_due_ = false;
  if (!pending_.empty()) arm_lazy(kFullDiskDelay);
}

void LogWriter::refuse_waiting(const base::Error& error) {
  const base::Result<> refused = tl::unexpected(error);
  std::deque<Pending> kept;
  for (Pending& pending : pending_) {
    if (pending.waiter != nullptr) {
      finish(pending, refused);
    } else {
      kept.push_back(std::move(pending));
    }
  }
  pending_ = std::move(kept);
  for (net::Signal& signal : written_) signal.notify_all();
  lazy_due_ = false;
  if (pending_.empty()) return;
  if (stopping_) {
    pending_.clear();  // redo after the restart does their work again
  } else {
    arm_lazy(kFullDiskDelay);
  }
}

// The segment is one of the spares: only what frees something goes into it.
void LogWriter::refuse_accepting() {
  const base::Result<> refused =
      base::fail(std::errc::no_space_on_device, "commit", "log on its reserve");
  const auto accepts = [&](Pending& pending) {
    if (pending.batch->frees) return false;
    PH_ASSERT(pending.waiter != nullptr, "a lazy batch frees something");
    finish(pending, refused);
    return true;
  };
  const auto kept = std::remove_if(pending_.begin(), pending_.end(), accepts);
  if (kept == pending_.end()) return;
  pending_.erase(kept, pending_.end());
  for (net::Signal& signal : written_) signal.notify_all();
}

void LogWriter::finish(Pending& pending, const base::Result<>& result) {
  if (pending.waiter == nullptr) return;
  --urgent_;
  pending.waiter->result = result;
  pending.waiter->done = true;
}

void LogWriter::fail(const base::Error& error) {
  failed_ = error;
  const base::Result<> refused = tl::unexpected(error);
  for (Pending& pending : group_) {
    pending.batch->perhaps_written = true;
    if (pending.waiter == nullptr) continue;
    pending.waiter->result = refused;
    pending.waiter->done = true;
  }
  group_.clear();
  for (Pending& pending : pending_) finish(pending, refused);
  pending_.clear();
  for (net::Signal& signal : written_) signal.notify_all();
  owner_.on_writer_failed(error);
}

void LogWriter::count(SpoolCounters& counters) const {
  counters.flushes = counters_.flushes;
  counters.inline_flushes = counters_.inline_flushes;
  counters.batches = counters_.batches;
  counters.records = counters_.records;
  counters.bytes = counters_.bytes;
}

}  // namespace posthouse::queue
