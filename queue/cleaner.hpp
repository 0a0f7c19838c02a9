// Head cleaning: copies the live records of the log's oldest segment to its end, so that the
// segment can be recycled (docs/spool.md). Only the oldest: a record may end what an older
// one began. Queue owner's executor; an error stops this round and the next one tries again.
#pragma once

#include <cstdint>
#include <vector>

#include "queue/checkpoint.hpp"
#include "queue/index.hpp"
#include "queue/spool.hpp"

namespace posthouse::queue {

class Cleaner {
 public:
  Cleaner(const QueueParts& parts, Index& index) : parts_(parts), index_(index) {}
  // Cleans segments for as long as the spool asks for it.
  [[nodiscard]] net::Task<> run();
  [[nodiscard]] std::uint64_t copied() const { return copied_; }

 private:
  net::Task<base::Result<>> clean(std::uint32_t segment);
  net::Task<base::Result<>> copy_messages(std::vector<base::MessageId> ids);
  net::Task<base::Result<>> copy_deletions(std::uint32_t segment);
  void move_message(const base::MessageId& id, const RecordRef& from, const RecordRef& to);

  QueueParts parts_;
  Index& index_;
  std::uint64_t copied_ = 0;  // records
};

}  // namespace posthouse::queue
