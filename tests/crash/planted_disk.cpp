// The planted bugs; see the header. Paths tell which part of the program is at work: work_path is
// /spool in the simulated house.
#include "tests/crash/planted_disk.hpp"

namespace posthouse::crash {
namespace {

constexpr std::string_view kQueue = "/spool/queue";
constexpr std::string_view kLarge = "/spool/queue/large";
constexpr std::string_view kDrop = "/spool/drop";

bool below(const std::string& path, std::string_view directory) {
  return path.size() > directory.size() && path.starts_with(directory) &&
         path[directory.size()] == '/';
}

bool is_large(const std::string& path) { return below(path, kLarge); }
// A segment begun in normal work is opened under the name of the free file that it was.
bool is_log(const std::string& path) {
  return below(path, kQueue) && (path.ends_with(".seg") || path.ends_with(".free"));
}
// A segment while recovery copies into it.
bool is_copied_log(const std::string& path) {
  return below(path, kQueue) && path.ends_with(".seg.tmp");
}
bool is_mailbox(const std::string& path) { return path == kDrop || below(path, kDrop); }

}  // namespace

class PlantedDisk::PlantedFile final : public base::File {
 public:
  PlantedFile(PlantedDisk& disk, std::unique_ptr<base::File> file, std::string path)
      : disk_(disk), file_(std::move(file)), path_(std::move(path)) {}

  using File::write_at;
  base::Result<> write_at(std::uint64_t offset, std::span<const iovec> parts) override {
    // Recovery's file is written under its temporary name and goes on as the active segment.
    if (disk_.plant_ != Plant::log_flushed_before_write || !(is_log(path_) || was_flushed_)) {
      return file_->write_at(offset, parts);
    }
    held_at_ = offset;
    held_.clear();
    for (const iovec& part : parts)
      held_.append(static_cast<const char*>(part.iov_base), part.iov_len);
    return {};
  }
  base::Result<std::size_t> read_at(std::uint64_t offset, std::span<char> out) override {
    return file_->read_at(offset, out);
  }
  base::Result<std::uint64_t> size() override { return file_->size(); }
  base::Result<> truncate(std::uint64_t length) override { return file_->truncate(length); }

  base::Result<> sync_data() override {
    const bool log = is_log(path_) || (is_copied_log(path_) && was_flushed_);
    const bool copying = is_copied_log(path_) && !was_flushed_;
    if (is_copied_log(path_)) was_flushed_ = true;
    switch (disk_.plant_) {
      case Plant::log_not_flushed:
        if (log) return {};
        break;
      case Plant::copied_log_not_flushed:
        if (copying) return {};
        break;
      case Plant::large_not_synced:
        if (is_large(path_)) return {};
        break;
      case Plant::box_file_not_synced:
        if (is_mailbox(path_)) return {};
        break;
      case Plant::large_synced_after_record:
        if (is_large(path_)) {
          disk_.late_bodies_.push_back(path_);
          return {};
        }
        if (log) return sync_then_bodies();
        break;
      case Plant::log_flushed_before_write:
        if (log) return sync_then_write();
        break;
      case Plant::none:
      case Plant::log_name_not_synced:
      case Plant::large_name_not_synced:
      case Plant::box_names_not_synced:
        break;
    }
    return file_->sync_data();
  }

 private:
  base::Result<> sync_then_write() {
    auto result = file_->sync_data();
    if (result && !held_.empty()) result = file_->write_at(held_at_, held_);
    held_.clear();
    return result;
  }
  base::Result<> sync_then_bodies() {
    auto result = file_->sync_data();
    if (result) result = disk_.sync_late_bodies();
    return result;
  }

  PlantedDisk& disk_;
  std::unique_ptr<base::File> file_;
  const std::string path_;
  bool was_flushed_ = false;  // recovery's copy is complete
  std::string held_;
  std::uint64_t held_at_ = 0;
};

base::Result<std::unique_ptr<base::File>> PlantedDisk::open(const std::string& path,
                                                            base::OpenMode mode) {
  auto file = disk_.open(path, mode);
  if (!file || plant_ == Plant::none) return file;
  return std::make_unique<PlantedFile>(*this, *std::move(file), path);
}

base::Result<> PlantedDisk::sync_dir(const std::string& path) {
  if (plant_ == Plant::log_name_not_synced && path == kQueue) return {};
  if (plant_ == Plant::large_name_not_synced && path == kLarge) return {};
  if (plant_ == Plant::box_names_not_synced && is_mailbox(path)) return {};
  return disk_.sync_dir(path);
}

base::Result<> PlantedDisk::sync_late_bodies() {
  const std::vector<std::string> paths = std::exchange(late_bodies_, {});
  for (const std::string& path : paths) {
    auto file = disk_.open(path, base::OpenMode::read_write);
    if (!file) continue;  // removed meanwhile
    if (auto synced = (*file)->sync_data(); !synced) return synced;
  }
  return {};
}

}  // namespace posthouse::crash
