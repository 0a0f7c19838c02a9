// The store of mailboxes (see store.hpp).
#include "mailbox/store.hpp"

#include "mailbox/paths.hpp"

namespace posthouse::mailbox {
namespace {
constexpr std::size_t kMaxSizes = 65536;
}

std::optional<std::uint64_t> SizeCache::find(const std::string& key) {
  const std::lock_guard guard(mutex_);
  const auto it = sizes_.find(key);
  if (it == sizes_.end()) return std::nullopt;
  return it->second;
}

void SizeCache::add(const std::string& key, std::uint64_t size) {
  const std::lock_guard guard(mutex_);
  if (sizes_.size() >= kMaxSizes) sizes_.clear();
  sizes_.insert_or_assign(key, size);
}

Store::Store(base::Disk& disk, FileLocks& file_locks, StoreOptions options)
    : disk_(disk),
      options_(std::move(options)),
      mbox_locks_(disk, file_locks, options_.lock_wait),
      mbox_(disk, mbox_locks_) {}

std::string Store::path_of(const std::string& box) const {
  return box.starts_with('/') ? box : options_.root + "/" + box;
}

base::Result<Stored> Store::deliver(const Delivery& delivery) {
  return options_.format == Format::maildir ? deliver_maildir(disk_, delivery)
                                            : mbox_.deliver(delivery);
}

std::vector<base::Result<>> Store::redo(std::span<const Delivery> deliveries) {
  return options_.format == Format::maildir ? redo_maildir(disk_, deliveries)
                                            : mbox_.redo(deliveries);
}

base::Result<> Store::remove(const std::string& path, std::span<const std::string> uids) {
  return options_.format == Format::maildir ? remove_maildir(disk_, path, uids)
                                            : mbox_.remove(path, uids);
}

base::Result<> Store::sync_above(const std::string& path) {
  for (const std::string& directory : directories_above(path, options_.root)) {
    if (auto synced = disk_.sync_dir(directory); !synced) return synced;
  }
  return {};
}

base::Result<> Store::sync_now(const std::string& path, base::File& file) {
  if (auto synced = file.sync_data(); !synced) return synced;
  if (options_.format == Format::maildir) {
    for (const char* part : {"/new", "/cur", ""}) {
      const auto synced = disk_.sync_dir(path + part);
      // A reader may have taken the mail and its mailbox.
      if (!synced && !is_missing(synced.error())) return synced;
    }
  }
  return {};
}

}  // namespace posthouse::mailbox
