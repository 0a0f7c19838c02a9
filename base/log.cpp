// Owns the log: its settings, the bounded buffer of lines and the thread that writes them.
// Called from any thread. Before configure_log() and in a forked child lines are written by the
// caller itself. After a failed write the lines of that batch are lost and counted; the next batch
// is tried anew, and the count is told in a line of its own as soon as one can be written.
//
// The writer wakes once for a burst of lines, not once a line: at ten thousand messages a second
// the wake-ups of a queue with one slot a line cost more than forming and writing the lines.
#include "base/log.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <utility>

#include "base/log_format.hpp"

namespace posthouse::base {

namespace {

constexpr std::size_t kMaxPending = 1 << 20;          // LIMIT: octets of lines not yet written
constexpr std::size_t kWriteAt = 64 << 10;            // octets that are written at once
constexpr std::chrono::milliseconds kGatherTime{20};  // else the longest a line waits
constexpr std::chrono::seconds kFlushTime{5};         // LIMIT: a stuck target holds nobody longer
constexpr std::size_t kKeepBuffer = 128 << 10;        // larger buffers are given back

// Writes all of `text`, waiting for a slow pipe; false when the target refuses.
bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t done = ::write(fd, text.data(), text.size());
    if (done >= 0) {
      text.remove_prefix(static_cast<std::size_t>(done));
    } else if (errno == EAGAIN) {
      pollfd ready{fd, POLLOUT, 0};
      ::poll(&ready, 1, 1000);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

class Log {
 public:
  [[nodiscard]] LogLevel level() const { return level_.load(std::memory_order_relaxed); }
  void set_level(LogLevel level) { level_.store(level, std::memory_order_relaxed); }

  void write(const LogLine& event);
  bool configure(const LogOptions& options);
  void flush();
  void set_capture(std::function<void(std::string_view)> capture);
  [[nodiscard]] WallTime now() const {
    const Clock* const clock = clock_.load(std::memory_order_relaxed);
    return (clock != nullptr ? *clock : system_clock()).wall();
  }

  // Around fork(2): the child has no writer thread, and what is pending is the parent's to write.
  void before_fork() { mutex_.lock(); }
  void after_fork_in_parent() { mutex_.unlock(); }
  void after_fork_in_child() {
    threaded_ = false;
    writing_ = false;
    pending_.clear();
    mutex_.unlock();
  }

 private:
  using Lock = std::unique_lock<std::mutex>;

  void enqueue(LogLevel level, std::string_view line);
  void run();
  void write_batch(Lock& lock, std::string& batch);
  void wait_until_written(Lock& lock);

  std::atomic<LogLevel> level_{LogLevel::info};
  std::atomic<LogFormat> format_{LogFormat::text};
  std::atomic<const Clock*> clock_{nullptr};
  std::atomic<bool> captured_{false};

  std::mutex capture_mutex_;
  std::function<void(std::string_view)> capture_;

  std::mutex mutex_;  // guards everything below
  std::condition_variable wake_;
  std::condition_variable written_;
  std::string pending_;
  std::uint64_t lost_ = 0;  // lines dropped or not written since the last report
  int fd_ = STDERR_FILENO;
  bool threaded_ = false;
  bool urgent_ = false;   // someone waits: write without gathering
  bool writing_ = false;  // a batch is on its way to the target
};

// Never destroyed: threads may log until the process ends.
Log& the_log() {
  static Log* const log = new Log;
  return *log;
}

void Log::write(const LogLine& event) {
  thread_local std::string line;
  line.clear();
  append_log_line(line, format_.load(std::memory_order_relaxed), event);
  if (captured_.load(std::memory_order_acquire)) {
    const std::lock_guard<std::mutex> lock(capture_mutex_);
    if (capture_) {
      capture_(line);
      return;
    }
  }
  line += '\n';
  enqueue(event.level, line);
}

void Log::enqueue(LogLevel level, std::string_view line) {
  Lock lock(mutex_);
  if (!threaded_) {
    lost_ += write_all(fd_, line) ? 0 : 1;
    return;
  }
  const auto fits = [&] { return pending_.size() + line.size() <= kMaxPending; };
  if (!fits()) {
    if (level != LogLevel::error) {
      ++lost_;
      return;
    }
    written_.wait(lock, fits);
  }
  const bool was_empty = pending_.empty();
  pending_ += line;
  if (was_empty || pending_.size() >= kWriteAt) {
    wake_.notify_one();
  }
}

// The writer thread.
void Log::run() {
  std::string batch;
  Lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return !pending_.empty() || lost_ != 0 || urgent_; });
    wake_.wait_for(lock, kGatherTime, [this] { return urgent_ || pending_.size() >= kWriteAt; });
    urgent_ = false;
    batch.clear();
    batch.swap(pending_);
    write_batch(lock, batch);
    written_.notify_all();
  }
}

