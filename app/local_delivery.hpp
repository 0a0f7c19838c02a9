// The queue's LocalAgent over deliver/ and mailbox/: translates messages into mailbox deliveries.
// Owns the mailboxes (their locks too), so POP3 sessions open them here. Calls of queue::LocalAgent
// come on the queue owner's executor.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "conf/settings.hpp"
#include "deliver/local_agent.hpp"
#include "mailbox/store.hpp"
#include "queue/ports.hpp"

namespace posthouse::app {

class LocalDelivery final : public queue::LocalAgent {
 public:
  struct Parts {
    base::Disk& disk;
    mailbox::FileLocks& file_locks;
    net::Blocking& mailbox_pool;
    net::Blocking& sync_pool;
    mailbox::BulkSync* bulk = nullptr;  // null: checkpoints sync file by file
  };
  LocalDelivery(const Parts& parts, const conf::Settings& settings);

  [[nodiscard]] net::Task<std::vector<queue::LocalResult>> deliver(
      std::vector<queue::LocalDelivery> deliveries) override;
  [[nodiscard]] net::Task<std::vector<queue::LeafId>> checkpoint() override;
  [[nodiscard]] bool removals_failed(const std::string& box) const override {
    return agent_.removals_failed(box);
  }
  [[nodiscard]] std::size_t dirty_files() const override { return agent_.dirty_files(); }
  [[nodiscard]] std::uint64_t dirty_bytes() const override { return agent_.dirty_bytes(); }
  [[nodiscard]] net::Task<base::Result<>> remove(std::string box,
                                                 std::vector<std::string> uids) override;

  // A POP3 session unlinked messages: the next checkpoint makes that durable. On the owner's
  // thread.
  void note_removal(const std::string& box) { agent_.note_removal(box); }
  [[nodiscard]] mailbox::Store& store() { return store_; }

 private:
  [[nodiscard]] deliver::BoxDelivery to_box(const queue::LocalDelivery& delivery) const;

  mailbox::Store store_;
  deliver::LocalAgent agent_;
};

}  // namespace posthouse::app
