// Checkpoints (see checkpoint.hpp). An error of one file or directory is remembered for the
// deliveries that need it, and the others go on.
#include "mailbox/checkpoint.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "base/log.hpp"
#include "mailbox/paths.hpp"

namespace posthouse::mailbox {
namespace {

constexpr std::size_t kMaxHardened = 8192;

class SystemBulkSync final : public BulkSync {
 public:
  ~SystemBulkSync() override {
    for (const auto& [device, fd] : descriptors_) ::close(fd);
  }

  base::Result<> sync(std::span<const std::string> paths) override {
    const std::lock_guard guard(mutex_);
    std::map<dev_t, int> wanted;
    for (const std::string& path : paths) {
      struct stat info = {};
      if (::stat(path.c_str(), &info) != 0) {
        if (errno == ENOENT) continue;
        return base::fail_errno(errno, "stat", path);
      }
      auto known = descriptors_.find(info.st_dev);
      if (known == descriptors_.end()) {
        // Kept open, so that an error between two calls is reported to the second. One that nobody
        // has seen yet is reported to a descriptor opened later, too.
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0) return base::fail_errno(errno, "open", path);
        known = descriptors_.emplace(info.st_dev, fd).first;
      }
      wanted.insert(*known);
    }
    for (const auto& [device, fd] : wanted) {
      if (::syncfs(fd) != 0) return base::fail_errno(errno, "syncfs", paths.front());
    }
    return {};
  }

 private:
  std::mutex mutex_;
  std::map<dev_t, int> descriptors_;  // guarded by mutex_
};

}  // namespace

std::unique_ptr<BulkSync> make_system_bulk_sync() { return std::make_unique<SystemBulkSync>(); }

void HardenedPaths::add(const std::string& mailbox) {
  if (paths_.size() >= kMaxHardened) paths_.clear();
  paths_.insert(mailbox);
}

std::uint32_t DirtySet::box_index(const std::string& mailbox) {
  const auto [it, added] = box_of_.try_emplace(mailbox, static_cast<std::uint32_t>(boxes_.size()));
  if (added) boxes_.push_back(mailbox);
  return it->second;
}

void DirtySet::add(std::uint64_t token, const std::string& mailbox, Stored stored) {
  Written written;
  written.token = token;
  written.box = box_index(mailbox);
  written.file = static_cast<std::uint32_t>(files_.size());
  octets_ += stored.octets;
  if (stored.made) made_.insert(mailbox);
  if (stored.inode != 0) {
    const auto [it, added] =
        file_of_inode_.try_emplace(std::pair(written.box, stored.inode), written.file);
    // The descriptor opened first sees every error since, so it speaks for the later ones.
    written.file = it->second;
    if (added) files_.push_back(std::move(stored.file));
  } else {
    files_.push_back(std::move(stored.file));
  }
  deliveries_.push_back(written);
}

void DirtySet::add_removal(const std::string& mailbox) { (void)box_index(mailbox); }

Checkpoint::Checkpoint(const CheckpointContext& context, DirtySet dirty,
                       const HardenedPaths& hardened)
    : disk_(context.disk), dirty_(std::move(dirty)), file_synced_(dirty_.files_.size()) {
  for (const std::string& box : dirty_.boxes_) {
    std::vector<std::uint32_t>& needed = box_directories_.emplace_back();
    if (context.format == Format::maildir) {
      // cur/ as well: a reader may have moved the message there, and a crash must not lose both
      // ends.
      needed.push_back(directory_index(box + "/new"));
      needed.push_back(directory_index(box + "/cur"));
    }
    // Somebody may have removed a mailbox that was hardened long ago.
    if (hardened.contains(box) && !dirty_.made_.contains(box)) continue;
    if (context.format == Format::maildir) needed.push_back(directory_index(box));
    for (const std::string& above : directories_above(box, context.root)) {
      needed.push_back(directory_index(above));
    }
  }
  directory_synced_ = std::vector<std::atomic<bool>>(directories_.size());
  directory_missing_ = std::vector<std::atomic<bool>>(directories_.size());
}

std::uint32_t Checkpoint::directory_index(const std::string& path) {
  const auto [it, added] =
      directory_of_.try_emplace(path, static_cast<std::uint32_t>(directories_.size()));
  if (added) directories_.push_back(path);
  return it->second;
}

bool Checkpoint::run_bulk(BulkSync& bulk) noexcept {
  const auto synced = bulk.sync(dirty_.boxes_);
  if (synced) {
    bulk_done_ = true;
    return true;
  }
  base::log_event(base::LogLevel::error, "mailbox", "-", "file system sync failed",
                  {{"error", synced.error().message()}});
  return false;
}

void Checkpoint::run() noexcept {
  const std::size_t files = dirty_.files_.size();
  while (true) {
    const std::size_t i = next_.fetch_add(1, std::memory_order_relaxed);
    if (i >= files + directories_.size()) return;
    const auto synced =
        i < files ? dirty_.files_[i]->sync_data() : disk_.sync_dir(directories_[i - files]);
    // A directory that is gone was removed with its mail by somebody: nothing is left to harden.
    if (synced || (i >= files && is_missing(synced.error()))) {
      (i < files ? file_synced_[i] : directory_synced_[i - files]).store(true);
      if (!synced) directory_missing_[i - files].store(true);
      continue;
    }
    base::log_event(base::LogLevel::error, "mailbox", "-", "sync failed",
                    {{"error", synced.error().message()}});
  }
}

// Nothing was hardened there: when it is made again, the names that lead there must be synced.
bool Checkpoint::box_missing(std::uint32_t box) const {
  if (bulk_done_) return false;
  return std::any_of(box_directories_[box].begin(), box_directories_[box].end(),
                     [this](std::uint32_t i) { return directory_missing_[i].load(); });
}

void Checkpoint::close_files() noexcept { dirty_.files_.clear(); }

bool Checkpoint::box_failed(std::uint32_t box) const {
  if (bulk_done_) return false;
  return std::any_of(box_directories_[box].begin(), box_directories_[box].end(),
                     [this](std::uint32_t i) { return !directory_synced_[i].load(); });
}

std::vector<std::uint64_t> Checkpoint::finish(HardenedPaths& hardened) const {
  std::vector<bool> failed(dirty_.boxes_.size());
  for (std::uint32_t box = 0; box < dirty_.boxes_.size(); ++box) {
    failed[box] = box_failed(box);
    if (!failed[box] && !box_missing(box)) hardened.add(dirty_.boxes_[box]);
  }
  std::vector<std::uint64_t> tokens;
  for (const DirtySet::Written& written : dirty_.deliveries_) {
    const bool file = bulk_done_ || file_synced_[written.file].load();
    if (failed[written.box] || !file) tokens.push_back(written.token);
  }
  return tokens;
}

std::vector<std::string> Checkpoint::failed_mailboxes() const {
  std::vector<std::string> result;
  for (std::uint32_t box = 0; box < dirty_.boxes_.size(); ++box) {
    if (box_failed(box)) result.push_back(dirty_.boxes_[box]);
  }
  return result;
}

}  // namespace posthouse::mailbox