void Log::write_batch(Lock& lock, std::string& batch) {
  if (lost_ != 0) {
    append_log_line(batch, format_.load(std::memory_order_relaxed),
                    {now(), LogLevel::error, "base", "-", "log lines lost", {{"count", lost_}}});
    batch += '\n';
  }
  const std::uint64_t reported = std::exchange(lost_, 0);
  const int fd = fd_;
  writing_ = true;
  lock.unlock();
  const bool done = write_all(fd, batch);
  if (!done) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));  // a full disk stays full a while
  }
  lock.lock();
  writing_ = false;
  if (!done) {
    std::uint64_t lines = 0;
    for (const char c : batch) {
      lines += c == '\n' ? 1 : 0;
    }
    lost_ += reported + lines - (reported != 0 ? 1 : 0);
  }
  if (batch.capacity() > kKeepBuffer) {
    batch = std::string();
  }
}

void Log::wait_until_written(Lock& lock) {
  const auto give_up = std::chrono::steady_clock::now() + kFlushTime;
  while (threaded_ && (!pending_.empty() || writing_)) {
    urgent_ = true;
    wake_.notify_one();
    if (written_.wait_until(lock, give_up) == std::cv_status::timeout) {
      return;
    }
  }
}

void Log::flush() {
  Lock lock(mutex_);
  wait_until_written(lock);
}

bool Log::configure(const LogOptions& options) {
  int fd = STDERR_FILENO;
  if (!options.file.empty()) {
    fd = ::open(options.file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    if (fd < 0) {
      return false;
    }
  }
  Lock lock(mutex_);
  wait_until_written(lock);  // lines of before go where they were meant to go
  const int former = std::exchange(fd_, fd);
  // A writer that is stuck in the former target still uses its descriptor; then it stays open.
  if (former != STDERR_FILENO && !writing_) {
    ::close(former);
  }
  level_ = options.level;
  format_ = options.format;
  clock_ = options.clock;
  if (!threaded_) {
    static const bool registered = [] {
      ::pthread_atfork([] { the_log().before_fork(); }, [] { the_log().after_fork_in_parent(); },
                       [] { the_log().after_fork_in_child(); });
      return std::atexit(flush_log) == 0;
    }();
    static_cast<void>(registered);
    threaded_ = true;
    std::thread(&Log::run, this).detach();
  }
  return true;
}

void Log::set_capture(std::function<void(std::string_view)> capture) {
  const std::lock_guard<std::mutex> lock(capture_mutex_);
  capture_ = std::move(capture);
  captured_.store(static_cast<bool>(capture_), std::memory_order_release);
}

}  // namespace

void log_event(LogLevel level, std::string_view module, std::string_view id, std::string_view event,
               std::initializer_list<LogField> fields) {
  Log& log = the_log();
  if (level <= log.level()) {
    log.write({log.now(), level, module, id, event, fields});
  }
}

bool log_enabled(LogLevel level) { return level <= the_log().level(); }

bool configure_log(const LogOptions& options) { return the_log().configure(options); }

void set_log_level(LogLevel level) { the_log().set_level(level); }

void flush_log() { the_log().flush(); }

void set_log_capture(std::function<void(std::string_view line)> capture) {
  the_log().set_capture(std::move(capture));
}

}  // namespace posthouse::base
