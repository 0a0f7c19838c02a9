// Lanes, continued: what a finished attempt means for its recipients and its lane, and what can be
// seen from outside. See lane.hpp.
#include <algorithm>

#include "base/assert.hpp"
#include "queue/lane.hpp"
#include "queue/lane_state.hpp"

namespace posthouse::queue {

namespace {

constexpr std::size_t kMaxReason = 200;  // LIMIT

LaneRcptResult result_of(const LaneResult& result, std::size_t index) {
  return index < result.rcpts.size() ? result.rcpts[index] : LaneRcptResult();
}

LaneHint hint_of(const Lane& lane) {
  return lane.down ? LaneHint{lane.level, lane.last_failure, lane.probe_at} : LaneHint();
}

}  // namespace

Lanes::Flight Lanes::land(std::uint64_t attempt) {
  const auto found = flights_.find(attempt);
  PH_ASSERT(found != flights_.end(), "an attempt is reported once");
  Flight flight = std::move(found->second);
  flights_.erase(found);
  Lane& lane = *lanes_[flight.lane];
  --lane.attempts;
  lane.active -= static_cast<std::uint32_t>(flight.slots.size());
  return flight;
}

std::optional<LaneHint> Lanes::report(std::uint64_t attempt, const LaneResult& result,
                                      base::MonoTime now) {
  advance(now);
  const Flight flight = land(attempt);
  auto hint = settle(flight, result);
  settle_seat(flight.lane);
  return hint;
}

Lanes::Continued Lanes::report_and_continue(std::uint64_t attempt, const LaneResult& result,
                                            base::MonoTime now) {
  PH_ASSERT(result.contact == LaneContact::reached, "only a good connection goes on");
  advance(now);
  const Flight flight = land(attempt);
  Continued continued;
  continued.hint = settle(flight, result);
  settle_seat(flight.lane);
  const LaneSeat seat = lanes_[flight.lane]->seat;
  const bool has_more = seat == LaneSeat::fresh || seat == LaneSeat::retries;
  // Where connections are scarce, this one's place goes to whose turn it is.
  const bool scarce = flights_.size() + 1 >= options_.max_connections &&
                      std::size_t{fresh_ring_.size()} + retry_ring_.size() > 1;
  if (has_more && !scarce) {
    continued.attempt = start_attempt(flight.lane);
  }
  return continued;
}

std::optional<LaneHint> Lanes::settle(const Flight& flight, const LaneResult& result) {
  Lane& lane = *lanes_[flight.lane];
  const bool was_down = lane.down;
  if (result.contact == LaneContact::reached) {
    settle_reached(lane, flight, result);
    return was_down ? std::optional(hint_of(lane)) : std::nullopt;
  }
  lane.reason = result.reason.substr(0, kMaxReason);
  if (result.contact == LaneContact::busy && lane.attempts > 0) {
    // As many as it has now are what it wants.
    lane.window = lane.attempts;
    lane.growing_fast = false;
    settle_untried(lane, flight, result);
    return std::nullopt;
  }
  const unsigned level = lane.level;
  settle_failed(lane, flight, result);
  return lane.level != level ? std::optional(hint_of(lane)) : std::nullopt;
}

// Does what was asked of a recipient while it was active. True when nothing else is to be done.
bool Lanes::settle_flags(Lane& lane, std::uint32_t slot, const LaneRcptResult& result) {
  LaneRcpt& rcpt = store_[slot];
  if (result.outcome == LaneOutcome::done || rcpt.remove_later) {
    forget(lane, slot);
    return true;
  }
  if (!rcpt.hold_later) {
    return false;
  }
  rcpt.hold_later = false;
  rcpt.place = RcptPlace::held;
  ++lane.held;
  return true;
}

void Lanes::settle_reached(Lane& lane, const Flight& flight, const LaneResult& result) {
  if (lane.down) {
    lane.down = false;
    lane.window = options_.start_window;
    lane.growing_fast = true;
  } else {
    // One more for each success, until it was too many once; then one more for a window of them.
    lane.window += lane.growing_fast ? 1.0 : 1.0 / std::max(lane.window, 1.0);
    lane.window = std::min(lane.window, static_cast<double>(options_.max_window));
  }
  lane.level = 0;
  lane.reason.clear();
  lane.last_success = now_;
  for (std::size_t i = flight.slots.size(); i-- > 0;) {  // so that the untried keep their order
    const std::uint32_t slot = flight.slots[i];
    const LaneRcptResult one = result_of(result, i);
    if (one.outcome == LaneOutcome::deferred) {
      const unsigned failures = lane.failures_of(store_, slot) + 1;
      store_[slot].failures = static_cast<std::uint16_t>(std::min(failures, 0xffffU));
      store_[slot].due = now_ + std::max(one.wait, base::Duration(1));
    }
    if (settle_flags(lane, slot, one)) {
      continue;
    }
    if (one.outcome == LaneOutcome::deferred) {
      lane.put_waiting(store_, slot);
    } else {
      lane.put_back(store_, slot);
    }
  }
}

void Lanes::settle_untried(Lane& lane, const Flight& flight, const LaneResult& result) {
  for (std::size_t i = flight.slots.size(); i-- > 0;) {
    if (!settle_flags(lane, flight.slots[i], result_of(result, i))) {
      lane.put_back(store_, flight.slots[i]);
    }
  }
}

void Lanes::settle_failed(Lane& lane, const Flight& flight, const LaneResult& result) {
  // Others were served since this attempt began: the destination lives, and this was one failure
  // of these recipients alone.
  const bool lives = !lane.down && lane.last_success > flight.started;
  // Attempts that were under way when the lane went down fail for the same cause.
  const bool known = lane.down && lane.last_failure >= flight.started;
  lane.growing_fast = false;
  lane.window = std::max(1.0, lane.window - 1);
  if (!lives && !known) {
    lane.fail(now_, schedule_.wait(lane.level + 1, random_));
    lane.window = options_.start_window;
  }
  std::unordered_map<unsigned, base::Duration> waits;  // one jitter for what failed together
  for (std::size_t i = 0; i < flight.slots.size(); ++i) {
    const std::uint32_t slot = flight.slots[i];
    LaneRcpt& rcpt = store_[slot];
    if (lives) {
      const unsigned failures = lane.failures_of(store_, slot) + 1;
      const auto known_wait = waits.find(failures);
      const base::Duration wait =
          known_wait != waits.end() ? known_wait->second : schedule_.wait(failures, random_);
      waits.emplace(failures, wait);
      rcpt.failures = static_cast<std::uint16_t>(std::min(failures, 0xffffU));
      rcpt.due = now_ + wait;
    }
    if (settle_flags(lane, slot, {result_of(result, i).outcome, {}})) {
      continue;
    }
    if (lives) {
      lane.put_waiting(store_, slot);
    } else {
      lane.put_overdue(store_, slot, false);  // behind the others, lest one message blocks a lane
    }
  }
}

std::optional<LaneRcptView> Lanes::view(const RcptRef& rcpt) const {
  const std::uint32_t slot = store_.find(rcpt);
  if (slot == kNoIndex) {
    return std::nullopt;
  }
  const Lane& lane = *lanes_[store_[slot].lane];
  LaneRcptView out;
  out.destination = lane.name();
  out.failures = lane.failures_of(store_, slot);
  out.next_try = lane.due_of(store_, slot);
  if (lane.down) {
    out.next_try = std::max(out.next_try, lane.probe_at);
  }
  using State = LaneRcptView::State;
  const RcptPlace place = store_[slot].place;
  out.state = place == RcptPlace::active ? State::active
              : place == RcptPlace::held ? State::held
              : out.next_try > now_      ? State::deferred
                                         : State::ready;
  return out;
}

LaneView Lanes::view_of(const Lane& lane) const {
  LaneView out;
  out.destination = lane.name();
  out.recipients = lane.total;
  out.ready = lane.ready_count();
  out.active = lane.active;
  out.held = lane.held;
  out.connections = lane.attempts;
  out.window = lane.down ? 1 : static_cast<unsigned>(lane.window);
  out.failures = lane.level;
  out.suspended = lane.suspended;
  out.probe_at = lane.down ? std::optional(lane.probe_at) : std::nullopt;
  out.reason = lane.reason;
  return out;
}

std::optional<LaneView> Lanes::view(std::string_view destination) const {
  const std::uint32_t index = find_lane(destination);
  return index == kNoIndex ? std::nullopt : std::optional(view_of(*lanes_[index]));
}

void Lanes::for_each_lane(const std::function<void(const LaneView&)>& visit) const {
  for (const auto& lane : lanes_) {
    if (lane && (!lane->empty() || lane->down || lane->suspended)) {
      visit(view_of(*lane));
    }
  }
}

}  // namespace posthouse::queue
