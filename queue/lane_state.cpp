// Owns the containers of one lane. See the header.
#include "queue/lane_state.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace posthouse::queue {

namespace {

auto links_of(LaneStore& store) {
  return [&store](std::uint32_t slot) -> Links& { return store[slot].links; };
}

// By next try; then those of one message together.
auto earlier_in(const LaneStore& store) {
  return [&store](std::uint32_t a, std::uint32_t b) {
    const LaneRcpt& left = store[a];
    const LaneRcpt& right = store[b];
    if (left.due != right.due) {
      return left.due < right.due;
    }
    return left.id != right.id ? left.id < right.id : left.leaf < right.leaf;
  };
}

}  // namespace

void Lane::put_fresh(LaneStore& store, std::uint32_t slot) {
  store[slot].place = RcptPlace::ready;
  ready_.push_back(slot, links_of(store));
  first_fresh_ = first_fresh_ == kNoIndex ? slot : first_fresh_;
}

void Lane::put_overdue(LaneStore& store, std::uint32_t slot, bool first) {
  store[slot].place = RcptPlace::ready;
  if (first) {
    ready_.push_front(slot, links_of(store));
  } else {
    ready_.insert(slot, first_fresh_, links_of(store));
  }
}

void Lane::put_back(LaneStore& store, std::uint32_t slot) {
  const bool is_new = failures_of(store, slot) == 0;
  store[slot].place = RcptPlace::ready;
  if (is_new) {
    ready_.insert(slot, first_fresh_, links_of(store));
    first_fresh_ = slot;
  } else {
    ready_.push_front(slot, links_of(store));
  }
}

void Lane::put_waiting(LaneStore& store, std::uint32_t slot) {
  store[slot].place = RcptPlace::waiting;
  waiting_.push(slot, earlier_in(store), links_of(store));
}

void Lane::put_kicked(LaneStore& store, std::uint32_t slot) {
  store[slot].place = RcptPlace::kicked;
  store[slot].links = {static_cast<std::uint32_t>(kicked_.size()), kNoIndex};
  kicked_.push_back(slot);
}

void Lane::take_out(LaneStore& store, std::uint32_t slot) {
  LaneRcpt& rcpt = store[slot];
  if (rcpt.place == RcptPlace::ready) {
    first_fresh_ = first_fresh_ == slot ? rcpt.links.next : first_fresh_;
    ready_.remove(slot, links_of(store));
  } else if (rcpt.place == RcptPlace::waiting || rcpt.place == RcptPlace::kicked) {
    if (!is_kicked(slot, rcpt)) {
      waiting_.remove(slot, earlier_in(store), links_of(store));
      return;
    }
    const std::uint32_t place = rcpt.links.prev;
    kicked_[place] = kicked_.back();
    store[kicked_[place]].links.prev = place;
    kicked_.pop_back();
    rcpt.links = {};
    if (kicked_.empty()) {
      kicked_ = {};
    }
  }
}

std::uint32_t Lane::next_due(const LaneStore& store, bool retries_first, base::MonoTime now) const {
  if (first_fresh_ != kNoIndex && !retries_first && !suspended) {
    return first_fresh_;
  }
  if (has_overdue()) {
    return ready_.front();
  }
  if (!kicked_.empty()) {
    return kicked_.back();
  }
  if (suspended) {
    return kNoIndex;  // new mail and what was deferred since the kick waits for the resumption
  }
  if (!waiting_.empty() && store[waiting_.front()].due <= now) {
    return waiting_.front();
  }
  return first_fresh_;
}

std::vector<std::uint32_t> Lane::take_due(LaneStore& store, const Share& share,
                                          base::MonoTime now) {
  std::vector<std::uint32_t> taken;
  while (taken.size() < share.most) {
    const std::uint32_t slot = next_due(store, share.retries_first, now);
    if (slot == kNoIndex) {
      break;
    }
    // One transaction for one message, rather than its body twice.
    const bool more_of_last = !taken.empty() && store[taken.back()].id == store[slot].id;
    if (taken.size() >= share.count && !more_of_last) {
      break;
    }
    LaneRcpt& rcpt = store[slot];
    const base::MonoTime due = due_of(store, slot);
    take_out(store, slot);
    rcpt.due = due;  // what was kicked counts the lane's failures since then
    rcpt.place = RcptPlace::active;
    taken.push_back(slot);
  }
  return taken;
}

std::size_t Lane::due_estimate(const LaneStore& store, base::MonoTime now) const {
  const bool some_due = !waiting_.empty() && store[waiting_.front()].due <= now;
  return ready_count() + (some_due ? waiting_.size() : 0);
}

base::MonoTime Lane::first_due(const LaneStore& store) const {
  if (suspended) {
    const bool some = pass && (has_overdue() || !kicked_.empty());
    return some ? base::MonoTime::min() : base::MonoTime::max();
  }
  if (ready_count() != 0) {
    return base::MonoTime::min();
  }
  return waiting_.empty() ? base::MonoTime::max() : store[waiting_.front()].due;
}

base::MonoTime Lane::wake_time(const LaneStore& store) const {
  const auto limit = down ? 1U : static_cast<unsigned>(std::max(window, 1.0));
  const base::MonoTime due = first_due(store);
  if (attempts >= limit || due == base::MonoTime::max()) {
    return base::MonoTime::max();
  }
  return down ? std::max(due, probe_at) : due;
}

base::MonoTime Lane::due_of(const LaneStore& store, std::uint32_t slot) const {
  const LaneRcpt& rcpt = store[slot];
  const bool queued = rcpt.place == RcptPlace::waiting || rcpt.place == RcptPlace::kicked;
  return queued && is_kicked(slot, rcpt) ? std::min(rcpt.due, kicked_at_) : rcpt.due;
}

unsigned Lane::failures_of(const LaneStore& store, std::uint32_t slot) const {
  const base::MonoTime due = due_of(store, slot);
  unsigned count = store[slot].failures;
  if (store[slot].place == RcptPlace::held) {
    return count;  // nothing was due of it
  }
  for (const Failure& failure : failures_) {
    count += failure.at >= due ? failure.count : 0;
  }
  return count;
}

void Lane::note_failure(base::MonoTime at, std::uint32_t count) {
  if (failures_.size() == kMaxFailures) {
    failures_[1].count += failures_[0].count;
    failures_.erase(failures_.begin());
  }
  failures_.push_back({at, count});
}

void Lane::fail(base::MonoTime now, base::Duration wait) {
  note_failure(now, 1);
  first_fresh_ = kNoIndex;  // what was new mail has failed now, and newer mail goes before it
  down = true;
  pass = false;
  ++level;
  probe_at = now + wait;
  last_failure = now;
  window = 1;
  growing_fast = true;
}

void Lane::restore(unsigned failures, base::MonoTime failed_at, base::MonoTime probe) {
  note_failure(failed_at, failures);
  down = failures != 0;
  level = failures;
  last_failure = failed_at;
  probe_at = probe;
}

void Lane::kick(LaneStore& store, base::MonoTime now) {
  if (kicked_.empty()) {
    kicked_ = waiting_.release();
    kicked_at_ = now;
  } else {
    // Each was put into the heap since the last kick, so this costs no more than putting it there.
    for (const std::uint32_t slot : waiting_.release()) {
      put_kicked(store, slot);
    }
  }
  first_fresh_ = kNoIndex;
  probe_at = std::min(probe_at, now);
  pass = suspended;
}

}  // namespace posthouse::queue
