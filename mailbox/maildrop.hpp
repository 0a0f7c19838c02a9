// A maildrop as POP3 sees it: locked, listed once, then read and at the end thinned out. Blocking;
// called on a thread of the mailbox pool, one call at a time. Other programs and our own delivery
// may work in the mailbox meanwhile; nobody waits for a session.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/disk.hpp"
#include "mailbox/lock.hpp"
#include "mailbox/mbox.hpp"
#include "mailbox/store.hpp"
#include "mailbox/wire.hpp"

namespace posthouse::mailbox {

// Error codes of the calls here, besides those of the disk:
// - device_or_resource_busy from open(): another session has the maildrop;
// - no_such_file_or_directory from read(): that message was removed by another program.
class Maildrop {
 public:
  virtual ~Maildrop() = default;  // releases the lock, changes nothing

  // The maildrop at `path` (absolute). One that does not exist is empty. `store` must outlive it.
  [[nodiscard]] static base::Result<std::unique_ptr<Maildrop>> open(Store& store,
                                                                    const std::string& path);

  // Messages in the order of their uids (Maildir) or of the file (mbox), fixed until the end.
  [[nodiscard]] virtual std::size_t count() const = 0;
  [[nodiscard]] virtual std::uint64_t size(std::size_t index) const = 0;  // octets with CRLF
  // 1 to 70 printable characters, unique, the same at every visit (RFC 1939 7, UIDL). Valid until
  // the next read() or remove().
  [[nodiscard]] virtual std::string_view uid(std::size_t index) const = 0;
  // The name by which removals are recorded: what Store::remove() takes.
  [[nodiscard]] virtual std::string removal_key(std::size_t index) const = 0;

  struct Request {
    std::size_t index = 0;
    std::uint64_t offset = 0;               // in the wire form
    std::uint64_t body_lines = UINT64_MAX;  // of TOP
    std::size_t limit = 65536;              // octets appended at most
  };
  // Appends wire form (CRLF) to `*out`; true when the end was reached. Cheapest when each request
  // goes on where the one before ended, or begins a message.
  [[nodiscard]] base::Result<bool> read(const Request& request, std::string* out);

  // To be called before a removal is recorded, when must_settle(): makes the messages durable as
  // they are. A removal that a crash cuts short is finished by uid, and in an mbox file a message
  // that was never flushed may have lost its uid but not all of its other octets.
  [[nodiscard]] virtual bool must_settle() const { return false; }
  [[nodiscard]] virtual base::Result<> settle() { return {}; }

  // Removes messages; those already gone are fine. Maildir: durable once the mailbox's directories
  // are synced; mbox: durable on return.
  [[nodiscard]] virtual base::Result<> remove(std::span<const std::size_t> indexes) = 0;

 protected:
  explicit Maildrop(std::unique_ptr<BoxLocks::Held> lock) : lock_(std::move(lock)) {}
  // Where message `index` lies now.
  [[nodiscard]] virtual base::Result<WireSource> source(std::size_t index) = 0;

 private:
  std::unique_ptr<BoxLocks::Held> lock_;
  std::optional<WireCursor> cursor_;  // stands in message cursor_index_
  std::size_t cursor_index_ = 0;
};

}  // namespace posthouse::mailbox
