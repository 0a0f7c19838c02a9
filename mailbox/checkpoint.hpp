// Making delivered mail durable, many messages at a time (docs/decisions/0011-checkpoint-sync.md).
// DirtySet collects what was written; Checkpoint syncs one such set. The set belongs to one thread
// (the queue's owner); a Checkpoint's run functions are called on threads of the sync pool, and its
// results are read after all of them returned.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/disk.hpp"
#include "mailbox/content.hpp"
#include "mailbox/maildir.hpp"

namespace posthouse::mailbox {

// Syncs whole file systems. A port, because it is no operation of one file.
class BulkSync {
 public:
  virtual ~BulkSync() = default;
  // Makes everything written before the call durable on the file systems that hold these paths. An
  // error says nothing about single files. Paths that do not exist are passed over.
  virtual base::Result<> sync(std::span<const std::string> paths) = 0;
};

// syncfs(2), which reports write errors since Linux 5.8. Safe from any thread.
[[nodiscard]] std::unique_ptr<BulkSync> make_system_bulk_sync();

// Mailboxes whose directories up to the root were synced by this process. Bounded: when full it
// forgets, which costs a few syncs.
class HardenedPaths {
 public:
  [[nodiscard]] bool contains(const std::string& mailbox) const { return paths_.contains(mailbox); }
  void add(const std::string& mailbox);

 private:
  std::unordered_set<std::string> paths_;
};

// What was written since the last checkpoint began.
class DirtySet {
 public:
  // A delivery: `token` is the caller's name for it, reported when it could not be hardened.
  void add(std::uint64_t token, const std::string& mailbox, Stored stored);
  // Names were removed from the mailbox.
  void add_removal(const std::string& mailbox);

  [[nodiscard]] bool empty() const { return boxes_.empty(); }
  [[nodiscard]] std::size_t deliveries() const { return deliveries_.size(); }
  [[nodiscard]] std::uint64_t octets() const { return octets_; }

 private:
  friend class Checkpoint;
  struct Written {
    std::uint64_t token = 0;
    std::uint32_t file = 0;
    std::uint32_t box = 0;
  };
  std::uint32_t box_index(const std::string& mailbox);

  std::vector<std::unique_ptr<base::File>> files_;
  std::vector<Written> deliveries_;
  std::vector<std::string> boxes_;
  std::unordered_set<std::string> made_;  // mailboxes that did not exist before
  std::unordered_map<std::string, std::uint32_t> box_of_;
  // mbox: one file serves all deliveries to it, as long as it is the same file.
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint32_t> file_of_inode_;
  std::uint64_t octets_ = 0;
};

struct CheckpointContext {
  base::Disk& disk;
  Format format = Format::maildir;
  std::string root;  // drop_path
};

// One checkpoint: built on the owner's thread, run on others, then finished on the owner's thread.
class Checkpoint {
 public:
  // `hardened` is read now only.
  Checkpoint(const CheckpointContext& context, DirtySet dirty, const HardenedPaths& hardened);

  // Syncs by file system. True when that made everything durable; false changes nothing: call
  // run().
  bool run_bulk(BulkSync& bulk) noexcept;
  // Syncs file by file and directory by directory. Several threads may run it at once: each takes
  // the next that nobody took.
  void run() noexcept;
  // Closes the files; on the thread that ran last, since that takes time.
  void close_files() noexcept;

  [[nodiscard]] std::size_t files() const { return dirty_.files_.size(); }
  // Files and directories to sync.
  [[nodiscard]] std::size_t syncs() const { return files() + directories_.size(); }
  // Tokens of the deliveries that may not be durable. All mailboxes whose directories were synced
  // are added to `hardened`.
  [[nodiscard]] std::vector<std::uint64_t> finish(HardenedPaths& hardened) const;
  // Mailboxes one of whose directories may not be durable.
  [[nodiscard]] std::vector<std::string> failed_mailboxes() const;

 private:
  std::uint32_t directory_index(const std::string& path);
  bool box_failed(std::uint32_t box) const;
  bool box_missing(std::uint32_t box) const;

  base::Disk& disk_;
  DirtySet dirty_;
  std::vector<std::string> directories_;
  std::unordered_map<std::string, std::uint32_t> directory_of_;
  std::vector<std::vector<std::uint32_t>> box_directories_;
  bool bulk_done_ = false;
  std::atomic<std::size_t> next_{0};
  // Set by the thread that synced it; what nobody took stays false.
  std::vector<std::atomic<bool>> file_synced_;
  std::vector<std::atomic<bool>> directory_synced_;
  std::vector<std::atomic<bool>> directory_missing_;
};

}  // namespace posthouse::mailbox
