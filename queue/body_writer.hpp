// The body of one message on its way in: in memory while it is small, else streamed to a file of
// its own in queue/large (docs/architecture.md). Runs on the executor of whoever receives the
// message, one call at a time; only the budget is shared between threads. An error is remembered:
// later octets are dropped and finish() answers it. Destroying a writer that was not finished
// leaves nothing behind; once finished, the file belongs to the Content.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/disk.hpp"
#include "base/ids.hpp"
#include "net/ports.hpp"
#include "queue/message.hpp"

namespace posthouse::queue {

// Octets that all bodies together may hold in memory. Any thread.
class BodyBudget {
 public:
  explicit BodyBudget(std::uint64_t limit) : limit_(limit) {}
  // False, taking nothing, when the limit would be passed.
  [[nodiscard]] bool try_take(std::uint64_t octets);
  void give_back(std::uint64_t octets) { used_.fetch_sub(octets, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  const std::uint64_t limit_;
  std::atomic<std::uint64_t> used_ = 0;
};

struct BodyWriterOptions {
  std::string large_directory;           // queue/large; made by the spool
  std::uint64_t in_memory = 128 * 1024;  // a longer body gets a file; also the size of its writes
};

// What all writers of the program share.
struct BodyWriterDeps {
  base::Disk& disk;
  net::Blocking& pool;  // large bodies
  BodyBudget& budget;
};

class BodyWriter {
 public:
  BodyWriter(BodyWriterDeps deps, BodyWriterOptions options, const base::MessageId& id);
  ~BodyWriter();
  BodyWriter(const BodyWriter&) = delete;
  BodyWriter& operator=(const BodyWriter&) = delete;

  // Takes the octets without suspending; false, taking nothing, when append() must be called.
  [[nodiscard]] bool try_append(std::string_view chunk);
  // Takes all octets out of `chunk`; may write to disk.
  [[nodiscard]] net::Task<> append(std::string& chunk);
  // Ends the body. `trace` goes before it. A large body is on disk, with its name, when this
  // returns. Called once.
  [[nodiscard]] net::Task<base::Result<Content>> finish(std::string trace);

  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  net::Task<> write_out(bool last);
  base::Result<> write_piece(bool last);

  BodyWriterDeps deps_;
  BodyWriterOptions options_;
  std::string path_;
  std::string buffer_;       // not yet in the file
  std::uint64_t taken_ = 0;  // of the budget
  std::uint64_t size_ = 0;   // of the body so far
  std::uint64_t written_ = 0;
  std::unique_ptr<base::File> file_;
  bool has_file_ = false;  // ours to remove
  base::Result<> status_;
};

}  // namespace posthouse::queue
