// The disk port: every file operation whose durability matters goes through it, so that the crash
// tests can cut, fail or reorder each one (tests/sim/sim_disk.*). All calls may block; they run on
// the thread that calls them. Nothing is durable before sync_data()/sync_dir() returned success.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace posthouse::base {

enum class OpenMode {
  read,        // existing file, read only
  read_write,  // existing file
  create_new,  // read-write, must not exist (EEXIST)
  create,      // read-write, created when missing
};

// An open file; closed by its destructor. One thread at a time.
class File {
 public:
  virtual ~File() = default;
  // Writes all of `parts` at `offset` or fails; a failure may leave a prefix written.
  virtual Result<> write_at(std::uint64_t offset, std::span<const iovec> parts) = 0;
  // Reads up to out.size() octets; fewer only at the end of the file.
  virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<char> out) = 0;
  // fdatasync(2): data and size. An error is final: written pages may be lost (docs/spool.md).
  virtual Result<> sync_data() = 0;
  virtual Result<std::uint64_t> size() = 0;
  virtual Result<> truncate(std::uint64_t length) = 0;

  Result<> write_at(std::uint64_t offset, std::string_view data);
};

struct FileInfo {
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::uint64_t inode = 0;
  std::uint64_t links = 1;
  bool is_dir = false;
  bool is_regular = false;
};

// An exclusive advisory lock, released by the destructor (or by the death of the process).
class DiskLock {
 public:
  virtual ~DiskLock() = default;
};

class Disk {
 public:
  virtual ~Disk() = default;
  // New files get mode 0600, new directories 0700. Final symbolic links are not followed.
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual Result<> rename(const std::string& from, const std::string& to) = 0;  // replaces `to`
  virtual Result<> link(const std::string& from, const std::string& to) = 0;    // EEXIST if `to` is
  virtual Result<> remove(const std::string& path) = 0;
  virtual Result<> make_dir(const std::string& path) = 0;  // EEXIST is success
  virtual Result<> remove_dir(const std::string& path) = 0;
  // Names without "." and "..", in no particular order.
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
  virtual Result<FileInfo> stat(const std::string& path) = 0;  // lstat(2)
  // fsync(2) of a directory: makes entries created, renamed or removed in it durable.
  virtual Result<> sync_dir(const std::string& path) = 0;
  virtual Result<std::uint64_t> free_space(const std::string& path) = 0;  // octets for us
  // flock(2) on `path` (created when missing); EWOULDBLOCK when another process holds it.
  virtual Result<std::unique_ptr<DiskLock>> lock(const std::string& path) = 0;
};

// Creates `path` and its missing parents, syncing each parent whose entry was created.
Result<> make_dirs(Disk& disk, const std::string& path);
// Whole file as a string; refused (EFBIG) when larger than `limit` octets.
Result<std::string> read_file(Disk& disk, const std::string& path, std::uint64_t limit);
// Writes `path` so that a crash leaves the old or the new content: temporary file, sync, rename,
// directory sync.
Result<> replace_file(Disk& disk, const std::string& path, std::string_view content);

// The real file system; lives for the whole program, safe from any thread.
[[nodiscard]] Disk& system_disk();

}  // namespace posthouse::base
