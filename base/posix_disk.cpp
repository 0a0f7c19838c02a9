// Owns the real file system behind the disk port: one system call a method wherever possible, for
// it lies on the path of every delivery. Callers on any thread; a File belongs to one at a time.
// After an error the file stays open and usable; what a failed write or sync left is unknown.
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <utility>

#include "base/disk.hpp"

namespace posthouse::base {

namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirMode = 0700;
constexpr std::size_t kMaxParts = 1024;  // IOV_MAX of Linux

// Repeats a call that a signal interrupted.
template <class Call>
auto retry(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) {
    result = call();
  }
  return result;
}

// Owns a descriptor. close(2) is not repeated on EINTR: Linux has closed it by then.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

int open_retry(const char* path, int flags) {
  return retry([&] { return ::open(path, flags | O_CLOEXEC | O_NOFOLLOW, kFileMode); });
}

// Takes `done` octets off the front of `parts`.
void consume(std::span<iovec>& parts, std::size_t done) {
  while (!parts.empty() && done >= parts.front().iov_len) {
    done -= parts.front().iov_len;
    parts = parts.subspan(1);
  }
  if (!parts.empty()) {
    parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + done;
    parts.front().iov_len -= done;
  }
}

class PosixFile final : public File {
 public:
  PosixFile(int fd, const std::string& path) : fd_(fd), path_(path) {}

  using File::write_at;

  Result<> write_at(std::uint64_t offset, std::span<const iovec> parts) override {
    while (!parts.empty()) {
      const auto now = parts.first(std::min(parts.size(), kMaxParts));
      std::size_t wanted = 0;
      for (const iovec& part : now) {
        wanted += part.iov_len;
      }
      auto written = write_some(offset, now);
      if (!written) {
        return tl::unexpected(std::move(written.error()));
      }
      if (*written < wanted) {
        if (auto rest = write_rest(offset + *written, now, *written); !rest) {
          return rest;
        }
      }
      offset += wanted;
      parts = parts.subspan(now.size());
    }
    return {};
  }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> out) override {
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t got = retry([&] {
        return ::pread(fd_.get(), out.data() + done, out.size() - done,
                       static_cast<off_t>(offset + done));
      });
      if (got < 0) {
        return fail_errno(errno, "read", path_);
      }
      if (got == 0) {
        break;
      }
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  Result<> sync_data() override {
    // Not repeated even on EINTR: after any failure the kernel may have dropped dirty pages, and a
    // second call that says 0 would prove nothing.
    if (::fdatasync(fd_.get()) != 0) {
      return fail_errno(errno, "fdatasync", path_);
    }
    return {};
  }

  Result<std::uint64_t> size() override {
    struct stat info;
    if (::fstat(fd_.get(), &info) != 0) {
      return fail_errno(errno, "fstat", path_);
    }
    return static_cast<std::uint64_t>(info.st_size);
  }

  Result<> truncate(std::uint64_t length) override {
    if (retry([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(length)); }) != 0) {
      return fail_errno(errno, "truncate", path_);
    }
    return {};
  }

 private:
  Result<std::size_t> write_some(std::uint64_t offset, std::span<const iovec> parts) {
    const ssize_t done = retry([&] {
      return parts.size() == 1 ? ::pwrite(fd_.get(), parts[0].iov_base, parts[0].iov_len,
                                          static_cast<off_t>(offset))
                               : ::pwritev(fd_.get(), parts.data(), static_cast<int>(parts.size()),
                                           static_cast<off_t>(offset));
    });
    if (done < 0) {
      return fail_errno(errno, "write", path_);
    }
    return static_cast<std::size_t>(done);
  }

  // The rare rest after a short write; a copy of the parts may then be cut.
  Result<> write_rest(std::uint64_t offset, std::span<const iovec> parts, std::size_t done) {
    std::vector<iovec> copy(parts.begin(), parts.end());
    std::span<iovec> left(copy);
    consume(left, done);
    while (!left.empty()) {
      auto written = write_some(offset, left);
      if (!written) {
        return tl::unexpected(std::move(written.error()));
      }
      if (*written == 0) {
        return fail_errno(EIO, "write", path_);
      }
      offset += *written;
      consume(left, *written);
    }
    return {};
  }

  Descriptor fd_;
  std::string path_;
};

class PosixLock final : public DiskLock {
 public:
  explicit PosixLock(Descriptor fd) : fd_(std::move(fd)) {}

 private:
  Descriptor fd_;  // closing it releases the lock
};

