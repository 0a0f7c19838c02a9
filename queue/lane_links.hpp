// Two containers of small numbers for the lanes, whose links live in the objects that the numbers
// name: a list and a binary heap, both with removal from the middle. A number costs no allocation
// of its own. The caller says how to reach the links of a number (`at`). One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/assert.hpp"

namespace posthouse::queue {

inline constexpr std::uint32_t kNoIndex = 0xffffffff;

// In a list: the neighbours. In a heap or a bag: `prev` is the place in its vector.
struct Links {
  std::uint32_t prev = kNoIndex;
  std::uint32_t next = kNoIndex;
};

class IndexList {
 public:
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] std::uint32_t size() const { return count_; }
  [[nodiscard]] std::uint32_t front() const { return head_; }

  template <class At>
  void push_back(std::uint32_t index, At&& at) {
    at(index) = {tail_, kNoIndex};
    (tail_ == kNoIndex ? head_ : at(tail_).next) = index;
    tail_ = index;
    ++count_;
  }
  template <class At>
  void push_front(std::uint32_t index, At&& at) {
    at(index) = {kNoIndex, head_};
    (head_ == kNoIndex ? tail_ : at(head_).prev) = index;
    head_ = index;
    ++count_;
  }
  template <class At>
  void remove(std::uint32_t index, At&& at) {
    const Links links = at(index);
    (links.prev == kNoIndex ? head_ : at(links.prev).next) = links.next;
    (links.next == kNoIndex ? tail_ : at(links.next).prev) = links.prev;
    at(index) = {};
    --count_;
  }
  // Before `next`, which is a member, or at the end for kNoIndex.
  template <class At>
  void insert(std::uint32_t index, std::uint32_t next, At&& at) {
    if (next == kNoIndex) {
      push_back(index, at);
    } else if (next == head_) {
      push_front(index, at);
    } else {
      const std::uint32_t prev = at(next).prev;
      at(index) = {prev, next};
      at(prev).next = index;
      at(next).prev = index;
      ++count_;
    }
  }

 private:
  std::uint32_t head_ = kNoIndex;
  std::uint32_t tail_ = kNoIndex;
  std::uint32_t count_ = 0;
};

// `before(a, b)`: a strict order; front() is before all others.
class IndexHeap {
 public:
  [[nodiscard]] bool empty() const { return items_.empty(); }
  [[nodiscard]] std::size_t size() const { return items_.size(); }
  [[nodiscard]] std::uint32_t front() const { return items_.front(); }
  [[nodiscard]] bool contains(std::uint32_t index, std::uint32_t place) const {
    return place < items_.size() && items_[place] == index;
  }
  // Hands over the members in no particular order, each at the place its links name.
  [[nodiscard]] std::vector<std::uint32_t> release() { return std::exchange(items_, {}); }

  template <class Before, class At>
  void push(std::uint32_t index, Before&& before, At&& at) {
    items_.push_back(index);
    up(items_.size() - 1, before, at);
  }
  template <class Before, class At>
  void remove(std::uint32_t index, Before&& before, At&& at) {
    const std::size_t place = at(index).prev;
    PH_ASSERT(contains(index, at(index).prev), "a member of the heap knows its place");
    at(index) = {};
    const std::uint32_t last = items_.back();
    items_.pop_back();
    if (last != index) {
      items_[place] = last;
      down(place, before, at);
      up(at(last).prev, before, at);
    }
    if (items_.empty()) {
      items_ = {};  // gives the memory back
    }
  }

 private:
  template <class Before, class At>
  void up(std::size_t place, Before&& before, At&& at) {
    const std::uint32_t index = items_[place];
    while (place > 0 && before(index, items_[(place - 1) / 2])) {
      items_[place] = items_[(place - 1) / 2];
      at(items_[place]).prev = static_cast<std::uint32_t>(place);
      place = (place - 1) / 2;
    }
    items_[place] = index;
    at(index).prev = static_cast<std::uint32_t>(place);
  }
  template <class Before, class At>
  void down(std::size_t place, Before&& before, At&& at) {
    const std::uint32_t index = items_[place];
    for (;;) {
      std::size_t child = 2 * place + 1;
      if (child >= items_.size()) {
        break;
      }
      if (child + 1 < items_.size() && before(items_[child + 1], items_[child])) {
        ++child;
      }
      if (!before(items_[child], index)) {
        break;
      }
      items_[place] = items_[child];
      at(items_[place]).prev = static_cast<std::uint32_t>(place);
      place = child;
    }
    items_[place] = index;
    at(index).prev = static_cast<std::uint32_t>(place);
  }

  std::vector<std::uint32_t> items_;
};

}  // namespace posthouse::queue
