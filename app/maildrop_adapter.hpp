// The POP3 server's maildrops over mailbox/: implements pop3d::Maildrop with jobs on the mailbox
// pool, and records deletions in the queue's log before it carries them out. Used by app/'s
// pop3d::Maildrops after a login; everything on the session's shard. After an error of the disk the
// session may go on with other messages.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "mailbox/store.hpp"
#include "net/ports.hpp"
#include "pop3d/ports.hpp"

namespace posthouse::app {

// The queue's part in a deletion. Called on the session's shard; implementations hop to the owner
// of the queue and back.
class Removals {
 public:
  virtual ~Removals() = default;
  // Returns when a record of the deletion is durable, with its number. From then on the messages
  // never come back: what is not carried out now is carried out at the next start. `keys` are what
  // mailbox::Store::remove() takes: uids.
  [[nodiscard]] virtual net::Task<base::Result<std::uint64_t>> record(
      std::string box, std::vector<std::string> keys) = 0;
  // The names are unlinked: the record is finished once a checkpoint that begins after this call
  // has synced the mailbox. Not called when the unlinking failed.
  [[nodiscard]] virtual net::Task<> done(std::string box, std::uint64_t number) = 0;
};

// Locks and lists the maildrop in `box` (relative to drop_path, or absolute). Error
// device_or_resource_busy: another session has it. `store`, `pool` (of the mailbox files) and
// `removals` must outlive the maildrop.
[[nodiscard]] net::Task<base::Result<std::unique_ptr<pop3d::Maildrop>>> open_maildrop(
    mailbox::Store& store, net::Blocking& pool, Removals& removals, std::string box);

}  // namespace posthouse::app
