// The memory spool; see mem_spool.hpp. It keeps the order and the grouping of the log: whatever
// waits when its writer runs is "flushed" together, lazy batches ride along.
#include "queue/mem_spool.hpp"

#include "base/assert.hpp"
#include "queue/lazy.hpp"

namespace posthouse::queue {

MemSpool::MemSpool(net::Executor executor, net::Timer& timer, std::shared_ptr<MemLog> log)
    : executor_(executor),
      timer_(timer),
      log_(std::move(log)),
      wake_(executor),
      flushed_(executor) {}

MemSpool::~MemSpool() {
  *alive_ = false;
  if (owner_) log_->owned = false;
}

base::Result<> MemSpool::recover(RecordVisitor& visitor) {
  if (log_->owned) {
    return base::fail(std::errc::resource_unavailable_try_again, "lock", "memory spool");
  }
  log_->owned = true;
  owner_ = true;
  for (const auto& [number, stored] : log_->records) {
    RecordView view;
    view.type = stored.type;
    view.ref = RecordRef{1, number, static_cast<std::uint32_t>(stored.payload.size())};
    view.payload = stored.payload;
    if (auto visited = visitor.on_record(view); !visited) return visited;
  }
  return {};
}

base::Result<> MemSpool::begin(const std::vector<RecordRef>& live, const std::set<std::string>&) {
  for (const RecordRef& ref : live) live_.insert(ref.offset);
  drop_dead_head();
  running_ = true;
  net::spawn(executor_, run(), "memory spool");
  return {};
}

void MemSpool::store(Batch& batch) {
  for (EncodedRecord& record : batch.records) {
    std::string payload = record.head.substr(kRecordHeaderSize);
    if (record.content) payload += *record.content;
    record.ref = RecordRef{1, log_->next++, static_cast<std::uint32_t>(payload.size())};
    if (keeps_alive(record.type)) live_.insert(record.ref.offset);
    counters_.bytes += record.size();
    ++counters_.records;
    MemLog::Stored stored;
    stored.type = record.type;
    stored.payload = std::move(payload);
    log_->records.emplace(record.ref.offset, std::move(stored));
  }
  for (const std::string& name : batch.large_to_remove) log_->large.insert(name);
  ++counters_.batches;
}

// Like the log: only what is older than every live record may go, so that an end never vanishes
// before its beginning.
void MemSpool::drop_dead_head() {
  const std::uint32_t keep = live_.empty() ? log_->next : *live_.begin();
  log_->records.erase(log_->records.begin(), log_->records.lower_bound(keep));
}

net::Task<> MemSpool::run() {
  while (!stopping_ || !pending_.empty()) {
    if (!due_ && !stopping_) {
      co_await wake_.wait();
      continue;
    }
    due_ = false;
    ++counters_.flushes;
    for (Pending& pending : pending_) {
      store(*pending.batch);
      if (pending.done != nullptr) *pending.done = true;
    }
    pending_.clear();
    drop_dead_head();
    flushed_.notify_all();
  }
  running_ = false;
  flushed_.notify_all();
}

net::Task<base::Result<>> MemSpool::commit(Batch& batch) {
  if (log_->refuse && !batch.frees) {
    co_return base::fail(std::errc::no_space_on_device, "commit", "memory spool");
  }
  bool done = false;
  Pending pending;
  pending.batch = &batch;
  pending.done = &done;
  pending_.push_back(std::move(pending));
  due_ = true;
  wake_.notify_one();
  while (!done) co_await flushed_.wait();
  co_return base::Result<>();
}

net::Task<base::Result<>> MemSpool::flush() {
  Batch nothing;
  nothing.frees = true;
  co_return co_await commit(nothing);
}

void MemSpool::append_lazy(Batch batch) {
  for (const EncodedRecord& record : batch.records) {
    PH_ASSERT(!keeps_alive(record.type), "nobody would learn where a lazy record stands");
  }
  Pending pending;
  pending.owned = std::make_unique<Batch>(std::move(batch));
  pending.batch = pending.owned.get();
  pending_.push_back(std::move(pending));
  if (lazy_armed_) return;
  lazy_armed_ = true;
  net::spawn(executor_, lazy_deadline(alive_), "memory spool, lazy");
}

net::Task<> MemSpool::lazy_deadline(std::shared_ptr<bool> alive) {
  const base::MonoTime when = timer_.clock().mono() + kLazyDelay;
  co_await timer_.sleep_until(when);
  if (!*alive) co_return;
  lazy_armed_ = false;
  due_ = true;
  wake_.notify_one();
}

void MemSpool::release(const RecordRef& ref) {
  PH_ASSERT(live_.erase(ref.offset) == 1, "released once, and only what was live");
  drop_dead_head();
}

net::Task<base::Result<std::shared_ptr<const std::string>>> MemSpool::read_text(RecordRef ref) {
  const auto found = log_->records.find(ref.offset);
  if (found == log_->records.end()) {
    co_return base::fail(std::errc::no_such_file_or_directory, "read", "memory spool");
  }
  auto decoded = decode_message(found->second.payload);
  if (!decoded) co_return tl::unexpected(decoded.error());
  co_return std::make_shared<const std::string>(decoded->text);
}

std::string MemSpool::large_path(std::string_view name) const {
  return "memory/" + std::string(name);
}

void MemSpool::discard_large(std::string_view name) { log_->large.insert(std::string(name)); }

base::Result<std::uint64_t> MemSpool::free_space() const { return std::uint64_t{1} << 40; }

void MemSpool::set_on_fatal(std::function<void(const base::Error&)>) {}

net::Task<> MemSpool::stop() {
  stopping_ = true;
  wake_.notify_one();
  while (running_) co_await flushed_.wait();
}

}  // namespace posthouse::queue