int open_flags(OpenMode mode) {
  switch (mode) {
    case OpenMode::read:
      return O_RDONLY;
    case OpenMode::read_write:
      return O_RDWR;
    case OpenMode::create_new:
      return O_RDWR | O_CREAT | O_EXCL;
    case OpenMode::create:
      return O_RDWR | O_CREAT;
  }
  return O_RDONLY;
}

class PosixDisk final : public Disk {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    const int fd = open_retry(path.c_str(), open_flags(mode));
    if (fd < 0) {
      return fail_errno(errno, "open", path);
    }
    return std::make_unique<PosixFile>(fd, path);
  }

  Result<> rename(const std::string& from, const std::string& to) override {
    if (::renameat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str()) != 0) {
      return fail_errno(errno, "rename", from + " to " + to);
    }
    return {};
  }

  Result<> link(const std::string& from, const std::string& to) override {
    if (::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), 0) != 0) {
      return fail_errno(errno, "link", from + " to " + to);
    }
    return {};
  }

  Result<> remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) {
      return fail_errno(errno, "unlink", path);
    }
    return {};
  }

  Result<> make_dir(const std::string& path) override {
    if (::mkdir(path.c_str(), kDirMode) != 0 && errno != EEXIST) {
      return fail_errno(errno, "mkdir", path);
    }
    return {};
  }

  Result<> remove_dir(const std::string& path) override {
    if (::rmdir(path.c_str()) != 0) {
      return fail_errno(errno, "rmdir", path);
    }
    return {};
  }

  Result<std::vector<std::string>> list(const std::string& path) override {
    Descriptor fd(open_retry(path.c_str(), O_RDONLY | O_DIRECTORY));
    if (fd.get() < 0) {
      return fail_errno(errno, "open directory", path);
    }
    DIR* const directory = ::fdopendir(fd.get());
    if (directory == nullptr) {
      return fail_errno(errno, "open directory", path);
    }
    (void)fd.release();  // closedir() closes it
    const std::unique_ptr<DIR, int (*)(DIR*)> closer(directory, ::closedir);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(directory)) {
      const std::string_view name(entry->d_name);
      if (name != "." && name != "..") {
        names.emplace_back(name);
      }
    }
    if (errno != 0) {
      return fail_errno(errno, "read directory", path);
    }
    return names;
  }

  Result<FileInfo> stat(const std::string& path) override {
    struct stat info;
    if (::lstat(path.c_str(), &info) != 0) {
      return fail_errno(errno, "stat", path);
    }
    FileInfo result;
    result.size = static_cast<std::uint64_t>(info.st_size);
    result.mtime_ns = info.st_mtim.tv_sec * std::int64_t{1'000'000'000} + info.st_mtim.tv_nsec;
    result.inode = info.st_ino;
    result.links = info.st_nlink;
    result.is_dir = S_ISDIR(info.st_mode);
    result.is_regular = S_ISREG(info.st_mode);
    return result;
  }

  Result<> sync_dir(const std::string& path) override {
    const Descriptor fd(open_directory(path));
    if (fd.get() < 0) {
      return fail_errno(errno, "open directory", path);
    }
    if (::fsync(fd.get()) != 0) {
      return fail_errno(errno, "fsync", path);
    }
    return {};
  }

  Result<std::uint64_t> free_space(const std::string& path) override {
    struct statvfs info;
    if (retry([&] { return ::statvfs(path.c_str(), &info); }) != 0) {
      return fail_errno(errno, "statvfs", path);
    }
    return std::uint64_t{info.f_bavail} * info.f_frsize;
  }

  Result<std::unique_ptr<DiskLock>> lock(const std::string& path) override {
    for (;;) {
      Descriptor fd(open_retry(path.c_str(), O_RDWR | O_CREAT));
      if (fd.get() < 0) {
        return fail_errno(errno, "open", path);
      }
      if (retry([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); }) != 0) {
        return fail_errno(errno, "lock", path);
      }
      struct stat info;
      if (::fstat(fd.get(), &info) != 0) {
        return fail_errno(errno, "fstat", path);
      }
      // The former holder may have removed the file between our open and flock; then the lock we
      // got excludes nobody.
      if (info.st_nlink != 0) {
        return std::make_unique<PosixLock>(std::move(fd));
      }
    }
  }

 private:
  // Unlike files, directories may be reached by a link (a drop_path that was moved elsewhere).
  static int open_directory(const std::string& path) {
    return retry([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  }
};

}  // namespace

Disk& system_disk() {
  static PosixDisk disk;
  return disk;
}

}  // namespace posthouse::base
