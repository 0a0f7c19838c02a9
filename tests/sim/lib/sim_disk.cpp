// The disk port on top of disk::Core: numbering, faults, and the rules of each call. Any thread.
#include "tests/sim/lib/sim_disk.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tests/sim/lib/disk_core.hpp"

namespace posthouse::sim {

namespace {

using base::fail_errno;
using base::Result;
using disk::Core;
using disk::Inode;
using disk::InodePtr;
using disk::NameChange;
using Lock = std::lock_guard<std::mutex>;

DiskOp make_op(std::string_view name, const std::string& path, const std::string& other = {}) {
  DiskOp op;
  op.name = name;
  op.path = path;
  op.other = other;
  return op;
}

DiskFault refusal(int error) {
  DiskFault fault;
  fault.error = error;
  fault.short_by = 0;
  return fault;
}

void cut_power(Core& core) {
  core.cut = true;
  if (core.on_cut) core.on_cut();
}

DiskFault planned_fault(Core& core, const DiskOp& op) {
  if (core.hook) {
    const DiskFault fault = core.hook(op);
    if (fault.error != 0) return fault;
  }
  if (op.number == 0) return {};
  const auto planned = core.faults.find(op.number);
  if (planned != core.faults.end()) return planned->second;
  DiskFault fault;
  if (core.fail_from != 0 && op.number >= core.fail_from) fault.error = core.fail_from_errno;
  return fault;
}

// Every call passes here first. error 0: go ahead.
DiskFault enter_read(Core& core, const DiskOp& op) {
  if (core.cut) return refusal(EIO);
  if (core.observer) core.observer(op);
  return planned_fault(core, op);
}

DiskFault enter_counted(Core& core, DiskOp& op) {
  if (core.cut) return refusal(EIO);
  if (core.cut_at != 0 && core.operations + 1 >= core.cut_at) {
    cut_power(core);
    return refusal(EIO);
  }
  op.number = ++core.operations;
  core.log.push_back(op.text());
  if (core.observer) core.observer(op);
  return planned_fault(core, op);
}

auto failed(const DiskOp& op, int error) { return fail_errno(error, op.name, op.path); }

class SimFile final : public base::File {
 public:
  SimFile(std::shared_ptr<Core> core, InodePtr inode, std::string path, bool writable)
      : core_(std::move(core)),
        inode_(std::move(inode)),
        path_(std::move(path)),
        generation_(core_->generation),
        writable_(writable) {
    ++inode_->opens;
  }
  ~SimFile() override {
    const Lock lock(core_->mutex);
    if (generation_ != core_->generation) return;
    --inode_->opens;
    core_->recharge(*inode_);
  }
  SimFile(const SimFile&) = delete;
  SimFile& operator=(const SimFile&) = delete;

  using File::write_at;
  Result<> write_at(std::uint64_t offset, std::span<const iovec> parts) override;
  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> out) override;
  Result<> sync_data() override;
  Result<std::uint64_t> size() override;
  Result<> truncate(std::uint64_t length) override;

 private:
  [[nodiscard]] bool dead() const { return generation_ != core_->generation; }

