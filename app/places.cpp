// Making directories with their modes and owners; on the main thread, at start.
#include "app/places.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/disk.hpp"

namespace posthouse::app {
namespace {

// One directory of ours; its parents are made with it. As root it is given to `owner` when it is
// new or still root's, so that a server started once without a user of its own can get one later.
base::Result<> make_place(const std::string& path, mode_t mode,
                          const std::optional<RunUser>& owner) {
  if (auto made = base::make_dirs(base::system_disk(), path); !made) return made;
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return base::fail_errno(errno, "stat", path);
  if (owner && info.st_uid == 0 && owner->uid != 0 &&
      ::lchown(path.c_str(), owner->uid, owner->gid) != 0) {
    return base::fail_errno(errno, "chown", path);
  }
  if ((info.st_mode & 07777) != mode && ::chmod(path.c_str(), mode) != 0 && errno != EPERM) {
    return base::fail_errno(errno, "chmod", path);
  }
  return {};
}

}  // namespace

base::Result<> prepare_places(const conf::Settings& settings, const std::optional<RunUser>& owner) {
  if (auto made = make_place(settings.work_path, 0711, owner); !made) return made;
  for (const char* name : {"/queue", "/run"}) {
    if (auto made = make_place(settings.work_path + name, 0700, owner); !made) return made;
  }
  std::error_code ignored;
  // A drop_path that exists may be shared with other programs: its mode is theirs.
  if (!std::filesystem::is_directory(settings.drop_path, ignored)) {
    if (auto made = make_place(settings.drop_path, 0700, owner); !made) return made;
  }
  for (const auto& domain : settings.vdomain) {
    if (std::filesystem::is_directory(domain.drop_dir, ignored)) continue;
    if (auto made = make_place(domain.drop_dir, 0700, owner); !made) return made;
  }
  if (owner && std::filesystem::exists(settings.user_file, ignored)) {
    if (auto given = adopt_folder_owner(settings.user_file); !given) return given;
  }
  return {};
}

base::Result<> prepare_user_folder(const conf::Settings& settings) {
  const auto owner = choose_run_user(settings);
  if (!owner) return tl::unexpected(owner.error());
  if (auto made = make_place(settings.work_path, 0711, *owner); !made) return made;
  const auto folder = std::filesystem::path(settings.user_file).parent_path();
  std::error_code ignored;
  if (std::filesystem::is_directory(folder, ignored)) return {};
  return make_place(folder.string(), 0700, *owner);
}

base::Result<> adopt_folder_owner(const std::string& path) {
  if (::geteuid() != 0) return {};
  const std::string folder = std::filesystem::path(path).parent_path().string();
  struct stat info{};
  if (::stat(folder.c_str(), &info) != 0) return base::fail_errno(errno, "stat", folder);
  if (::lchown(path.c_str(), info.st_uid, info.st_gid) != 0) {
    return base::fail_errno(errno, "chown", path);
  }
  return {};
}

PidFile::PidFile(std::string path) : path_(std::move(path)) {
  // Only a convenience for scripts: the spool's lock is what keeps a second server out.
  const int file =
      ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (file < 0) return;
  const std::string text = std::to_string(::getpid()) + "\n";
  if (::write(file, text.data(), text.size()) < 0) ::unlink(path_.c_str());
  ::close(file);
}

PidFile::~PidFile() { ::unlink(path_.c_str()); }

}  // namespace posthouse::app
