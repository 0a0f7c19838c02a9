// Locks on mailboxes. BoxLocks: one POP3 session a mailbox, in memory, so never stale after a
// crash. MboxLock: the short write lock of mbox files, honoured by other programs too (dot-lock and
// fcntl). Any thread; an MboxLock may block its thread up to the given time, a BoxLock never.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>

#include "base/disk.hpp"

namespace posthouse::mailbox {

// The POP3 locks of a server. Outlives every lock taken from it.
class BoxLocks {
 public:
  // Released by its destructor, on any thread.
  class Held {
   public:
    Held(BoxLocks& owner, std::string path) : owner_(owner), path_(std::move(path)) {}
    ~Held();
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

   private:
    BoxLocks& owner_;
    std::string path_;
  };
  // null: another session has it.
  [[nodiscard]] std::unique_ptr<Held> try_lock(const std::string& path);

 private:
  std::mutex mutex_;
  std::unordered_set<std::string> held_;  // guarded by mutex_
};

// The lock that other programs' fcntl(2) locks meet. A port, because a simulated disk has none.
class FileLocks {
 public:
  class Held {
   public:
    virtual ~Held() = default;
  };
  virtual ~FileLocks() = default;
  // Error resource_unavailable_try_again when another program holds it; null without error when the
  // file does not exist.
  virtual base::Result<std::unique_ptr<Held>> try_lock(const std::string& path) = 0;
};

// Open file description locks of Linux: they conflict with fcntl locks of others, and closing some
// other descriptor of the file does not lose them. Lives for the whole program.
[[nodiscard]] FileLocks& system_file_locks();

// The write locks of mbox files: one table a server, in front of the files' own locks, so that
// threads of this process queue up fairly instead of polling.
class MboxLocks {
 public:
  // `wait`: how long lock() may take (against other programs; our own holders are quick).
  MboxLocks(base::Disk& disk, FileLocks& files, std::chrono::milliseconds wait)
      : disk_(disk), files_(files), wait_(wait) {}

  // Released by its destructor.
  class Held {
   public:
    Held(MboxLocks& owner, std::string path) : owner_(owner), path_(std::move(path)) {}
    ~Held();
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

   private:
    friend class MboxLocks;
    MboxLocks& owner_;
    std::string path_;
    bool dot_lock_ = false;
    std::unique_ptr<FileLocks::Held> file_;
  };
  // Error resource_unavailable_try_again when it could not be had in time. A dot-lock whose process
  // is gone, or that is older than ten minutes, is removed.
  [[nodiscard]] base::Result<std::unique_ptr<Held>> lock(const std::string& path);

 private:
  bool enter(const std::string& path);
  void leave(const std::string& path);
  base::Result<> take_dot_lock(const std::string& path);
  base::Result<> take_files(Held& held);

  base::Disk& disk_;
  FileLocks& files_;
  const std::chrono::milliseconds wait_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::unordered_set<std::string> busy_;  // guarded by mutex_
};

}  // namespace posthouse::mailbox
