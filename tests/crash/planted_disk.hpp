// A disk with a bug: passes everything on to another disk, but forgets or misplaces one kind of
// operation, as a program would that lacks one line. The crash suite must find each of them; that
// is how we know that it looks. Made by tests, used by one simulated house.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/disk.hpp"

namespace posthouse::crash {

enum class Plant {
  none,
  log_not_flushed,            // no sync of the log segment after a group was written
  log_flushed_before_write,   // the write of a group and its flush are swapped
  log_name_not_synced,        // no sync of queue/ after a segment got its name
  copied_log_not_flushed,     // recovery names the copied segment without having flushed it
  large_not_synced,           // no sync of a large body
  large_name_not_synced,      // no sync of queue/large
  large_synced_after_record,  // the flush of the body and that of its record are swapped
  box_file_not_synced,        // a checkpoint does not sync the files
  box_names_not_synced,       // a checkpoint does not sync the directories
};

struct PlantName {
  Plant plant;
  std::string_view name;
};
inline constexpr std::array<PlantName, 9> kPlants = {{
    {Plant::log_not_flushed, "log_not_flushed"},
    {Plant::log_flushed_before_write, "log_flushed_before_write"},
    {Plant::log_name_not_synced, "log_name_not_synced"},
    {Plant::copied_log_not_flushed, "copied_log_not_flushed"},
    {Plant::large_not_synced, "large_not_synced"},
    {Plant::large_name_not_synced, "large_name_not_synced"},
    {Plant::large_synced_after_record, "large_synced_after_record"},
    {Plant::box_file_not_synced, "box_file_not_synced"},
    {Plant::box_names_not_synced, "box_names_not_synced"},
}};

class PlantedDisk final : public base::Disk {
 public:
  PlantedDisk(base::Disk& disk, Plant plant) : disk_(disk), plant_(plant) {}

  base::Result<std::unique_ptr<base::File>> open(const std::string& path,
                                                 base::OpenMode mode) override;
  base::Result<> rename(const std::string& from, const std::string& to) override {
    return disk_.rename(from, to);
  }
  base::Result<> link(const std::string& from, const std::string& to) override {
    return disk_.link(from, to);
  }
  base::Result<> remove(const std::string& path) override { return disk_.remove(path); }
  base::Result<> make_dir(const std::string& path) override { return disk_.make_dir(path); }
  base::Result<> remove_dir(const std::string& path) override { return disk_.remove_dir(path); }
  base::Result<std::vector<std::string>> list(const std::string& path) override {
    return disk_.list(path);
  }
  base::Result<base::FileInfo> stat(const std::string& path) override { return disk_.stat(path); }
  base::Result<> sync_dir(const std::string& path) override;
  base::Result<std::uint64_t> free_space(const std::string& path) override {
    return disk_.free_space(path);
  }
  base::Result<std::unique_ptr<base::DiskLock>> lock(const std::string& path) override {
    return disk_.lock(path);
  }

 private:
  class PlantedFile;
  base::Result<> sync_late_bodies();

  base::Disk& disk_;
  const Plant plant_;
  std::vector<std::string> late_bodies_;  // large_synced_after_record
};

}  // namespace posthouse::crash
