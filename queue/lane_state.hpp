// One lane: the recipients of one destination, and what is known of that destination. Owned and
// driven by Lanes (lane.hpp), which nobody but it includes this for; one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "queue/lane_store.hpp"
#include "queue/retry_schedule.hpp"

namespace posthouse::queue {

// Where Lanes keeps a lane.
enum class LaneSeat : std::uint8_t {
  none,      // nothing to do until something is reported or added
  fresh,     // may be served now, has new mail
  retries,   // may be served now, has other mail only
  sleeping,  // until `wake`
  idle,      // without recipients
};

class Lane {
 public:
  explicit Lane(std::string name) : name_(std::move(name)) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  // No recipient at all, active and held ones included.
  [[nodiscard]] bool empty() const { return total == 0; }

  // Puts a recipient of this lane that is in no container into one.
  void put_fresh(LaneStore& store, std::uint32_t slot);
  void put_overdue(LaneStore& store, std::uint32_t slot, bool first);
  void put_waiting(LaneStore& store, std::uint32_t slot);
  // Offered and not tried: back to the front of what it came from.
  void put_back(LaneStore& store, std::uint32_t slot);
  // Takes it out of the container it is in; nothing for active and held ones.
  void take_out(LaneStore& store, std::uint32_t slot);

  // Takes up to `count` due recipients, new mail first, or last; then more of the last one's
  // message, up to `most`. They are `active` afterwards.
  struct Share {
    std::size_t count = 1;
    std::size_t most = 1;
    bool retries_first = false;
  };
  [[nodiscard]] std::vector<std::uint32_t> take_due(LaneStore& store, const Share& share,
                                                    base::MonoTime now);
  // How many may be due: exact but for those of the waiting that are not due yet.
  [[nodiscard]] std::size_t due_estimate(const LaneStore& store, base::MonoTime now) const;
  // When the first recipient is due by its own next try; MonoTime::max() when none waits.
  [[nodiscard]] base::MonoTime first_due(const LaneStore& store) const;
  // When the lane can be served; MonoTime::max() for never as things are.
  [[nodiscard]] base::MonoTime wake_time(const LaneStore& store) const;

  // Failures of a recipient: its own, and those of the lane while it was due.
  [[nodiscard]] unsigned failures_of(const LaneStore& store, std::uint32_t slot) const;

  // Since when, or from when on, a recipient is due, but for the lane's back-off.
  [[nodiscard]] base::MonoTime due_of(const LaneStore& store, std::uint32_t slot) const;

  // A connection failed and nothing speaks for the destination: it is down until probe_at. O(1).
  void fail(base::MonoTime now, base::Duration wait);
  // As it was known before a restart.
  void restore(unsigned failures, base::MonoTime failed_at, base::MonoTime probe);
  // Every recipient that waits becomes due. O(1) but for those already kicked before.
  void kick(LaneStore& store, base::MonoTime now);
  // Forgets which failures happened when; for a lane without recipients.
  void forget_failures() { failures_.clear(); }

  [[nodiscard]] std::size_t ready_count() const {
    return std::size_t{ready_.size()} + kicked_.size();
  }
  [[nodiscard]] std::size_t waiting_count() const { return waiting_.size(); }
  [[nodiscard]] bool has_fresh() const { return first_fresh_ != kNoIndex; }

  // What Lanes keeps about it.
  std::uint32_t total = 0;     // recipients
  std::uint32_t held = 0;      // of these
  std::uint32_t active = 0;    // of these
  std::uint32_t attempts = 0;  // connections under way
  double window = 2;           // how many of them there may be
  bool growing_fast = true;    // no failure seen since the window was set back
  bool down = false;
  bool suspended = false;
  bool pass = false;   // suspended, but what was kicked may go
  unsigned level = 0;  // failures in a row
  base::MonoTime probe_at;
  base::MonoTime last_success = base::MonoTime::min();
  base::MonoTime last_failure = base::MonoTime::min();
  std::string reason;  // of the last failure
  LaneSeat seat = LaneSeat::none;
  Links links;
  base::MonoTime wake;
  unsigned fresh_in_a_row = 0;

 private:
  struct Failure {
    base::MonoTime at;
    std::uint32_t count = 1;
  };
  static constexpr std::size_t kMaxFailures = 64;  // LIMIT: older ones are counted together

  void note_failure(base::MonoTime at, std::uint32_t count);
  [[nodiscard]] std::uint32_t next_due(const LaneStore& store, bool retries_first,
                                       base::MonoTime now) const;
  [[nodiscard]] bool has_overdue() const {
    return !ready_.empty() && ready_.front() != first_fresh_;
  }
  void put_kicked(LaneStore& store, std::uint32_t slot);
  [[nodiscard]] bool is_kicked(std::uint32_t slot, const LaneRcpt& rcpt) const {
    return rcpt.links.prev < kicked_.size() && kicked_[rcpt.links.prev] == slot;
  }

  std::string name_;
  // Overdue recipients, then new mail from first_fresh_ on: that a failure makes all of the new
  // mail overdue is one assignment.
  IndexList ready_;
  std::uint32_t first_fresh_ = kNoIndex;
  IndexHeap waiting_;
  // The members of a heap that kick() took over, at the places they had in it; their `place` may
  // still say waiting.
  std::vector<std::uint32_t> kicked_;
  base::MonoTime kicked_at_;
  std::vector<Failure> failures_;  // by time
};

}  // namespace posthouse::queue
