// Becoming run_user; on the main thread while it is the only one.
#include "app/privileges.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace posthouse::app {
namespace {

std::optional<RunUser> by_name(const std::string& name) {
  const passwd* entry = ::getpwnam(name.c_str());
  if (entry == nullptr) return std::nullopt;
  return RunUser{entry->pw_uid, entry->pw_gid, name};
}

}  // namespace

base::Result<std::optional<RunUser>> choose_run_user(const conf::Settings& settings) {
  if (::geteuid() != 0) return std::optional<RunUser>();
  if (!settings.run_user.empty()) {
    auto user = by_name(settings.run_user);
    if (!user) return base::fail(std::errc::invalid_argument, "run_user", settings.run_user);
    return user;
  }
  if (auto user = by_name("posthouse")) return user;
  struct stat info{};  // a work_path yet to be made will be root's
  if (::stat(settings.work_path.c_str(), &info) != 0 && errno != ENOENT) {
    return base::fail_errno(errno, "stat", settings.work_path);
  }
  const passwd* entry = ::getpwuid(info.st_uid);
  std::string name = entry != nullptr ? entry->pw_name : std::to_string(info.st_uid);
  return std::optional<RunUser>(RunUser{info.st_uid, info.st_gid, std::move(name)});
}

base::Result<> become(const RunUser& user) {
  if (user.uid != 0) {
    if (::initgroups(user.name.c_str(), user.gid) != 0 && ::setgroups(1, &user.gid) != 0) {
      return base::fail_errno(errno, "setgroups", user.name);
    }
    if (::setresgid(user.gid, user.gid, user.gid) != 0) {
      return base::fail_errno(errno, "setresgid", user.name);
    }
    if (::setresuid(user.uid, user.uid, user.uid) != 0) {
      return base::fail_errno(errno, "setresuid", user.name);
    }
    if (::setuid(0) == 0) return base::fail(std::errc::operation_not_permitted, "drop root");
  }
  ::prctl(PR_SET_DUMPABLE, 0);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return {};
}

std::uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit);
  }
  return limit.rlim_cur;
}

}  // namespace posthouse::app