  std::shared_ptr<Core> core_;
  InodePtr inode_;
  std::string path_;
  std::uint64_t generation_;
  bool writable_;
};

Result<> SimFile::write_at(std::uint64_t offset, std::span<const iovec> parts) {
  std::string data;
  for (const iovec& part : parts)
    data.append(static_cast<const char*>(part.iov_base), part.iov_len);
  const Lock lock(core_->mutex);
  DiskOp op = make_op("write", path_);
  op.offset = offset;
  op.octets = data.size();
  if (dead()) return failed(op, EIO);
  if (!writable_) return failed(op, EBADF);
  DiskFault fault = enter_counted(*core_, op);
  std::uint64_t take = data.size();
  if (fault.error != 0) {
    take = fault.short_by >= 0 ? static_cast<std::uint64_t>(fault.short_by)
                               : core_->random.below(data.size() + 1);
    take = std::min<std::uint64_t>(take, data.size());
  }
  const std::uint64_t end = core_->reachable_end(*inode_);
  if (take > 0 && offset + take > end) {
    if (fault.error == 0) fault.error = ENOSPC;
    take = end > offset ? end - offset : 0;
  }
  core_->write_file(inode_, offset, std::string_view(data).substr(0, take), path_);
  if (fault.error != 0) return failed(op, fault.error);
  return {};
}

Result<std::size_t> SimFile::read_at(std::uint64_t offset, std::span<char> out) {
  const Lock lock(core_->mutex);
  DiskOp op = make_op("read", path_);
  op.offset = offset;
  op.octets = out.size();
  if (dead()) return failed(op, EIO);
  if (const DiskFault fault = enter_read(*core_, op); fault.error != 0) {
    return failed(op, fault.error);
  }
  return inode_->cache.read(offset, out);
}

Result<> SimFile::sync_data() {
  const Lock lock(core_->mutex);
  DiskOp op = make_op("sync_data", path_);
  if (dead()) return failed(op, EIO);
  const DiskFault fault = enter_counted(*core_, op);
  if (fault.error == 0) {
    core_->harden_file(inode_);
    return {};
  }
  // A cut is no failed sync: what was pending may still reach the platter.
  if (!core_->cut) core_->drop_file(inode_);
  return failed(op, fault.error);
}

Result<std::uint64_t> SimFile::size() {
  const Lock lock(core_->mutex);
  const DiskOp op = make_op("size", path_);
  if (dead()) return failed(op, EIO);
  if (const DiskFault fault = enter_read(*core_, op); fault.error != 0) {
    return failed(op, fault.error);
  }
  return inode_->cache.size();
}

Result<> SimFile::truncate(std::uint64_t length) {
  const Lock lock(core_->mutex);
  DiskOp op = make_op("truncate", path_);
  op.octets = length;
  if (dead()) return failed(op, EIO);
  if (!writable_) return failed(op, EINVAL);
  const DiskFault fault = enter_counted(*core_, op);
  if (fault.error != 0) return failed(op, fault.error);
  if (length > inode_->cache.size() && length > core_->reachable_end(*inode_)) {
    return failed(op, ENOSPC);
  }
  core_->resize_file(inode_, length, path_);
  return {};
}

class SimLock final : public base::DiskLock {
 public:
  SimLock(std::shared_ptr<Core> core, InodePtr inode)
      : core_(std::move(core)), inode_(std::move(inode)), generation_(core_->generation) {
    inode_->locked = true;
  }
  ~SimLock() override {
    const Lock lock(core_->mutex);
    if (generation_ == core_->generation) inode_->locked = false;
  }
  SimLock(const SimLock&) = delete;
  SimLock& operator=(const SimLock&) = delete;

 private:
  std::shared_ptr<Core> core_;
  InodePtr inode_;
  std::uint64_t generation_;
};

bool full(const Core& core) { return core.used + kSectorSize > core.capacity; }

// A new file or directory under `name`; the caller has checked that the name is free.
InodePtr add_name(Core& core, const InodePtr& dir, const std::string& name, const DiskOp& op) {
  const bool is_dir = op.name == "make_dir";
  InodePtr inode = core.make_inode(is_dir);
  std::vector<NameChange> changes(1, NameChange{dir, name, inode});
  core.change_names(std::move(changes), op.text());
  return inode;
}

bool below(const InodePtr& dir, const Inode* wanted) {
  if (dir.get() == wanted) return true;
  return std::any_of(dir->entries.begin(), dir->entries.end(), [&](const auto& entry) {
    return entry.second->is_dir && below(entry.second, wanted);
  });
}

}  // namespace

std::string DiskOp::text() const {
  if (name == "write" || name == "read") {
    return fmt::format("{} {} @{}+{}", name, path, offset, octets);
  }
  if (name == "truncate") return fmt::format("truncate {} {}", path, octets);
  if (!other.empty()) return fmt::format("{} {} -> {}", name, path, other);
  return fmt::format("{} {}", name, path);
}

