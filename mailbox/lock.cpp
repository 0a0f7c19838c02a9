// Mailbox locks (see lock.hpp). After an error nothing is held.
#include "mailbox/lock.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "base/assert.hpp"
#include "base/text.hpp"

namespace posthouse::mailbox {
namespace {

constexpr std::chrono::milliseconds kPoll{20};
constexpr std::chrono::minutes kStale{
    10};  // DMail: a lock without its process, or ten idle minutes

bool is_busy(const base::Error& error) {
  return error.code == std::errc::resource_unavailable_try_again;
}

class SystemHeld final : public FileLocks::Held {
 public:
  explicit SystemHeld(int fd) : fd_(fd) {}
  SystemHeld(const SystemHeld&) = delete;
  SystemHeld& operator=(const SystemHeld&) = delete;
  ~SystemHeld() override { ::close(fd_); }  // which also unlocks

 private:
  int fd_;
};

class SystemFileLocks final : public FileLocks {
 public:
  base::Result<std::unique_ptr<Held>> try_lock(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
      if (errno == ENOENT) return std::unique_ptr<Held>();
      return base::fail_errno(errno, "open", path);
    }
    auto held = std::make_unique<SystemHeld>(fd);
    struct flock request = {};
    request.l_type = F_WRLCK;
    request.l_whence = SEEK_SET;
    if (::fcntl(fd, F_OFD_SETLK, &request) != 0) {
      return base::fail_errno(errno == EACCES ? EAGAIN : errno, "lock", path);
    }
    // A program that rewrote the mailbox by rename while we opened it left us with the old file.
    struct stat ours = {};
    struct stat named = {};
    if (::fstat(fd, &ours) != 0 || ::lstat(path.c_str(), &named) != 0 ||
        ours.st_ino != named.st_ino || ours.st_dev != named.st_dev) {
      return base::fail_errno(EAGAIN, "lock", path);
    }
    return held;
  }
};

// True when the process that wrote the dot-lock is known to be gone, or the lock is very old.
bool is_stale(base::Disk& disk, const std::string& dot_lock) {
  const auto content = base::read_file(disk, dot_lock, 64);
  if (content) {
    const auto pid = base::parse_u64(base::trim(*content));
    // Our own process id: threads are kept apart by the table, so an earlier life wrote it.
    if (pid && *pid > 0 && *pid <= 0x7fffffff) {
      if (*pid == static_cast<std::uint64_t>(::getpid())) return true;
      if (::kill(static_cast<pid_t>(*pid), 0) != 0 && errno == ESRCH) return true;
    }
  }
  const auto info = disk.stat(dot_lock);
  if (!info) return false;
  const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(
      base::system_clock().wall().time_since_epoch());
  return now - std::chrono::nanoseconds(info->mtime_ns) > kStale;
}

}  // namespace

BoxLocks::Held::~Held() {
  const std::lock_guard guard(owner_.mutex_);
  owner_.held_.erase(path_);
}

std::unique_ptr<BoxLocks::Held> BoxLocks::try_lock(const std::string& path) {
  {
    const std::lock_guard guard(mutex_);
    if (!held_.insert(path).second) return nullptr;
  }
  return std::make_unique<Held>(*this, path);
}

FileLocks& system_file_locks() {
  static SystemFileLocks locks;
  return locks;
}

MboxLocks::Held::~Held() {
  file_.reset();
  if (dot_lock_) (void)owner_.disk_.remove(path_ + ".lock");  // one left behind counts as stale
  owner_.leave(path_);
}

bool MboxLocks::enter(const std::string& path) {
  std::unique_lock guard(mutex_);
  if (!freed_.wait_for(guard, wait_, [&] { return !busy_.contains(path); })) return false;
  busy_.insert(path);
  return true;
}

void MboxLocks::leave(const std::string& path) {
  const std::lock_guard guard(mutex_);
  const auto erased = busy_.erase(path);
  PH_ASSERT(erased == 1, "a mailbox lock was released twice");
  freed_.notify_all();
}

base::Result<> MboxLocks::take_dot_lock(const std::string& path) {
  const std::string name = path + ".lock";
  auto file = disk_.open(name, base::OpenMode::create_new);
  if (!file && file.error().code == std::errc::file_exists) {
    if (!is_stale(disk_, name)) return base::fail_errno(EAGAIN, "lock", name);
    (void)disk_.remove(name);
    file = disk_.open(name, base::OpenMode::create_new);
    if (!file && file.error().code == std::errc::file_exists) {
      return base::fail_errno(EAGAIN, "lock", name);
    }
  }
  if (!file) return tl::unexpected(file.error());
  // Without the id (full disk) the lock holds all the same; it is only found stale later.
  (void)(*file)->write_at(0, std::to_string(::getpid()) + "\n");
  return {};
}

base::Result<> MboxLocks::take_files(Held& held) {
  if (auto taken = take_dot_lock(held.path_); !taken) return taken;
  held.dot_lock_ = true;
  auto file = files_.try_lock(held.path_);
  if (file) {
    held.file_ = std::move(*file);
    return {};
  }
  (void)disk_.remove(held.path_ + ".lock");
  held.dot_lock_ = false;
  return tl::unexpected(file.error());
}

base::Result<std::unique_ptr<MboxLocks::Held>> MboxLocks::lock(const std::string& path) {
  if (!enter(path)) return base::fail_errno(EAGAIN, "lock", path);
  auto held = std::make_unique<Held>(*this, path);
  for (std::chrono::milliseconds waited{0};; waited += kPoll) {
    auto taken = take_files(*held);
    if (taken) return held;
    if (!is_busy(taken.error()) || waited >= wait_) return tl::unexpected(taken.error());
    std::this_thread::sleep_for(kPoll);
  }
}

}  // namespace posthouse::mailbox
