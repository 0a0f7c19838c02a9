// Owns the memory of waiting recipients. See the header.
#include "queue/lane_store.hpp"

#include "base/assert.hpp"

namespace posthouse::queue {

std::size_t LaneStore::home(const RcptRef& ref) const {
  const std::uint64_t mixed =
      (ref.id.random ^ ref.id.time_us ^ (std::uint64_t{ref.leaf} << 40)) * 0x9e3779b97f4a7c15ULL;
  return static_cast<std::size_t>(mixed >> 32) & (table_.size() - 1);
}

std::uint32_t LaneStore::find(const RcptRef& wanted) const {
  if (table_.empty()) {
    return kNoIndex;
  }
  for (std::size_t at = home(wanted);; at = (at + 1) & (table_.size() - 1)) {
    if (table_[at] == kNoIndex || ref(table_[at]) == wanted) {
      return table_[at];
    }
  }
}

void LaneStore::put(std::uint32_t slot) {
  std::size_t at = home(ref(slot));
  while (table_[at] != kNoIndex) {
    at = (at + 1) & (table_.size() - 1);
  }
  table_[at] = slot;
}

void LaneStore::grow() {
  std::vector<std::uint32_t> old(table_.empty() ? 64 : table_.size() * 2, kNoIndex);
  std::swap(old, table_);
  for (const std::uint32_t slot : old) {
    if (slot != kNoIndex) {
      put(slot);
    }
  }
}

std::uint32_t LaneStore::insert(const RcptRef& ref) {
  PH_ASSERT(find(ref) == kNoIndex, "a recipient waits in one lane");
  if ((size_ + 1) * 4 > table_.size() * 3) {
    grow();
  }
  std::uint32_t slot = free_;
  if (slot != kNoIndex) {
    free_ = (*this)[slot].links.next;
  } else {
    PH_ASSERT(used_ < kNoIndex - 1, "recipients are counted in 32 bits");
    if (used_ % kBlock == 0) {
      blocks_.push_back(std::make_unique<LaneRcpt[]>(kBlock));
    }
    slot = used_++;
  }
  LaneRcpt& rcpt = (*this)[slot];
  rcpt = LaneRcpt();
  rcpt.id = ref.id;
  rcpt.leaf = ref.leaf;
  put(slot);
  ++size_;
  return slot;
}

void LaneStore::erase(std::uint32_t slot) {
  // Knuth 6.4 R: close the gap, so that no search meets a hole before its end.
  const std::size_t mask = table_.size() - 1;
  std::size_t gap = home(ref(slot));
  while (table_[gap] != slot) {
    gap = (gap + 1) & mask;
  }
  for (std::size_t at = (gap + 1) & mask; table_[at] != kNoIndex; at = (at + 1) & mask) {
    const std::size_t from = home(ref(table_[at]));
    if (((at - from) & mask) >= ((at - gap) & mask)) {
      table_[gap] = table_[at];
      gap = at;
    }
  }
  table_[gap] = kNoIndex;
  (*this)[slot] = LaneRcpt();
  (*this)[slot].links.next = free_;
  free_ = slot;
  --size_;
  if (size_ == 0 && used_ > kKept) {
    *this = LaneStore();  // a queue that was long gives its memory back
  }
}

}  // namespace posthouse::queue
