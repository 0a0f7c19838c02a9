// Owns the file operations composed of Disk calls, the same on a real and a simulated disk.
// They run on the calling thread and may block.
#include "base/disk.hpp"

#include "base/result.hpp"

namespace posthouse::base {

namespace {

std::string parent_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool is(const Error& error, std::errc condition) { return error.code == condition; }

Result<> write_temporary(Disk& disk, const std::string& path, std::string_view content) {
  auto file = disk.open(path, OpenMode::create_new);
  if (!file) {
    return tl::unexpected(file.error());
  }
  if (auto written = (*file)->write_at(0, content); !written) {
    return written;
  }
  return (*file)->sync_data();
}

}  // namespace

Result<> File::write_at(std::uint64_t offset, std::string_view data) {
  // iovec has no const; write_at only reads.
  const iovec part{const_cast<char*>(data.data()), data.size()};
  return write_at(offset, std::span<const iovec>(&part, 1));
}

Result<> make_dirs(Disk& disk, const std::string& path) {
  std::string name = path;
  while (name.size() > 1 && name.back() == '/') {
    name.pop_back();
  }
  const auto info = disk.stat(name);
  if (info) {
    // A symbolic link may lead to a directory (/var/spool often does); the next use tells.
    return info->is_regular ? Result<>(fail(std::errc::not_a_directory, "mkdir", name))
                            : Result<>();
  }
  if (!is(info.error(), std::errc::no_such_file_or_directory)) {
    return tl::unexpected(info.error());
  }
  const std::string parent = parent_of(name);
  if (parent != name) {
    if (auto made = make_dirs(disk, parent); !made) {
      return made;
    }
  }
  if (auto made = disk.make_dir(name); !made) {
    return made;
  }
  return disk.sync_dir(parent);
}

Result<std::string> read_file(Disk& disk, const std::string& path, std::uint64_t limit) {
  auto file = disk.open(path, OpenMode::read);
  if (!file) {
    return tl::unexpected(file.error());
  }
  const auto size = (*file)->size();
  if (!size) {
    return tl::unexpected(size.error());
  }
  if (*size > limit) {
    return fail(std::errc::file_too_large, "read", path);
  }
  // Files of /proc say 0 and others may grow meanwhile, so reading goes on to the end.
  std::string content;
  std::size_t used = 0;
  std::size_t room = static_cast<std::size_t>(*size) + 1;
  for (;;) {
    content.resize(used + room);
    const auto got = (*file)->read_at(used, std::span(content).subspan(used));
    if (!got) {
      return tl::unexpected(got.error());
    }
    used += *got;
    if (used > limit) {
      return fail(std::errc::file_too_large, "read", path);
    }
    if (*got < room) {
      content.resize(used);
      return content;
    }
    room = 4096;
  }
}

Result<> replace_file(Disk& disk, const std::string& path, std::string_view content) {
  const std::string temporary = path + ".tmp";
  // Left behind by a crash.
  if (auto removed = disk.remove(temporary);
      !removed && !is(removed.error(), std::errc::no_such_file_or_directory)) {
    return removed;
  }
  auto done = write_temporary(disk, temporary, content);
  if (done) {
    done = disk.rename(temporary, path);
  }
  if (!done) {
    (void)disk.remove(temporary);  // the first error is the one to report
    return done;
  }
  return disk.sync_dir(parent_of(path));
}

}  // namespace posthouse::base
