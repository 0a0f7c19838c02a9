// A spool in memory, for tests and simulations that are not about the disk. What was committed
// lives in a MemLog that outlives the MemSpool, so that a "restart" is a new MemSpool on the same
// MemLog. Called on the owner's executor only; there is no error it could meet but those a test
// asks for.
#pragma once

#include <deque>
#include <map>
#include <memory>

#include "net/ports.hpp"
#include "net/signal.hpp"
#include "queue/spool.hpp"

namespace posthouse::queue {

// What survives.
struct MemLog {
  struct Stored {
    RecordType type = RecordType::message;
    std::string payload;
  };
  std::map<std::uint32_t, Stored> records;  // by number; released ones vanish when nothing is older
  std::uint32_t next = 1;
  bool owned = false;           // a MemSpool holds the lock
  bool refuse = false;          // tests: batches that free nothing get no_space_on_device
  std::set<std::string> large;  // removed bodies, in order to be looked at by tests
};

class MemSpool final : public Spool {
 public:
  MemSpool(net::Executor executor, net::Timer& timer, std::shared_ptr<MemLog> log);
  ~MemSpool() override;

  base::Result<> recover(RecordVisitor& visitor) override;
  base::Result<> begin(const std::vector<RecordRef>& live,
                       const std::set<std::string>& large_files) override;
  std::uint64_t max_batch() const override { return kMaxPayload; }
  net::Task<base::Result<>> commit(Batch& batch) override;
  void append_lazy(Batch batch) override;
  net::Task<base::Result<>> flush() override;
  void release(const RecordRef& ref) override;
  net::Task<base::Result<std::shared_ptr<const std::string>>> read_text(RecordRef ref) override;
  std::string large_path(std::string_view name) const override;
  void discard_large(std::string_view name) override;
  std::optional<std::uint32_t> segment_to_clean() const override { return std::nullopt; }
  bool accepting() const override { return !log_->refuse; }
  base::Result<std::uint64_t> free_space() const override;
  SpoolCounters counters() const override { return counters_; }
  void set_on_fatal(std::function<void(const base::Error&)> on_fatal) override;
  net::Task<> stop() override;

 private:
  struct Pending {
    Batch* batch = nullptr;
    std::unique_ptr<Batch> owned;  // a lazy batch
    bool* done = nullptr;
  };
  void store(Batch& batch);
  void drop_dead_head();
  net::Task<> run();
  net::Task<> lazy_deadline(std::shared_ptr<bool> alive);

  net::Executor executor_;
  net::Timer& timer_;
  std::shared_ptr<MemLog> log_;
  std::deque<Pending> pending_;
  std::set<std::uint32_t> live_;
  net::Signal wake_;
  net::Signal flushed_;
  SpoolCounters counters_;
  bool owner_ = false;
  bool lazy_armed_ = false;
  bool due_ = false;
  bool running_ = false;
  bool stopping_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace posthouse::queue
