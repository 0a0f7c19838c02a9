// Cache, pending items, and what a power failure leaves of them. The rules are the comment of
// sim_disk.hpp; every function here runs under Core::mutex.
#include "tests/sim/lib/disk_core.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "base/assert.hpp"

namespace posthouse::sim::disk {

namespace {

using NameKey = std::pair<const Inode*, std::string>;

std::uint64_t whole_sectors(std::uint64_t octets) {
  return (octets + kSectorSize - 1) / kSectorSize * kSectorSize;
}

void set_name(Entries& entries, const NameChange& change) {
  if (change.target) {
    entries[change.name] = change.target;
  } else {
    entries.erase(change.name);
  }
}

void apply_data(Content& content, const Pending& item) {
  if (item.kind == Pending::Kind::resize) {
    content.resize(item.offset);
  } else {
    content.write(item.offset, std::string_view(*item.data).substr(item.begin, item.length));
  }
}

bool touches(const Pending& item, const std::set<NameKey>& keys) {
  return std::any_of(item.changes.begin(), item.changes.end(), [&](const NameChange& change) {
    return keys.count(NameKey(change.dir.get(), change.name)) != 0;
  });
}

void add_keys(const Pending& item, std::set<NameKey>& keys) {
  for (const NameChange& change : item.changes) keys.emplace(change.dir.get(), change.name);
}

// Marks what the marked items need: earlier changes of the same names.
void pull_needs(const std::vector<Pending>& pending, std::vector<bool>& keep) {
  std::set<NameKey> keys;
  for (std::size_t i = pending.size(); i-- > 0;) {
    if (keep[i] || touches(pending[i], keys)) {
      keep[i] = true;
      add_keys(pending[i], keys);
    }
  }
}

// Unmarks what needs an unmarked item: later changes of the same names.
void drop_needers(const std::vector<Pending>& pending, std::vector<bool>& keep) {
  std::set<NameKey> keys;
  for (std::size_t i = 0; i < pending.size(); ++i) {
    if (!keep[i] || touches(pending[i], keys)) {
      keep[i] = false;
      add_keys(pending[i], keys);
    }
  }
}

// Removes the marked items, keeping the order of the rest.
void erase_marked(std::vector<Pending>& pending, const std::vector<bool>& marked) {
  std::size_t to = 0;
  for (std::size_t i = 0; i < pending.size(); ++i) {
    if (marked[i]) continue;
    if (to != i) pending[to] = std::move(pending[i]);
    ++to;
  }
  pending.resize(to);
}

// The names that sync_dir(dir) hardens: those whose new place is in `dir`.
std::vector<bool> names_in(const std::vector<Pending>& pending, const Inode* dir) {
  std::vector<bool> marked(pending.size());
  for (std::size_t i = 0; i < pending.size(); ++i) {
    marked[i] = !pending[i].changes.empty() && pending[i].changes.back().dir.get() == dir;
  }
  return marked;
}

// The durable side with the surviving items on top, and the copy of the tree made from it.
struct Survivors {
  std::map<const Inode*, Content> files;
  std::map<const Inode*, Entries> dirs;
  std::map<const Inode*, InodePtr> copies;
  std::uint64_t next_inode = 1;

  InodePtr copy(const Inode& from) {
    auto inode = std::make_shared<Inode>();
    copies.emplace(&from, inode);
    inode->number = from.number;
    inode->is_dir = from.is_dir;
    inode->mtime_ns = from.mtime_ns;
    inode->links = from.is_dir ? 1 : 0;
    if (!from.is_dir) {
      const auto changed = files.find(&from);
      inode->durable = changed != files.end() ? changed->second : from.durable;
      inode->cache = inode->durable;
      return inode;
    }
    const auto changed = dirs.find(&from);
    for (const auto& [name, child] :
         changed != dirs.end() ? changed->second : from.durable_entries) {
      const auto known = copies.find(child.get());
      if (known != copies.end() && child->is_dir) continue;  // a directory has one place
      const InodePtr made = known != copies.end() ? known->second : copy(*child);
      if (!made->is_dir) ++made->links;
      inode->entries.emplace(name, made);
    }
    inode->durable_entries = inode->entries;
    return inode;
  }
};

std::uint64_t count_tree(Inode& dir, std::set<Inode*>& seen) {
  std::uint64_t total = 0;
  for (const auto& [name, child] : dir.entries) {
    if (!seen.insert(child.get()).second) continue;
    child->opens = 0;
    child->locked = false;
    if (child->is_dir) {
      total += count_tree(*child, seen);
    } else {
      child->charged = whole_sectors(child->cache.size());
      total += child->charged;
    }
  }
  return total;
}

}  // namespace

Core::Core(std::uint64_t seed_value) : seed(seed_value), random(seed_value) {
  root = std::make_shared<Inode>();
  root->number = 1;
  root->is_dir = true;
  root->links = 1;
}

std::pair<InodePtr, std::string> Core::split(std::string_view path) const {
  InodePtr dir = root;
  std::string name;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    if (part.empty()) continue;
    PH_ASSERT(part != "." && part != "..", "the simulated disk takes resolved paths only");
    if (!name.empty()) {
      const auto found = dir->entries.find(name);
      if (found == dir->entries.end() || !found->second->is_dir) return {nullptr, std::string()};
      dir = found->second;
    }
    name = part;
  }
  return {dir, name};
}

InodePtr Core::find(std::string_view path) const {
  const auto [dir, name] = split(path);
  if (!dir || name.empty()) return dir;
  const auto found = dir->entries.find(name);
  return found == dir->entries.end() ? nullptr : found->second;
}

