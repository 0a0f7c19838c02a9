// Maildir files (see maildir.hpp). Mailbox pool threads. A file left in tmp/ by a crash is
// harmless: the redo of that delivery replaces it.
#include "mailbox/maildir.hpp"

#include <unordered_map>

#include "base/text.hpp"
#include "mailbox/paths.hpp"

namespace posthouse::mailbox {
namespace {

base::Result<> make_maildir(base::Disk& disk, const std::string& path) {
  if (auto made = make_path(disk, path); !made) return made;
  for (const char* part : {"/tmp", "/new", "/cur"}) {
    if (auto made = disk.make_dir(path + part); !made) return made;
  }
  return {};
}

// Opens a new file in tmp/, making room for it where a crash or a new user requires that.
base::Result<std::unique_ptr<base::File>> create_temporary(base::Disk& disk,
                                                           const std::string& mailbox,
                                                           const std::string& temporary,
                                                           bool* made_mailbox) {
  auto file = disk.open(temporary, base::OpenMode::create_new);
  if (file) return file;
  if (is_missing(file.error())) {
    if (auto made = make_maildir(disk, mailbox); !made) return tl::unexpected(made.error());
    *made_mailbox = true;
  } else if (file.error().code == std::errc::file_exists) {
    if (auto gone = disk.remove(temporary); !gone && !is_missing(gone.error())) {
      return tl::unexpected(gone.error());
    }
  } else {
    return file;
  }
  return disk.open(temporary, base::OpenMode::create_new);
}

struct Temporary {
  std::unique_ptr<base::File> file;
  std::string path;
  std::string final_name;  // with sizes, without directory
  std::uint64_t octets = 0;
  bool made_mailbox = false;
};

base::Result<Temporary> write_temporary(base::Disk& disk, const Delivery& delivery) {
  Temporary result;
  // The sizes are not known before the last piece: the name in tmp/ goes without them.
  result.path = delivery.path + "/tmp/" + delivery.uid;
  Rendition rendition(disk, delivery, Format::maildir);
  std::string piece;
  // Before the file is made: a body that cannot be read must leave nothing behind.
  auto more = rendition.next(&piece);
  if (!more) return tl::unexpected(more.error());
  auto file = create_temporary(disk, delivery.path, result.path, &result.made_mailbox);
  if (!file) return tl::unexpected(file.error());
  result.file = std::move(*file);
  std::uint64_t offset = 0;
  while (*more) {
    auto written = result.file->write_at(offset, piece);
    offset += piece.size();
    if (written) {
      more = rendition.next(&piece);
      if (more) continue;
      written = tl::unexpected(more.error());
    }
    (void)disk.remove(result.path);  // the message stays queued; the file would only take space
    return tl::unexpected(written.error());
  }
  result.octets = rendition.octets();
  result.final_name = delivery.uid + ",S=" + std::to_string(rendition.octets()) +
                      ",W=" + std::to_string(rendition.wire_octets());
  return result;
}

// Where messages with given uids lie.
using Places = std::unordered_map<std::string_view, std::vector<std::string>>;

base::Result<> find_places(base::Disk& disk, const std::string& mailbox, Places* places) {
  for (const char* part : {"/new/", "/cur/"}) {
    auto names = disk.list(mailbox + part);
    if (!names) {
      if (is_missing(names.error())) continue;
      return tl::unexpected(names.error());
    }
    for (const std::string& name : *names) {
      auto wanted = places->find(uid_of_name(name));
      if (wanted == places->end()) wanted = places->find(base_name(name));
      if (wanted != places->end()) wanted->second.push_back(mailbox + part + name);
    }
  }
  return {};
}

base::Result<> redo_one(base::Disk& disk, const Delivery& delivery,
                        const std::vector<std::string>& found) {
  auto temporary = write_temporary(disk, delivery);
  if (!temporary) return tl::unexpected(temporary.error());
  if (auto synced = temporary->file->sync_data(); !synced) {
    (void)disk.remove(temporary->path);
    return synced;
  }
  // A name found proves nothing, it may hold zeros (docs/spool.md); its flags are the reader's.
  // When a crash kept both names of a move, the one in cur/ (listed last) is the younger.
  const std::string target =
      found.empty() ? delivery.path + "/new/" + temporary->final_name : found.back();
  if (auto renamed = disk.rename(temporary->path, target); !renamed) return renamed;
  for (std::size_t i = 0; i + 1 < found.size(); ++i) {
    if (auto gone = disk.remove(found[i]); !gone && !is_missing(gone.error())) return gone;
  }
  return {};
}

}  // namespace

std::string_view uid_of_name(std::string_view name) {
  return name.substr(0, name.find_first_of(",:"));
}

std::string_view base_name(std::string_view name) { return name.substr(0, name.find(':')); }

std::optional<std::uint64_t> size_in_name(std::string_view name, char field) {
  name = base_name(name);
  while (true) {
    const std::size_t comma = name.find(',');
    if (comma == std::string_view::npos) return std::nullopt;
    name.remove_prefix(comma + 1);
    if (name.size() > 2 && name[0] == field && name[1] == '=') {
      return base::parse_u64(name.substr(2, name.find(',') - 2));
    }
  }
}

base::Result<Stored> deliver_maildir(base::Disk& disk, const Delivery& delivery) {
  auto temporary = write_temporary(disk, delivery);
  if (!temporary) return tl::unexpected(temporary.error());
  Stored stored;
  stored.name = delivery.path + "/new/" + temporary->final_name;
  auto renamed = disk.rename(temporary->path, stored.name);
  if (!renamed && is_missing(renamed.error())) {
    // tmp/ is there but new/ is not: a creation cut short.
    if (auto made = make_maildir(disk, delivery.path); !made) return tl::unexpected(made.error());
    stored.made = true;
    renamed = disk.rename(temporary->path, stored.name);
  }
  if (!renamed) {
    (void)disk.remove(temporary->path);
    return tl::unexpected(renamed.error());
  }
  stored.file = std::move(temporary->file);
  stored.octets = temporary->octets;
  stored.made = stored.made || temporary->made_mailbox;
  return stored;
}

std::vector<base::Result<>> redo_maildir(base::Disk& disk, std::span<const Delivery> deliveries) {
  std::vector<base::Result<>> results;
  if (deliveries.empty()) return results;
  const std::string& path = deliveries.front().path;
  Places places;
  for (const Delivery& delivery : deliveries) places.try_emplace(delivery.uid);
  base::Result<> ready = make_maildir(disk, path);
  if (ready) ready = find_places(disk, path, &places);
  if (!ready) return std::vector<base::Result<>>(deliveries.size(), ready);
  for (const Delivery& delivery : deliveries) {
    results.push_back(redo_one(disk, delivery, places[delivery.uid]));
  }
  for (const char* part : {"/new", "/cur", ""}) {
    if (auto synced = disk.sync_dir(path + part); !synced) {
      return std::vector<base::Result<>>(deliveries.size(), synced);
    }
  }
  return results;
}

base::Result<> remove_maildir(base::Disk& disk, const std::string& path,
                              std::span<const std::string> uids) {
  Places places;
  for (const std::string& uid : uids) places.try_emplace(uid);
  if (auto found = find_places(disk, path, &places); !found) return found;
  // What a crash left there of a message that was deleted before its redo would stay for ever.
  for (const std::string& uid : uids) (void)disk.remove(path + "/tmp/" + uid);
  for (const auto& [uid, names] : places) {
    for (const std::string& name : names) {
      if (auto gone = disk.remove(name); !gone && !is_missing(gone.error())) return gone;
    }
  }
  return {};
}

}  // namespace posthouse::mailbox
