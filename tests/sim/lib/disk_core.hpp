// The file system behind SimDisk: inodes with a cached and a durable side, and the list of pending
// items between them. Private to sim_disk.cpp, sim_disk_control.cpp and disk_core.cpp; the caller
// holds Core::mutex. The fault model is the comment of sim_disk.hpp.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.hpp"
#include "base/time.hpp"
#include "tests/sim/lib/disk_content.hpp"
#include "tests/sim/lib/loss_policy.hpp"
#include "tests/sim/lib/sim_disk.hpp"

namespace posthouse::sim::disk {

struct Inode;
using InodePtr = std::shared_ptr<Inode>;
using Entries = std::map<std::string, InodePtr>;

struct Inode {
  std::uint64_t number = 0;
  bool is_dir = false;
  bool locked = false;
  std::int64_t mtime_ns = 0;
  std::uint64_t links = 0;           // names in the cache
  std::uint64_t opens = 0;           // open handles
  std::uint64_t charged = 0;         // octets of capacity taken
  Content cache, durable;            // of a regular file
  Entries entries, durable_entries;  // of a directory
};

// One name changes: `target` null removes it.
struct NameChange {
  InodePtr dir;
  std::string name;
  InodePtr target;
};

// Something written that a power failure may lose: one sector of one write, one change of a file's
// length, or the name changes of one operation (a rename is one item, hence atomic).
struct Pending {
  enum class Kind : std::uint8_t { sector, resize, names };
  Kind kind = Kind::sector;
  InodePtr file;                            // sector, resize
  std::uint64_t offset = 0;                 // sector: first octet; resize: new length
  std::shared_ptr<const std::string> data;  // sector: shared by the sectors of one write
  std::size_t begin = 0, length = 0;        // sector: its part of data
  std::vector<NameChange> changes;          // names; the last one's directory must be synced
  std::string what;
};

struct Core {
  std::mutex mutex;
  std::uint64_t seed = 1;
  base::SeededRandom random;
  InodePtr root;
  std::vector<Pending> pending;
  std::uint64_t next_inode = 2;
  std::uint64_t capacity = std::uint64_t{1} << 40;
  std::uint64_t used = 0;
  std::uint64_t generation = 1;  // handles and locks of earlier ones are dead
  std::uint64_t operations = 0;
  std::vector<std::string> log;
  const base::Clock* clock = nullptr;

  // Faults.
  std::uint64_t cut_at = 0;  // 0: never
  bool cut = false;
  std::map<std::uint64_t, DiskFault> faults;
  std::uint64_t fail_from = 0;
  int fail_from_errno = 0;
  FaultHook hook;
  SyncFailure sync_failure = SyncFailure::by_seed;
  DirSyncFailure dir_sync_failure = DirSyncFailure::forgets;
  std::function<void()> on_cut;
  std::function<void(const DiskOp&)> observer;

  explicit Core(std::uint64_t seed_value);

  // Follows an absolute path; null when a component is missing or no directory.
  [[nodiscard]] InodePtr find(std::string_view path) const;
  // Splits into directory (null when missing) and last component (empty for "/" and bad names).
  [[nodiscard]] std::pair<InodePtr, std::string> split(std::string_view path) const;
  [[nodiscard]] InodePtr make_inode(bool is_dir);
  [[nodiscard]] std::int64_t now_ns();
  // Brings `used` up to date after size, links or opens of `inode` changed.
  void recharge(Inode& inode);

  // Octets that `inode` may reach to without taking more than the capacity.
  [[nodiscard]] std::uint64_t reachable_end(const Inode& inode) const;

  // Cached effect of a write, and its pending sectors; `path` names the file in their texts.
  void write_file(const InodePtr& inode, std::uint64_t offset, std::string_view data,
                  const std::string& path);
  void resize_file(const InodePtr& inode, std::uint64_t length, const std::string& path);
  // Cached effect of name changes, as one pending item.
  void change_names(std::vector<NameChange> changes, std::string what);

  // Successful syncs: pending becomes durable.
  void harden_file(const InodePtr& inode);
  void harden_dir(const InodePtr& dir);
  // Failed syncs: the pending items are forgotten; the file's cache shows new or old data.
  void drop_file(const InodePtr& inode);
  void drop_dir(const InodePtr& dir);

  // The root of the tree that a power failure leaves: fresh inodes, durable equals cached.
  [[nodiscard]] InodePtr survivors(const LossPolicy& policy);
  // Becomes a disk with that tree, nothing pending, no faults; earlier handles die.
  void adopt(InodePtr tree);
  // Forgets handles, locks, faults and counters; the cache and what is pending stay.
  void forget_process();
};

}  // namespace posthouse::sim::disk