Result<std::unique_ptr<base::File>> SimDisk::open(const std::string& path, base::OpenMode mode) {
  const bool creates = mode == base::OpenMode::create || mode == base::OpenMode::create_new;
  const Lock lock(core_->mutex);
  DiskOp op = make_op(creates ? "create" : "open", path);
  const DiskFault fault = creates ? enter_counted(*core_, op) : enter_read(*core_, op);
  if (fault.error != 0) return failed(op, fault.error);
  const auto [dir, name] = core_->split(path);
  if (!dir) return failed(op, ENOENT);
  InodePtr inode = core_->find(path);
  if (inode && inode->is_dir) return failed(op, EISDIR);
  if (inode && mode == base::OpenMode::create_new) return failed(op, EEXIST);
  if (!inode) {
    if (!creates) return failed(op, ENOENT);
    if (full(*core_)) return failed(op, ENOSPC);
    inode = add_name(*core_, dir, name, op);
  }
  return std::make_unique<SimFile>(core_, inode, path, mode != base::OpenMode::read);
}

Result<> SimDisk::rename(const std::string& from, const std::string& to) {
  const Lock lock(core_->mutex);
  DiskOp op = make_op("rename", from, to);
  const DiskFault fault = enter_counted(*core_, op);
  if (fault.error != 0) return failed(op, fault.error);
  const auto [from_dir, from_name] = core_->split(from);
  const auto [to_dir, to_name] = core_->split(to);
  if (!from_dir || !to_dir) return failed(op, ENOENT);
  if (from_name.empty() || to_name.empty()) return failed(op, EBUSY);
  const InodePtr inode = core_->find(from);
  if (!inode) return failed(op, ENOENT);
  const InodePtr target = core_->find(to);
  if (target == inode) return {};  // rename(2): two names of one file stay
  if (target && target->is_dir && !inode->is_dir) return failed(op, EISDIR);
  if (target && !target->is_dir && inode->is_dir) return failed(op, ENOTDIR);
  if (target && target->is_dir && !target->entries.empty()) return failed(op, ENOTEMPTY);
  if (inode->is_dir && below(inode, to_dir.get())) return failed(op, EINVAL);
  std::vector<NameChange> changes;
  changes.push_back(NameChange{from_dir, from_name, nullptr});
  changes.push_back(NameChange{to_dir, to_name, inode});
  core_->change_names(std::move(changes), op.text());
  return {};
}

Result<> SimDisk::link(const std::string& from, const std::string& to) {
  const Lock lock(core_->mutex);
  DiskOp op = make_op("link", from, to);
  const DiskFault fault = enter_counted(*core_, op);
  if (fault.error != 0) return failed(op, fault.error);
  const InodePtr inode = core_->find(from);
  const auto [dir, name] = core_->split(to);
  if (!inode || !dir) return failed(op, ENOENT);
  if (inode->is_dir) return failed(op, EPERM);
  if (name.empty() || core_->find(to)) return failed(op, EEXIST);
  std::vector<NameChange> changes(1, NameChange{dir, name, inode});
  core_->change_names(std::move(changes), op.text());
  return {};
}

Result<> SimDisk::remove(const std::string& path) {
  const Lock lock(core_->mutex);
  DiskOp op = make_op("remove", path);
  const DiskFault fault = enter_counted(*core_, op);
  if (fault.error != 0) return failed(op, fault.error);
  const InodePtr inode = core_->find(path);
  if (!inode) return failed(op, ENOENT);
  if (inode->is_dir) return failed(op, EISDIR);
  const auto [dir, name] = core_->split(path);
  std::vector<NameChange> changes(1, NameChange{dir, name, nullptr});
  core_->change_names(std::move(changes), op.text());
  return {};
}

Result<> SimDisk::make_dir(const std::string& path) {
  const Lock lock(core_->mutex);
  DiskOp op = make_op("make_dir", path);
  const DiskFault fault = enter_counted(*core_, op);
  if (fault.error != 0) return failed(op, fault.error);
  if (const InodePtr there = core_->find(path)) {
    if (there->is_dir) return {};
    return failed(op, EEXIST);
  }
  const auto [dir, name] = core_->split(path);
  if (!dir) return failed(op, ENOENT);
  if (full(*core_)) return failed(op, ENOSPC);
  add_name(*core_, dir, name, op);
  return {};
}

