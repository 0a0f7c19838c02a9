// The real disk with faults: a write that stops short, a sync that fails. For tests on one thread.
#pragma once

#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/disk.hpp"

namespace posthouse::mailbox {

class FaultDisk final : public base::Disk {
 public:
  // After `octets` more octets every write fails with `error`, leaving what fits.
  void fail_write_after(std::uint64_t octets, int error) {
    room_ = octets;
    write_error_ = error;
  }
  // sync_data and sync_dir of paths that contain `part` fail with EIO.
  void fail_sync_of(std::string part) { sync_part_ = std::move(part); }
  void heal() {
    room_.reset();
    sync_part_.clear();
  }
  [[nodiscard]] const std::map<std::string, int>& calls() const { return calls_; }
  [[nodiscard]] const std::vector<std::string>& synced() const { return synced_; }

  base::Result<std::unique_ptr<base::File>> open(const std::string& path,
                                                 base::OpenMode mode) override {
    ++calls_["open"];
    auto file = real_.open(path, mode);
    if (!file) return file;
    return std::make_unique<FaultFile>(*this, std::move(*file), path);
  }
  base::Result<> rename(const std::string& from, const std::string& to) override {
    ++calls_["rename"];
    return real_.rename(from, to);
  }
  base::Result<> link(const std::string& from, const std::string& to) override {
    return real_.link(from, to);
  }
  base::Result<> remove(const std::string& path) override {
    ++calls_["remove"];
    return real_.remove(path);
  }
  base::Result<> make_dir(const std::string& path) override {
    ++calls_["make_dir"];
    return real_.make_dir(path);
  }
  base::Result<> remove_dir(const std::string& path) override { return real_.remove_dir(path); }
  base::Result<std::vector<std::string>> list(const std::string& path) override {
    ++calls_["list"];
    return real_.list(path);
  }
  base::Result<base::FileInfo> stat(const std::string& path) override {
    ++calls_["stat"];
    return real_.stat(path);
  }
  base::Result<> sync_dir(const std::string& path) override {
    if (auto failed = sync(path); !failed) return failed;
    return real_.sync_dir(path);
  }
  base::Result<std::uint64_t> free_space(const std::string& path) override {
    return real_.free_space(path);
  }
  base::Result<std::unique_ptr<base::DiskLock>> lock(const std::string& path) override {
    return real_.lock(path);
  }

 private:
  class FaultFile final : public base::File {
   public:
    FaultFile(FaultDisk& disk, std::unique_ptr<base::File> file, std::string path)
        : disk_(disk), file_(std::move(file)), path_(std::move(path)) {}
    base::Result<> write_at(std::uint64_t offset, std::span<const iovec> parts) override {
      std::string all;
      for (const iovec& part : parts) all.append(static_cast<char*>(part.iov_base), part.iov_len);
      if (!disk_.room_) return file_->File::write_at(offset, all);
      const std::size_t fits =
          static_cast<std::size_t>(std::min<std::uint64_t>(*disk_.room_, all.size()));
      *disk_.room_ -= fits;
      (void)file_->File::write_at(offset, std::string_view(all).substr(0, fits));
      if (fits == all.size()) return {};
      return base::fail_errno(disk_.write_error_, "write", path_);
    }
    base::Result<std::size_t> read_at(std::uint64_t offset, std::span<char> out) override {
      ++disk_.calls_["read"];
      return file_->read_at(offset, out);
    }
    base::Result<> sync_data() override {
      if (auto failed = disk_.sync(path_); !failed) return failed;
      return file_->sync_data();
    }
    base::Result<std::uint64_t> size() override { return file_->size(); }
    base::Result<> truncate(std::uint64_t length) override { return file_->truncate(length); }

   private:
    FaultDisk& disk_;
    std::unique_ptr<base::File> file_;
    std::string path_;
  };

  base::Result<> sync(const std::string& path) {
    ++calls_["sync"];
    if (!sync_part_.empty() && path.find(sync_part_) != std::string::npos) {
      return base::fail_errno(EIO, "sync", path);
    }
    synced_.push_back(path);
    return {};
  }

  base::Disk& real_ = base::system_disk();
  std::optional<std::uint64_t> room_;
  int write_error_ = 0;
  std::string sync_part_;
  std::map<std::string, int> calls_;
  std::vector<std::string> synced_;
};

}  // namespace posthouse::mailbox
