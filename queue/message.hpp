// A message as the queue keeps it: envelope, leaves (final deliveries fixed at acceptance,
// docs/spool.md) and the content. What is written to a mailbox is a pure function of these values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "mail/envelope.hpp"

namespace posthouse::queue {

enum class LeafKind : std::uint8_t { local = 1 };  // remote, robot and file come with their agents

// One final delivery of a message.
struct Leaf {
  std::uint32_t number = 0;
  LeafKind kind = LeafKind::local;
  mail::Address rcpt;    // the accepted recipient this leaf came from
  mail::Address target;  // where routing sent it (the account's address)
  std::string box;       // mailbox path relative to drop_path, or absolute (vdomain DROP_DIR)
};

enum class LeafState : std::uint8_t {
  waiting = 0,   // to be delivered (now or later)
  written = 1,   // in the mailbox, not yet hardened by a checkpoint
  removed = 2,   // written, then deleted by POP3 before the checkpoint
  finished = 3,  // hardened, removed for good, or reported: nothing left to do
};

// The content of a message: the trace fields we wrote, then the octets as received (CRLF line ends,
// dot-unstuffed). At most one of `text` and `large_file` is the bulk of it.
struct Content {
  std::shared_ptr<const std::string> text;  // trace + body, in memory
  std::string large_file;                   // or: body in queue/large/ID, with the trace in `text`
  std::uint64_t size = 0;                   // octets of trace + body
};

struct Message {
  base::MessageId id;
  base::WallTime arrival;
  mail::Envelope envelope;
  std::vector<Leaf> leaves;
  Content content;
};

}  // namespace posthouse::queue
