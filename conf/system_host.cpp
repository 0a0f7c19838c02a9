// The Host port on the real machine: stat(2) and the user database. Safe from any thread.
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "conf/check.hpp"

namespace posthouse::conf {
namespace {

constexpr std::size_t kMaxUserRecord = 64 * 1024;
constexpr int kMostGroups = 1024;

Identity identity_of(const passwd& entry) {
  Identity result;
  result.name = entry.pw_name;
  result.uid = entry.pw_uid;
  gid_t groups[kMostGroups];
  int count = kMostGroups;
  // On overflow the array is filled and -1 returned: what fitted is used.
  if (::getgrouplist(entry.pw_name, entry.pw_gid, groups, &count) < 0) count = kMostGroups;
  result.groups.assign(groups, groups + count);
  return result;
}

class SystemHost final : public Host {
 public:
  base::Result<FileFacts> facts(const std::string& path) override {
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0) return base::fail_errno(errno, "stat", path);
    FileFacts result;
    result.is_dir = S_ISDIR(info.st_mode);
    result.is_regular = S_ISREG(info.st_mode);
    result.mode = info.st_mode & 07777U;
    result.uid = info.st_uid;
    result.gid = info.st_gid;
    return result;
  }

  std::optional<Identity> user(const std::string& name) override {
    std::vector<char> buffer(kMaxUserRecord);
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || !found) {
      return std::nullopt;
    }
    return identity_of(entry);
  }

  std::optional<Identity> user(std::uint32_t uid) override {
    std::vector<char> buffer(kMaxUserRecord);
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || !found) {
      return std::nullopt;
    }
    return identity_of(entry);
  }

  Identity self() override {
    if (auto known = user(::geteuid())) return *known;
    // A container may run under a number without a name.
    return Identity{std::to_string(::geteuid()), ::geteuid(), {::getegid()}};
  }
};

}  // namespace

Host& system_host() {
  static SystemHost host;
  return host;
}

}  // namespace posthouse::conf