Result<> SimDisk::remove_dir(const std::string& path) {
  const Lock lock(core_->mutex);
  DiskOp op = make_op("remove_dir", path);
  const DiskFault fault = enter_counted(*core_, op);
  if (fault.error != 0) return failed(op, fault.error);
  const InodePtr inode = core_->find(path);
  if (!inode) return failed(op, ENOENT);
  if (!inode->is_dir) return failed(op, ENOTDIR);
  if (inode == core_->root) return failed(op, EBUSY);
  if (!inode->entries.empty()) return failed(op, ENOTEMPTY);
  const auto [dir, name] = core_->split(path);
  std::vector<NameChange> changes(1, NameChange{dir, name, nullptr});
  core_->change_names(std::move(changes), op.text());
  return {};
}

Result<std::vector<std::string>> SimDisk::list(const std::string& path) {
  const Lock lock(core_->mutex);
  const DiskOp op = make_op("list", path);
  const DiskFault fault = enter_read(*core_, op);
  if (fault.error != 0) return failed(op, fault.error);
  const InodePtr inode = core_->find(path);
  if (!inode) return failed(op, ENOENT);
  if (!inode->is_dir) return failed(op, ENOTDIR);
  std::vector<std::string> names;
  names.reserve(inode->entries.size());
  for (const auto& [name, child] : inode->entries) names.push_back(name);
  for (std::size_t i = names.size(); i > 1; --i)
    std::swap(names[i - 1], names[core_->random.below(i)]);
  return names;
}

Result<base::FileInfo> SimDisk::stat(const std::string& path) {
  const Lock lock(core_->mutex);
  const DiskOp op = make_op("stat", path);
  const DiskFault fault = enter_read(*core_, op);
  if (fault.error != 0) return failed(op, fault.error);
  const InodePtr inode = core_->find(path);
  if (!inode) return failed(op, ENOENT);
  base::FileInfo info;
  info.size = inode->is_dir ? 0 : inode->cache.size();
  info.mtime_ns = inode->mtime_ns;
  info.inode = inode->number;
  info.links = inode->links;
  info.is_dir = inode->is_dir;
  info.is_regular = !inode->is_dir;
  return info;
}

Result<> SimDisk::sync_dir(const std::string& path) {
  const Lock lock(core_->mutex);
  DiskOp op = make_op("sync_dir", path);
  const DiskFault fault = enter_counted(*core_, op);
  const InodePtr inode = core_->find(path);
  if (fault.error != 0) {
    if (inode && !core_->cut) core_->drop_dir(inode);
    return failed(op, fault.error);
  }
  if (!inode) return failed(op, ENOENT);
  if (!inode->is_dir) return failed(op, ENOTDIR);
  core_->harden_dir(inode);
  return {};
}

Result<std::uint64_t> SimDisk::free_space(const std::string& path) {
  const Lock lock(core_->mutex);
  const DiskOp op = make_op("free_space", path);
  const DiskFault fault = enter_read(*core_, op);
  if (fault.error != 0) return failed(op, fault.error);
  if (!core_->find(path)) return failed(op, ENOENT);
  return core_->capacity > core_->used ? core_->capacity - core_->used : 0;
}

Result<std::unique_ptr<base::DiskLock>> SimDisk::lock(const std::string& path) {
  const Lock guard(core_->mutex);
  DiskOp op = make_op("lock", path);
  const DiskFault fault = enter_counted(*core_, op);
  if (fault.error != 0) return failed(op, fault.error);
  const auto [dir, name] = core_->split(path);
  if (!dir) return failed(op, ENOENT);
  InodePtr inode = core_->find(path);
  if (inode && inode->is_dir) return failed(op, EISDIR);
  if (inode && inode->locked) return failed(op, EWOULDBLOCK);
  if (!inode) {
    if (full(*core_)) return failed(op, ENOSPC);
    inode = add_name(*core_, dir, name, op);
  }
  return std::make_unique<SimLock>(core_, inode);
}

}  // namespace posthouse::sim
