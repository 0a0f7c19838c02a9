// What the queue needs from the carriers of mail, and what the rest of the house may ask of it.
// All calls on the queue owner's executor.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "net/ports.hpp"
#include "queue/message.hpp"

namespace posthouse::queue {

// One local leaf to write into its mailbox.
struct LocalDelivery {
  std::shared_ptr<const Message> message;
  std::uint32_t leaf = 0;  // index into message->leaves
  bool redo = false;       // may already be there: write anew, synced, over the name found (2a.3)
};

enum class LocalOutcome : std::uint8_t {
  written,   // in the mailbox; durable after the next successful checkpoint (redo: already durable)
  deferred,  // disk trouble: try again later
};

struct LocalResult {
  LocalOutcome outcome = LocalOutcome::written;
  std::string detail;  // why it was deferred, for the log
};

// A written leaf whose file could not be hardened: it must be delivered again.
struct LeafId {
  base::MessageId id;
  std::uint32_t leaf = 0;
};

// Implemented by deliver/ over mailbox/.
class LocalAgent {
 public:
  virtual ~LocalAgent() = default;
  // Writes all deliveries; results in the same order.
  [[nodiscard]] virtual net::Task<std::vector<LocalResult>> deliver(
      std::vector<LocalDelivery> deliveries) = 0;
  // Makes everything written (and every removal made) before the call durable. Returns the leaves
  // that could not be hardened; all others are safe.
  [[nodiscard]] virtual net::Task<std::vector<LeafId>> checkpoint() = 0;
  // Whether the last checkpoint() could not make the removals in `box` durable. The next one tries
  // again.
  [[nodiscard]] virtual bool removals_failed(const std::string& /*box*/) const { return false; }
  // Files and octets written since the last checkpoint began, for the checkpoint trigger.
  [[nodiscard]] virtual std::size_t dirty_files() const = 0;
  [[nodiscard]] virtual std::uint64_t dirty_bytes() const = 0;
  // Recovery: a POP3 deletion found in the log is carried out (again); missing names are fine.
  [[nodiscard]] virtual net::Task<base::Result<>> remove(std::string box,
                                                         std::vector<std::string> uids) = 0;
};

// The uid of a leaf in its mailbox: "<seconds>.<message id>-<leaf number>", also the POP3 UIDL and
// the Maildir name up to its first comma.
[[nodiscard]] std::string leaf_uid(const Message& message, const Leaf& leaf);

}  // namespace posthouse::queue
