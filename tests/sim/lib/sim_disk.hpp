// A disk in memory that forgets what was not flushed: base::Disk for crash tests and simulations.
// Made by tests; used by production code through base::Disk on any thread (one lock inside).
//
// THE FAULT MODEL (docs/testing.md)
//  - Every operation takes effect at once in the cache, which all reads see. Durable is only what a
//    successful sync covered. What lies between is a list of *pending items*, oldest first:
//      sector   the 512-octet sectors of each write, one item a sector and write;
//      resize   a truncate();
//      names    a created, linked, renamed or removed name.
//  - sync_data(file) hardens that file's sectors and resizes, never its name. sync_dir(dir) hardens
//    the names in `dir`, never the files behind them, nor names further down or up the tree.
//  - A power failure keeps any subset of the pending items (LossPolicy). Sectors are atomic and
//    independent of each other, also two writes of one sector: each version holds the whole sector
//    as the cache had it then. A lost sector reads as before, or as zeros where the file was
//    shorter.
//  - Size follows data, as on ext4: a kept sector makes the file reach at least to its end.
//  - A pending rename is one item: the old or the new name is there, never neither, and the name it
//    replaces is old or new. A rename between directories is hardened by syncing the target's.
//    Changes of one and the same name happen in order: a later one cannot survive an earlier one.
//    Other names are independent. An unlinked file whose removal is lost is back.
//  - A failed sync_data (fail_at and friends) forgets the file's pending items for good: the next
//    sync succeeds without them. Until the crash, reads give the new data or the old, by seed or as
//    set_sync_failure says; after it, the old. A failed sync_dir forgets the names the same way,
//    and the cache keeps showing them; or, as set_dir_sync_failure says, keeps them pending (a
//    journalling file system writes them later or stops altogether).
//  - A failed write may leave any prefix written, by seed. A full disk writes what fits, then
//  ENOSPC.
//  - The power cut at operation n happens before n has any effect; a torn operation n is the cut at
//    n + 1 with some of its items lost. From then on every operation fails with EIO and cut() is
//    true, until crash(); no exception is thrown, because jobs are noexcept. on_cut() lets the
//    simulated process be stopped before it can answer anybody.
//  - kill() is the death of the process alone: handles and locks are gone, the cache stays, and
//  what
//    was pending stays pending.
// Not modelled: symbolic links, permissions, access times, sectors that tear, bad blocks (but
// flip_bit() damages hardened data silently).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/disk.hpp"
#include "base/time.hpp"
#include "tests/sim/lib/loss_policy.hpp"

namespace posthouse::sim {

namespace disk {
struct Core;
}

inline constexpr std::size_t kSectorSize = 512;

// One call of the disk port. Operations that can change the disk, and syncs, are counted from 1;
// reads (open of an existing file, read, size, list, stat, free_space) have number 0.
struct DiskOp {
  std::uint64_t number = 0;
  std::string name;  // open create write truncate sync_data rename link remove make_dir remove_dir
                     // sync_dir lock read list stat free_space
  std::string path;
  std::string other;                       // rename, link: the new name
  std::uint64_t offset = 0, octets = 0;    // write, read; truncate: octets is the new length
  [[nodiscard]] std::string text() const;  // "write /a @0+512", "rename /a -> /b"
};

// What happens to an operation instead of success.
struct DiskFault {
  int error = 0;               // errno; 0: no fault
  std::int64_t short_by = -1;  // write: octets written all the same; -1: a prefix by seed
};
using FaultHook = std::function<DiskFault(const DiskOp&)>;

enum class SyncFailure : std::uint8_t { by_seed, reads_new, reads_old };
enum class DirSyncFailure : std::uint8_t { forgets, keeps };

class SimDisk final : public base::Disk {
 public:
  explicit SimDisk(std::uint64_t seed = 1);
  ~SimDisk() override;
  SimDisk(const SimDisk&) = delete;
  SimDisk& operator=(const SimDisk&) = delete;

  // base::Disk. Paths are absolute; "." and ".." are not resolved. list() is shuffled by seed.
  base::Result<std::unique_ptr<base::File>> open(const std::string& path,
                                                 base::OpenMode mode) override;
  base::Result<> rename(const std::string& from, const std::string& to) override;
  base::Result<> link(const std::string& from, const std::string& to) override;
  base::Result<> remove(const std::string& path) override;
  base::Result<> make_dir(const std::string& path) override;
  base::Result<> remove_dir(const std::string& path) override;
  base::Result<std::vector<std::string>> list(const std::string& path) override;
  base::Result<base::FileInfo> stat(const std::string& path) override;
  base::Result<> sync_dir(const std::string& path) override;
  base::Result<std::uint64_t> free_space(const std::string& path) override;
  base::Result<std::unique_ptr<base::DiskLock>> lock(const std::string& path) override;

  // Counted operations since birth, crash() or kill(), and what they were.
  [[nodiscard]] std::uint64_t operations() const;
  [[nodiscard]] std::vector<std::string> log() const;

  // Faults; n counts as operations() does. clear_faults() removes all of them but the cut.
  void fail_at(std::uint64_t n, int error);
  void fail_from(std::uint64_t n, int error);
  void short_write_at(std::uint64_t n, std::uint64_t octets, int error);
  // Asked at every operation, reads too; must not call the disk.
  void set_fault_hook(FaultHook hook);
  void set_sync_failure(SyncFailure model);
  void set_dir_sync_failure(DirSyncFailure model);
  void clear_faults();
  void cut_at(std::uint64_t n);
  void cut_now();
  [[nodiscard]] bool cut() const;
  // Called once at the cut, inside the failing operation; must not call the disk.
  void on_cut(std::function<void()> action);

  // Room for file contents, in whole sectors; names cost nothing but need a free sector.
  void set_capacity(std::uint64_t octets);

  // Power failure. What a pending item is: describe_pending(), same order as the policy's items.
  [[nodiscard]] std::size_t pending_items() const;
  [[nodiscard]] std::vector<std::string> describe_pending() const;
  // The disk after a power failure now, as a new disk without faults; this one stays as it is.
  [[nodiscard]] std::unique_ptr<SimDisk> after_crash(const LossPolicy& policy) const;
  // The same in place. Handles and locks from before are dead: they fail with EIO.
  void crash(const LossPolicy& policy);
  // Death of the process: handles and locks are gone, the cache survives. Faults and cut are
  // cleared.
  void kill();

  // Silent damage of one octet, in the cache and on the disk. False when there is no such octet.
  bool flip_bit(const std::string& path, std::uint64_t offset, unsigned bit);

  // File times come from `clock` (else from a counter); it must outlive the disk.
  void set_clock(const base::Clock* clock);
  // Told of every operation before it is done, reads too; must not call the disk.
  void set_observer(std::function<void(const DiskOp&)> observer);

 private:
  explicit SimDisk(std::shared_ptr<disk::Core> core);
  std::shared_ptr<disk::Core> core_;
};

}  // namespace posthouse::sim
