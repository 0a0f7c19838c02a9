// The recipients that wait in lanes, packed: 48 octets each, in blocks that never move, and a table
// that finds one by its reference. Owned by Lanes; one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "queue/lane_links.hpp"

namespace posthouse::queue {

// A recipient of a message: the leaf's number.
struct RcptRef {
  base::MessageId id;
  std::uint32_t leaf = 0;
  auto operator<=>(const RcptRef&) const = default;
};

// Where a recipient is. All but `active` and `held` are containers of its lane.
enum class RcptPlace : std::uint8_t {
  none,     // not in use
  ready,    // due: new mail, or what its lane failed for, or what was offered and not tried
  kicked,   // made due by kick()
  waiting,  // for its own next try; may be due by now
  active,   // offered in an attempt
  held,     // by hold()
};

struct LaneRcpt {
  base::MessageId id;
  base::MonoTime due;  // its own next try
  std::uint32_t leaf = 0;
  std::uint32_t lane = kNoIndex;
  Links links;
  std::uint16_t failures = 0;  // without those of its lane since `due`
  RcptPlace place = RcptPlace::none;
  bool remove_later = false;  // removed while active
  bool hold_later = false;    // held while active
};
static_assert(sizeof(LaneRcpt) == 48);

class LaneStore {
 public:
  [[nodiscard]] LaneRcpt& operator[](std::uint32_t slot) {
    return blocks_[slot / kBlock][slot % kBlock];
  }
  [[nodiscard]] const LaneRcpt& operator[](std::uint32_t slot) const {
    return blocks_[slot / kBlock][slot % kBlock];
  }
  // The slot of a recipient, kNoIndex when it is not here.
  [[nodiscard]] std::uint32_t find(const RcptRef& ref) const;
  // A slot for a recipient that is not here yet.
  [[nodiscard]] std::uint32_t insert(const RcptRef& ref);
  void erase(std::uint32_t slot);
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  static constexpr std::uint32_t kBlock = 1024;
  static constexpr std::uint32_t kKept = 16 * kBlock;  // slots kept when all is delivered

  [[nodiscard]] std::size_t home(const RcptRef& ref) const;
  [[nodiscard]] RcptRef ref(std::uint32_t slot) const {
    return {(*this)[slot].id, (*this)[slot].leaf};
  }
  void put(std::uint32_t slot);
  void grow();

  std::vector<std::unique_ptr<LaneRcpt[]>> blocks_;
  std::uint32_t free_ = kNoIndex;     // chained by links.next
  std::uint32_t used_ = 0;            // slots ever handed out
  std::vector<std::uint32_t> table_;  // open addressing; a power of two, at most 3/4 full
  std::size_t size_ = 0;
};

}  // namespace posthouse::queue
