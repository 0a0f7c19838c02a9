// mbox drop files as DMail keeps them: one file a mailbox, "From " lines between messages, quoted
// as mboxrd, LF line ends. Delivery appends under the write lock; everything that takes away writes
// a new file and renames it. Called on mailbox pool threads, any number at once; waits only for the
// write lock of the mailbox (MboxLocks).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/disk.hpp"
#include "mailbox/content.hpp"
#include "mailbox/lock.hpp"
#include "mailbox/maildir.hpp"
#include "mailbox/mbox_scan.hpp"

namespace posthouse::mailbox {

// A mailbox as it was at one moment.
struct MboxListing {
  base::FileInfo info;    // size 0: no file
  std::uint32_t crc = 0;  // CRC-32C of its octets
  std::vector<MboxMessage> messages;
};

class Mbox {
 public:
  // Both must outlive the object.
  Mbox(base::Disk& disk, MboxLocks& locks) : disk_(disk), locks_(locks) {}

  // Appends a message; not durable before the file (and, when it is new, its directory) is synced.
  // After an error the file has its former length. Stored.octets counts the whole addition.
  [[nodiscard]] base::Result<Stored> deliver(const Delivery& delivery);

  // Delivers messages of one mailbox that may be there already, whole or torn: writes a new file
  // that keeps every octet outside those messages, appends them, syncs and renames it. On success
  // everything in the mailbox is durable. Results in the order given.
  [[nodiscard]] std::vector<base::Result<>> redo(std::span<const Delivery> deliveries);

  // Removes messages; missing ones are fine. Durable on return. Deliveries wait only while what
  // arrived meanwhile is copied.
  [[nodiscard]] base::Result<> remove(const std::string& path, std::span<const std::string> uids);

  // Reads the structure of the whole file, without its lock but for a moment.
  [[nodiscard]] base::Result<MboxListing> list(const std::string& path);

 private:
  base::Result<std::unique_ptr<MboxLocks::Held>> lock_for_writing(const std::string& path);
  base::Result<> redo_all(std::span<const Delivery> deliveries);

  base::Disk& disk_;
  MboxLocks& locks_;
};

// For mbox_repair.cpp and the tests.

// Appends a message at `offset` of the file; returns the offset behind it. After an
// error a part may have been written.
[[nodiscard]] base::Result<std::uint64_t> append_message(base::Disk& disk, base::File& file,
                                                         std::uint64_t offset,
                                                         const Delivery& delivery);

// The From_ line of a delivery: "From sender date", RFC 4155.
[[nodiscard]] std::string from_line(const Delivery& delivery);

struct Extent {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
};

// Where in the file the given deliveries lie: found by their marker, or, when a crash took the
// marker, by what is left of their octets between zeros. In order, not overlapping.
[[nodiscard]] base::Result<std::vector<Extent>> find_deliveries(
    base::Disk& disk, base::File& file, std::uint64_t size, std::span<const Delivery> deliveries);

}  // namespace posthouse::mailbox
