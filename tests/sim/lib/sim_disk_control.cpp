// What tests do to the simulated disk: faults, cuts, crashes, damage. Called between or inside
// operations, under the same lock.
#include <cerrno>

#include "tests/sim/lib/disk_core.hpp"
#include "tests/sim/lib/sim_disk.hpp"

namespace posthouse::sim {

using disk::Core;
using Lock = std::lock_guard<std::mutex>;

SimDisk::SimDisk(std::uint64_t seed) : core_(std::make_shared<Core>(seed)) {}
SimDisk::SimDisk(std::shared_ptr<Core> core) : core_(std::move(core)) {}
SimDisk::~SimDisk() = default;

std::uint64_t SimDisk::operations() const {
  const Lock lock(core_->mutex);
  return core_->operations;
}

std::vector<std::string> SimDisk::log() const {
  const Lock lock(core_->mutex);
  return core_->log;
}

void SimDisk::fail_at(std::uint64_t n, int error) {
  const Lock lock(core_->mutex);
  DiskFault fault;
  fault.error = error;
  core_->faults[n] = fault;
}

void SimDisk::fail_from(std::uint64_t n, int error) {
  const Lock lock(core_->mutex);
  core_->fail_from = n;
  core_->fail_from_errno = error;
}

void SimDisk::short_write_at(std::uint64_t n, std::uint64_t octets, int error) {
  const Lock lock(core_->mutex);
  DiskFault fault;
  fault.error = error;
  fault.short_by = static_cast<std::int64_t>(octets);
  core_->faults[n] = fault;
}

void SimDisk::set_fault_hook(FaultHook hook) {
  const Lock lock(core_->mutex);
  core_->hook = std::move(hook);
}

void SimDisk::set_sync_failure(SyncFailure model) {
  const Lock lock(core_->mutex);
  core_->sync_failure = model;
}

void SimDisk::set_dir_sync_failure(DirSyncFailure model) {
  const Lock lock(core_->mutex);
  core_->dir_sync_failure = model;
}

void SimDisk::clear_faults() {
  const Lock lock(core_->mutex);
  core_->faults.clear();
  core_->fail_from = 0;
  core_->hook = nullptr;
}

void SimDisk::cut_at(std::uint64_t n) {
  const Lock lock(core_->mutex);
  core_->cut_at = n;
}

void SimDisk::cut_now() {
  std::function<void()> action;
  {
    const Lock lock(core_->mutex);
    if (core_->cut) return;
    core_->cut = true;
    action = core_->on_cut;
  }
  // Outside of any operation a killed process is buried at once, and its files close.
  if (action) action();
}

bool SimDisk::cut() const {
  const Lock lock(core_->mutex);
  return core_->cut;
}

void SimDisk::on_cut(std::function<void()> action) {
  const Lock lock(core_->mutex);
  core_->on_cut = std::move(action);
}

void SimDisk::set_capacity(std::uint64_t octets) {
  const Lock lock(core_->mutex);
  core_->capacity = octets;
}

std::size_t SimDisk::pending_items() const {
  const Lock lock(core_->mutex);
  return core_->pending.size();
}

std::vector<std::string> SimDisk::describe_pending() const {
  const Lock lock(core_->mutex);
  std::vector<std::string> out;
  for (const disk::Pending& item : core_->pending) out.push_back(item.what);
  return out;
}

std::unique_ptr<SimDisk> SimDisk::after_crash(const LossPolicy& policy) const {
  const Lock lock(core_->mutex);
  auto core = std::make_shared<Core>(core_->seed);
  core->next_inode = core_->next_inode;
  core->capacity = core_->capacity;
  core->clock = core_->clock;
  core->sync_failure = core_->sync_failure;
  core->dir_sync_failure = core_->dir_sync_failure;
  core->adopt(core_->survivors(policy));
  return std::unique_ptr<SimDisk>(new SimDisk(std::move(core)));
}

void SimDisk::crash(const LossPolicy& policy) {
  const Lock lock(core_->mutex);
  core_->adopt(core_->survivors(policy));
}

void SimDisk::kill() {
  const Lock lock(core_->mutex);
  core_->forget_process();
}

bool SimDisk::flip_bit(const std::string& path, std::uint64_t offset, unsigned bit) {
  const Lock lock(core_->mutex);
  const disk::InodePtr inode = core_->find(path);
  if (!inode || inode->is_dir) return false;
  bool found = false;
  for (Content* side : {&inode->cache, &inode->durable}) {
    std::string octet = side->text(offset, 1);
    if (octet.empty()) continue;
    octet[0] = static_cast<char>(static_cast<unsigned char>(octet[0]) ^ (1U << (bit % 8U)));
    side->write(offset, octet);
    found = true;
  }
  return found;
}

void SimDisk::set_clock(const base::Clock* clock) {
  const Lock lock(core_->mutex);
  core_->clock = clock;
}

void SimDisk::set_observer(std::function<void(const DiskOp&)> observer) {
  const Lock lock(core_->mutex);
  core_->observer = std::move(observer);
}

}  // namespace posthouse::sim
