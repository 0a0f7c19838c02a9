// Path helpers (see paths.hpp).
#include "mailbox/paths.hpp"

namespace posthouse::mailbox {

bool is_missing(const base::Error& error) {
  return error.code == std::errc::no_such_file_or_directory;
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

base::Result<> make_path(base::Disk& disk, const std::string& path) {
  auto made = disk.make_dir(path);
  if (made || !is_missing(made.error())) return made;
  const std::string parent = directory_of(path);
  if (parent == path || parent == ".") return made;
  if (auto above = make_path(disk, parent); !above) return above;
  return disk.make_dir(path);
}

std::vector<std::string> directories_above(const std::string& path, const std::string& root) {
  const bool below = path.size() > root.size() && path.starts_with(root) &&
                     (root.ends_with('/') || path[root.size()] == '/');
  std::vector<std::string> result;
  std::string at = path;
  do {
    at = directory_of(at);
    result.push_back(at);
  } while (below && at.size() > root.size());
  return result;
}

}  // namespace posthouse::mailbox
