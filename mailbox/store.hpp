// The mailboxes of a server, whatever their format: what deliver/ and the POP3 adapter use. Safe
// from any thread of the mailbox pool; owns the POP3 locks and the write locks of mbox files.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/disk.hpp"
#include "mailbox/content.hpp"
#include "mailbox/lock.hpp"
#include "mailbox/maildir.hpp"
#include "mailbox/mbox.hpp"

namespace posthouse::mailbox {

struct StoreOptions {
  Format format = Format::maildir;
  std::string root;  // drop_path, absolute; relative mailbox paths are below it
  std::chrono::milliseconds lock_wait{1000};  // mbox write locks
};

// Sizes of messages whose file names do not tell them (delivered by other programs), so that each
// is read only once. Bounded: when full it forgets.
class SizeCache {
 public:
  [[nodiscard]] std::optional<std::uint64_t> find(const std::string& key);
  void add(const std::string& key, std::uint64_t size);

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, std::uint64_t> sizes_;  // guarded by mutex_
};

class Store {
 public:
  // `disk` and `file_locks` must outlive the store.
  Store(base::Disk& disk, FileLocks& file_locks, StoreOptions options);

  // The absolute path of a mailbox (relative to root, or absolute already).
  [[nodiscard]] std::string path_of(const std::string& box) const;

  // See the functions of the same name in maildir.hpp and mbox.hpp. redo() and remove() leave
  // everything durable but the directories above the mailbox, and in Maildir format remove() leaves
  // its directories to be synced.
  [[nodiscard]] base::Result<Stored> deliver(const Delivery& delivery);
  [[nodiscard]] std::vector<base::Result<>> redo(std::span<const Delivery> deliveries);
  [[nodiscard]] base::Result<> remove(const std::string& path, std::span<const std::string> uids);

  // Makes one delivery durable at once (delivery_sync always), but for the directories above the
  // mailbox: sync_above(), once for each mailbox.
  [[nodiscard]] base::Result<> sync_now(const std::string& path, base::File& file);
  // Makes the entries that lead to the mailbox durable.
  [[nodiscard]] base::Result<> sync_above(const std::string& path);

  [[nodiscard]] base::Disk& disk() { return disk_; }
  [[nodiscard]] const StoreOptions& options() const { return options_; }
  [[nodiscard]] BoxLocks& box_locks() { return box_locks_; }
  [[nodiscard]] SizeCache& sizes() { return sizes_; }
  [[nodiscard]] Mbox& mbox() { return mbox_; }

 private:
  base::Disk& disk_;
  const StoreOptions options_;
  BoxLocks box_locks_;
  MboxLocks mbox_locks_;
  Mbox mbox_;
  SizeCache sizes_;
};

}  // namespace posthouse::mailbox
