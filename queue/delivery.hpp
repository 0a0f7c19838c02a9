// Carries waiting leaves to their mailboxes: a ready queue, a few workers that hand batches to the
// LocalAgent, and the retries of what was deferred. Keeps the contents of waiting messages in
// memory within a budget; others are read back from the spool when their turn comes. Queue owner's
// executor. No error ends a worker: a leaf is delivered or tried again.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/signal.hpp"
#include "queue/checkpoint.hpp"
#include "queue/index.hpp"

namespace posthouse::queue {

struct DeliveryOptions {
  std::size_t batch = 64;  // leaves in one call of the agent
  std::size_t workers = 2;
  base::Duration first_retry = std::chrono::minutes(1);  // doubles with each failure
  base::Duration last_retry = std::chrono::hours(1);
  std::uint64_t content_memory = 64ULL * 1024 * 1024;
};

class Delivery {
 public:
  Delivery(const QueueParts& parts, Index& index, Checkpoint& checkpoint, DeliveryOptions options);
  ~Delivery();

  // All waiting leaves of a new message.
  void push(Entry& entry);
  void push(const LeafSlot& slot);
  // Leaves that came back from a checkpoint, and those whose time to retry has come.
  void push_due();

  void start();
  // Returns when nothing is ready or with the agent; what was deferred stays.
  [[nodiscard]] net::Task<> wait_idle();
  [[nodiscard]] net::Task<> stop();

  [[nodiscard]] std::size_t ready() const { return ready_.size(); }
  [[nodiscard]] std::size_t deferred() const { return retries_.size(); }
  [[nodiscard]] std::uint64_t delivered() const { return delivered_; }
  [[nodiscard]] std::uint64_t content_bytes() const { return content_bytes_; }

 private:
  net::Task<> worker();
  std::vector<LeafSlot> take_batch();
  net::Task<> deliver(std::vector<LeafSlot> batch);
  net::Task<> load_texts(std::vector<LeafSlot>& batch);
  net::Task<base::Result<>> load_text(Entry& entry);
  void on_result(const LeafSlot& slot, const LocalResult& result);
  void defer(const LeafSlot& slot, const std::string& reason);
  void leave(const LeafSlot& slot);
  void keep_text(Entry& entry);
  void drop_text(Entry& entry);
  net::Task<> take_back();

  QueueParts parts_;
  Index& index_;
  Checkpoint& checkpoint_;
  DeliveryOptions options_;
  std::deque<LeafSlot> ready_;
  std::multimap<base::MonoTime, LeafId> retries_;
  // Written while POP3 deleted them: to be removed again.
  std::vector<std::pair<std::string, std::string>> written_back_;  // box, uid
  std::uint64_t content_bytes_ = 0;
  std::size_t in_flight_ = 0;  // batches
  std::size_t workers_ = 0;
  bool stopping_ = false;
  std::uint64_t delivered_ = 0;
  net::Signal wake_;
  net::Signal idle_;
};

}  // namespace posthouse::queue