InodePtr Core::make_inode(bool is_dir) {
  auto inode = std::make_shared<Inode>();
  inode->number = next_inode++;
  inode->is_dir = is_dir;
  inode->mtime_ns = now_ns();
  return inode;
}

std::int64_t Core::now_ns() {
  if (clock != nullptr) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(clock->wall().time_since_epoch())
        .count();
  }
  return static_cast<std::int64_t>(operations) * 1'000'000;
}

void Core::recharge(Inode& inode) {
  const std::uint64_t want =
      !inode.is_dir && inode.links + inode.opens > 0 ? whole_sectors(inode.cache.size()) : 0;
  used += want;
  used -= inode.charged;
  inode.charged = want;
}

std::uint64_t Core::reachable_end(const Inode& inode) const {
  const std::uint64_t room = capacity > used ? capacity - used : 0;
  return inode.charged + room / kSectorSize * kSectorSize;
}

void Core::write_file(const InodePtr& inode, std::uint64_t offset, std::string_view data,
                      const std::string& path) {
  if (data.empty()) return;
  inode->cache.write(offset, data);
  inode->mtime_ns = now_ns();
  recharge(*inode);
  // A gap behind the old end is no data: it has no items and reads as zeros.
  const std::uint64_t first = offset / kSectorSize * kSectorSize;
  const std::uint64_t end = std::min(whole_sectors(offset + data.size()), inode->cache.size());
  const auto shared = std::make_shared<const std::string>(inode->cache.text(first, end - first));
  for (std::uint64_t at = first; at < end; at += kSectorSize) {
    Pending item;
    item.kind = Pending::Kind::sector;
    item.file = inode;
    item.offset = at;
    item.data = shared;
    item.begin = static_cast<std::size_t>(at - first);
    item.length = static_cast<std::size_t>(std::min<std::uint64_t>(kSectorSize, end - at));
    item.what = fmt::format("sector {} of {}", at / kSectorSize, path);
    pending.push_back(std::move(item));
  }
}

void Core::resize_file(const InodePtr& inode, std::uint64_t length, const std::string& path) {
  inode->cache.resize(length);
  inode->mtime_ns = now_ns();
  recharge(*inode);
  Pending item;
  item.kind = Pending::Kind::resize;
  item.file = inode;
  item.offset = length;
  item.what = fmt::format("length {} of {}", length, path);
  pending.push_back(std::move(item));
}

void Core::change_names(std::vector<NameChange> changes, std::string what) {
  for (const NameChange& change : changes) {
    const auto old = change.dir->entries.find(change.name);
    InodePtr replaced = old != change.dir->entries.end() ? old->second : nullptr;
    if (change.target) ++change.target->links;
    set_name(change.dir->entries, change);
    change.dir->mtime_ns = now_ns();
    if (replaced) {
      --replaced->links;
      recharge(*replaced);
    }
    if (change.target) recharge(*change.target);
  }
  Pending item;
  item.kind = Pending::Kind::names;
  item.changes = std::move(changes);
  item.what = std::move(what);
  pending.push_back(std::move(item));
}

void Core::harden_file(const InodePtr& inode) {
  std::vector<bool> marked(pending.size());
  for (std::size_t i = 0; i < pending.size(); ++i) {
    if (pending[i].file != inode) continue;
    apply_data(inode->durable, pending[i]);
    marked[i] = true;
  }
  erase_marked(pending, marked);
}

void Core::harden_dir(const InodePtr& dir) {
  std::vector<bool> marked = names_in(pending, dir.get());
  pull_needs(pending, marked);
  for (std::size_t i = 0; i < pending.size(); ++i) {
    if (!marked[i]) continue;
    for (const NameChange& change : pending[i].changes) {
      set_name(change.dir->durable_entries, change);
    }
  }
  erase_marked(pending, marked);
}

void Core::drop_file(const InodePtr& inode) {
  const bool coin = random.below(2) == 1;
  const bool reads_old =
      sync_failure == SyncFailure::reads_old || (sync_failure == SyncFailure::by_seed && coin);
  std::vector<bool> marked(pending.size());
  for (std::size_t i = 0; i < pending.size(); ++i) marked[i] = pending[i].file == inode;
  erase_marked(pending, marked);
  if (reads_old) {
    inode->cache = inode->durable;
    recharge(*inode);
  }
}

void Core::drop_dir(const InodePtr& dir) {
  if (dir_sync_failure == DirSyncFailure::forgets) {
    erase_marked(pending, names_in(pending, dir.get()));
  }
}

InodePtr Core::survivors(const LossPolicy& policy) {
  std::vector<bool> keep = policy.wishes(pending.size());
  if (policy.pulls_needs()) {
    pull_needs(pending, keep);
  } else {
    drop_needers(pending, keep);
  }
  Survivors left;
  for (std::size_t i = 0; i < pending.size(); ++i) {
    if (!keep[i]) continue;
    const Pending& item = pending[i];
    if (item.kind != Pending::Kind::names) {
      apply_data(left.files.try_emplace(item.file.get(), item.file->durable).first->second, item);
      continue;
    }
    for (const NameChange& change : item.changes) {
      Inode* dir = change.dir.get();
      set_name(left.dirs.try_emplace(dir, dir->durable_entries).first->second, change);
    }
  }
  return left.copy(*root);
}

void Core::adopt(InodePtr tree) {
  root = std::move(tree);
  pending.clear();
  forget_process();
}

void Core::forget_process() {
  std::set<Inode*> seen;
  used = count_tree(*root, seen);
  ++generation;
  operations = 0;
  log.clear();
  cut = false;
  cut_at = 0;
  faults.clear();
  fail_from = 0;
  hook = nullptr;
}

}  // namespace posthouse::sim::disk
