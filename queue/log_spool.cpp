// The spool on disk; see log_spool.hpp.
#include "queue/log_spool.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "queue/errors.hpp"
#include "queue/job.hpp"
#include "queue/log_recovery.hpp"

namespace posthouse::queue {
namespace {

constexpr base::Duration kFillRetry = std::chrono::seconds(5);

SegmentStoreOptions store_options(const LogSpoolOptions& options) {
  SegmentStoreOptions store;
  store.directory = options.directory;
  store.segment_size = options.segment_size;
  store.reserve = options.reserve;
  store.keep_free = options.keep_free;
  return store;
}

LogWriterOptions writer_options(const LogSpoolOptions& options) {
  LogWriterOptions writer;
  writer.segment_size = options.segment_size;
  writer.max_group = options.max_group;
  writer.inline_below = options.inline_below;
  return writer;
}

LogWriterDeps writer_deps(const LogSpoolDeps& deps) {
  return LogWriterDeps{deps.executor, deps.timer, deps.log_pool};
}

void log_failure(std::string_view event, const base::Error& error) {
  base::log_event(base::LogLevel::error, "queue", "-", event, {{"reason", error.message()}});
}

// The text of the message record at `ref`, verified.
base::Result<std::shared_ptr<const std::string>> read_text_at(base::Disk& disk,
                                                              const std::string& path,
                                                              const RecordRef& ref) {
  auto file = disk.open(path, base::OpenMode::read);
  if (!file) return tl::unexpected(file.error());
  SegmentScanner scanner(**file, ref.segment, std::uint64_t{ref.offset} + ref.length);
  auto record = scanner.at(ref.offset);
  if (!record) return tl::unexpected(record.error());
  if (!*record || (*record)->end() != std::uint64_t{ref.offset} + ref.length) {
    return base::fail(std::errc::io_error, "read message record", path);
  }
  auto message = decode_message((*record)->payload);
  if (!message) return tl::unexpected(message.error());
  return std::make_shared<const std::string>(message->text);
}

}  // namespace

LogSpool::LogSpool(LogSpoolDeps deps, LogSpoolOptions options)
    : deps_(deps),
      options_(std::move(options)),
      store_(deps.disk, store_options(options_)),
      writer_(writer_deps(deps), writer_options(options_), *this),
      housekeeping_wake_(deps.executor),
      housekeeping_ended_(deps.executor) {}

LogSpool::~LogSpool() { *alive_ = false; }

base::Result<> LogSpool::recover(RecordVisitor& visitor) {
  for (const char* folder : {"", "/large", "/corrupt"}) {
    if (auto made = base::make_dirs(deps_.disk, options_.directory + folder); !made) return made;
  }
  auto lock = deps_.disk.lock(options_.directory + "/lock");
  if (!lock && lock.error().code == std::errc::operation_would_block) {
    return base::fail(std::errc::resource_unavailable_try_again, "another process owns the spool",
                      options_.directory);
  }
  if (!lock) return tl::unexpected(lock.error());
  lock_ = std::move(*lock);

  LogRecovery recovery(deps_.disk, store_, visitor);
  auto log = recovery.run();
  if (!log) return tl::unexpected(log.error());
  for (const RecoveredSegment& found : log->segments) {
    SegmentState state;
    state.number = found.number;
    segments_.push_back(state);
  }
  recovered_.file = std::move(log->active);
  recovered_.number = log->segments.back().number;
  recovered_.end = log->segments.back().end;
  recovered_.records = log->active_records;
  next_lsn_ = log->next_lsn;
  damaged_ = log->damaged;
  return {};
}

base::Result<> LogSpool::begin(const std::vector<RecordRef>& live,
                               const std::set<std::string>& large_files) {
  for (const RecordRef& ref : live) add_live(ref);
  if (auto removed = remove_orphans(large_files); !removed) return removed;
  writer_.start(std::move(recovered_), next_lsn_);
  housekeeping_runs_ = true;
  net::spawn(deps_.executor, housekeeping(), "spool housekeeping");
  return {};
}

// Bodies without a record: their message was never committed, or is finished. After damage the
// record may be what was lost, so the body is kept (docs/spool.md).
base::Result<> LogSpool::remove_orphans(const std::set<std::string>& large_files) {
  const std::string folder = options_.directory + "/large/";
  auto names = deps_.disk.list(options_.directory + "/large");
  if (!names) return tl::unexpected(names.error());
  for (const std::string& name : *names) {
    if (large_files.contains(name)) continue;
    const std::string kept = options_.directory + "/corrupt/" + name;
    auto gone =
        damaged_ ? deps_.disk.rename(folder + name, kept) : deps_.disk.remove(folder + name);
    if (!gone) return gone;
  }
  return {};
}

std::uint64_t LogSpool::max_batch() const {
  return options_.segment_size - kSegmentHeaderSize - kSealSize;
}

net::Task<base::Result<>> LogSpool::commit(Batch& batch) { return writer_.commit(batch); }

void LogSpool::append_lazy(Batch batch) { writer_.append_lazy(std::move(batch)); }

net::Task<base::Result<>> LogSpool::flush() {
  Batch nothing;
  nothing.frees = true;
  co_return co_await writer_.commit(nothing);
}

LogSpool::SegmentState& LogSpool::segment(std::uint32_t number) {
  const auto found = std::lower_bound(
      segments_.begin(), segments_.end(), number,
      [](const SegmentState& state, std::uint32_t wanted) { return state.number < wanted; });
  PH_ASSERT(found != segments_.end() && found->number == number, "a live record has its segment");
  return *found;
}

void LogSpool::add_live(const RecordRef& ref) {
  SegmentState& state = segment(ref.segment);
  state.live_bytes += ref.length;
  ++state.live_records;
  live_bytes_ += ref.length;
}

void LogSpool::release(const RecordRef& ref) {
  SegmentState& state = segment(ref.segment);
  PH_ASSERT(state.live_records > 0 && state.live_bytes >= ref.length, "released once only");
  state.live_bytes -= ref.length;
  --state.live_records;
  live_bytes_ -= ref.length;
  if (head_is_dead()) housekeeping_wake_.notify_one();
}

bool LogSpool::head_is_dead() const {
  return segments_.size() > 1 && segments_.front().live_records == 0;
}

std::optional<std::uint32_t> LogSpool::segment_to_clean() const {
  if (segments_.size() < 2 || head_is_dead()) return std::nullopt;
  const std::uint64_t size = segments_.size() * options_.segment_size;
  const std::uint64_t allowed = std::max(4 * live_bytes_, options_.min_log);
  if (size > allowed) return segments_.front().number;
  // On a full disk a segment is wanted even from a small log, if copying gains one.
  const bool gains = segments_.front().live_bytes < options_.segment_size / 2;
  if (!accepting() && gains) return segments_.front().number;
  return std::nullopt;
}

bool LogSpool::accepting() const { return writer_.accepting(); }

bool LogSpool::reserve_is_whole() const { return store_.free_count() >= options_.reserve; }

bool LogSpool::can_roll() const { return store_.free_count() > options_.reserve; }

void LogSpool::on_published(Batch& batch) {
  for (const EncodedRecord& record : batch.records) {
    if (keeps_alive(record.type)) add_live(record.ref);
  }
  if (batch.large_to_remove.empty()) return;
  for (std::string& name : batch.large_to_remove) large_garbage_.push_back(std::move(name));
  housekeeping_wake_.notify_one();
}

void LogSpool::on_writer_failed(const base::Error& error) {
  log_failure("the log has failed", error);
  housekeeping_wake_.notify_one();
  if (on_fatal_) on_fatal_(error);
}

net::Task<base::Result<std::string>> LogSpool::free_file(bool frees) {
  std::string name = store_.take_free(frees);
  if (!name.empty()) co_return name;
  if (fill_failed_) {
    co_return base::fail(std::errc::no_space_on_device, "new log segment", options_.directory);
  }
  name = store_.new_name();
  base::Result<> made;
  auto work = [&] { made = store_.create(name); };
  CallJob<decltype(work)> job(work);
  const bool ran = co_await deps_.file_pool.run(job);
  if (!ran) work();
  if (!made) {
    // Asked again by housekeeping only: zero-filling in vain for each message would be worse.
    fill_failed_ = true;
    net::spawn(deps_.executor, retry_fill(alive_), "spool, space");
    co_return base::fail(std::errc::no_space_on_device, "new log segment", made.error().message());
  }
  co_return name;
}

net::Task<base::Result<ActiveSegment>> LogSpool::next_segment(std::uint32_t sealed,
                                                              std::uint64_t sealed_end,
                                                              std::uint64_t first_lsn, bool frees) {
  auto name = co_await free_file(frees);
  if (!name) co_return tl::unexpected(name.error());
  SegmentHeader header;
  header.number = sealed + 1;
  header.first_lsn = first_lsn;
  header.previous = sealed;
  header.previous_end = sealed_end;
  header.size = options_.segment_size;
  base::Result<std::unique_ptr<base::File>> file;
  auto work = [&] { file = store_.start(*name, header); };
  CallJob<decltype(work)> job(work);
  const bool ran = co_await deps_.log_pool.run(job);
  if (!ran) work();
  if (!file) {
    if (is_no_space(file.error())) store_.add_free(*name);
    co_return tl::unexpected(file.error());
  }
  ActiveSegment active;
  active.file = std::move(*file);
  active.number = header.number;
  active.end = kSegmentHeaderSize;
  SegmentState state;
  state.number = header.number;
  segments_.push_back(state);
  housekeeping_wake_.notify_one();  // the one before it may be dead, and a free one was used up
  co_return active;
}

net::Task<base::Result<std::shared_ptr<const std::string>>> LogSpool::read_text(RecordRef ref) {
  const std::string path = store_.path(segment_name(ref.segment));
  base::Result<std::shared_ptr<const std::string>> text;
  auto work = [&] { text = read_text_at(deps_.disk, path, ref); };
  CallJob<decltype(work)> job(work);
  const bool ran = co_await deps_.file_pool.run(job);
  if (!ran) co_return base::fail(std::errc::resource_unavailable_try_again, "read message", path);
  co_return text;
}

std::string LogSpool::large_path(std::string_view name) const {
  return options_.directory + "/large/" + std::string(name);
}

void LogSpool::discard_large(std::string_view name) {
  large_garbage_.emplace_back(name);
  housekeeping_wake_.notify_one();
}

base::Result<std::uint64_t> LogSpool::free_space() const {
  return deps_.disk.free_space(options_.directory);
}

SpoolCounters LogSpool::counters() const {
  SpoolCounters counters;
  writer_.count(counters);
  counters.segments = segments_.size();
  counters.free_segments = store_.free_count();
  counters.live_bytes = live_bytes_;
  counters.recycled = recycled_;
  return counters;
}

void LogSpool::set_on_fatal(std::function<void(const base::Error&)> on_fatal) {
  on_fatal_ = std::move(on_fatal);
}

net::Task<> LogSpool::stop() {
  co_await writer_.stop();
  stopping_ = true;
  housekeeping_wake_.notify_one();
  while (housekeeping_runs_) co_await housekeeping_ended_.wait();
}

net::Task<> LogSpool::housekeeping() {
  while (true) {
    if (!large_garbage_.empty()) {
      co_await remove_large();
    } else if (stopping_ || writer_.failed()) {
      break;
    } else if (head_is_dead() && !recycle_failed_) {
      co_await recycle_head();
    } else if (store_.wants_more() && !fill_failed_) {
      co_await fill_free();
    } else {
      co_await housekeeping_wake_.wait();
    }
  }
  housekeeping_runs_ = false;
  housekeeping_ended_.notify_all();
}

net::Task<> LogSpool::remove_large() {
  const std::vector<std::string> names = std::exchange(large_garbage_, {});
  auto work = [&] {
    for (const std::string& name : names) {
      // What cannot be removed now is an orphan at the next start.
      static_cast<void>(deps_.disk.remove(large_path(name)));
    }
  };
  CallJob<decltype(work)> job(work);
  const bool ran = co_await deps_.file_pool.run(job);
  if (!ran) work();
}

// Only the oldest segment, and one after the other: a record may end something that an older one
// began, so it must not vanish first.
net::Task<> LogSpool::recycle_head() {
  const std::uint32_t number = segments_.front().number;
  const bool surplus = store_.has_enough();
  const std::string name = store_.new_name();
  base::Result<> result;
  auto work = [&] {
    result = store_.recycle(number, name);
    if (result && surplus) result = store_.remove(name);
  };
  CallJob<decltype(work)> job(work);
  const bool ran = co_await deps_.file_pool.run(job);
  if (!ran) work();
  if (!result) {
    log_failure("segment not recycled", result.error());
    recycle_failed_ = true;  // the file stays what it was; the next start recycles it
    co_return;
  }
  PH_ASSERT(segments_.front().number == number, "nobody else takes the head");
  segments_.pop_front();
  ++recycled_;
  if (!surplus) store_.add_free(name);
  writer_.retry_lazy();
}

net::Task<> LogSpool::fill_free() {
  const std::string name = store_.new_name();
  base::Result<> result;
  auto work = [&] { result = store_.create(name); };
  CallJob<decltype(work)> job(work);
  const bool ran = co_await deps_.file_pool.run(job);
  if (!ran) work();
  if (result) {
    store_.add_free(name);
    co_return;
  }
  log_failure("no space for a free log segment", result.error());
  fill_failed_ = true;
  net::spawn(deps_.executor, retry_fill(alive_), "spool, space");
}

net::Task<> LogSpool::retry_fill(std::shared_ptr<bool> alive) {
  const base::MonoTime when = deps_.timer.clock().mono() + kFillRetry;
  co_await deps_.timer.sleep_until(when);
  if (!*alive) co_return;
  fill_failed_ = false;
  housekeeping_wake_.notify_one();
}

}  // namespace posthouse::queue
