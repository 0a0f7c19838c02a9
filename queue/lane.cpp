// Owns who is offered when: lanes, their seats and their turns. See the header.
#include "queue/lane.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "queue/lane_state.hpp"

namespace posthouse::queue {

namespace {

constexpr unsigned kFreshInARow = 4;  // then it is a retry's turn, so that none waits for ever

auto lane_links(const std::vector<std::unique_ptr<Lane>>& lanes) {
  return [&lanes](std::uint32_t lane) -> Links& { return lanes[lane]->links; };
}

auto wakes_earlier(const std::vector<std::unique_ptr<Lane>>& lanes) {
  return [&lanes](std::uint32_t a, std::uint32_t b) {
    return lanes[a]->wake != lanes[b]->wake ? lanes[a]->wake < lanes[b]->wake : a < b;
  };
}

unsigned window_of(const Lane& lane) {
  return lane.down ? 1U : static_cast<unsigned>(std::max(lane.window, 1.0));
}

}  // namespace

Lanes::Lanes(LaneOptions options, const RetrySchedule& schedule, base::Random& random)
    : options_(options), schedule_(schedule), random_(random) {
  PH_ASSERT(options_.max_rcpts > 0 && options_.max_connections > 0 && options_.max_window > 0,
            "a limit of nothing would stop all mail");
  options_.start_window = std::clamp(options_.start_window, 1U, options_.max_window);
  options_.idle_lanes = std::max<std::size_t>(options_.idle_lanes, 1);
}

Lanes::~Lanes() = default;

std::uint32_t Lanes::find_lane(std::string_view destination) const {
  const auto found = by_name_.find(destination);
  return found == by_name_.end() ? kNoIndex : found->second;
}

std::uint32_t Lanes::make_lane(std::string_view destination) {
  const std::uint32_t known = find_lane(destination);
  if (known != kNoIndex) {
    return known;
  }
  std::uint32_t index = static_cast<std::uint32_t>(lanes_.size());
  if (free_lanes_.empty()) {
    lanes_.emplace_back();
  } else {
    index = free_lanes_.back();
    free_lanes_.pop_back();
  }
  lanes_[index] = std::make_unique<Lane>(std::string(destination));
  lanes_[index]->window = options_.start_window;
  by_name_.emplace(lanes_[index]->name(), index);
  return index;
}

void Lanes::erase_lane(std::uint32_t lane) {
  leave_seat(lane);
  by_name_.erase(lanes_[lane]->name());
  lanes_[lane].reset();
  free_lanes_.push_back(lane);
}

void Lanes::advance(base::MonoTime now) {
  now_ = std::max(now_, now);
  while (!sleeping_.empty() && lanes_[sleeping_.front()]->wake <= now_) {
    settle_seat(sleeping_.front());
  }
}

void Lanes::leave_seat(std::uint32_t lane) {
  const auto links = lane_links(lanes_);
  switch (lanes_[lane]->seat) {
    case LaneSeat::none:
      break;
    case LaneSeat::fresh:
      fresh_ring_.remove(lane, links);
      break;
    case LaneSeat::retries:
      retry_ring_.remove(lane, links);
      break;
    case LaneSeat::sleeping:
      sleeping_.remove(lane, wakes_earlier(lanes_), links);
      break;
    case LaneSeat::idle:
      idle_.remove(lane, links);
      break;
  }
  lanes_[lane]->seat = LaneSeat::none;
}

// Puts a lane where it belongs after anything about it changed. One that stays in its ring keeps
// its turn.
void Lanes::settle_seat(std::uint32_t index) {
  Lane& lane = *lanes_[index];
  const base::MonoTime wake = lane.wake_time(store_);
  LaneSeat seat = LaneSeat::none;
  if (lane.empty() && lane.attempts == 0 && !lane.suspended) {
    seat = LaneSeat::idle;
  } else if (wake <= now_) {
    seat = lane.has_fresh() && !lane.suspended ? LaneSeat::fresh : LaneSeat::retries;
  } else if (wake != base::MonoTime::max()) {
    seat = LaneSeat::sleeping;
  }
  const bool in_ring = seat == LaneSeat::fresh || seat == LaneSeat::retries;
  if (seat == lane.seat && (in_ring || lane.wake == wake)) {
    return;
  }
  leave_seat(index);
  lane.seat = seat;
  lane.wake = wake;
  const auto links = lane_links(lanes_);
  if (seat == LaneSeat::fresh) {
    fresh_ring_.push_back(index, links);
  } else if (seat == LaneSeat::retries) {
    retry_ring_.push_back(index, links);
  } else if (seat == LaneSeat::sleeping) {
    sleeping_.push(index, wakes_earlier(lanes_), links);
  } else if (seat == LaneSeat::idle) {
    if (!lane.down) {
      lane.forget_failures();
    }
    idle_.push_back(index, links);
    if (idle_.size() > options_.idle_lanes) {
      erase_lane(idle_.front());
    }
  }
}

void Lanes::add(const LaneNew& rcpt, base::MonoTime now) {
  advance(now);
  const std::uint32_t index = make_lane(rcpt.destination);
  const std::uint32_t slot = store_.insert(rcpt.rcpt);
  LaneRcpt& added = store_[slot];
  added.lane = index;
  added.due = rcpt.next_try;
  added.failures = static_cast<std::uint16_t>(std::min(rcpt.failures, 0xffffU));
  Lane& lane = *lanes_[index];
  ++lane.total;
  put_by_due(lane, slot);
  settle_seat(index);
}

void Lanes::put_by_due(Lane& lane, std::uint32_t slot) {
  if (store_[slot].due <= now_ && store_[slot].failures == 0) {
    lane.put_fresh(store_, slot);
  } else {
    lane.put_waiting(store_, slot);
  }
}

void Lanes::forget(Lane& lane, std::uint32_t slot) {
  store_.erase(slot);
  --lane.total;
}

bool Lanes::remove(const RcptRef& rcpt) {
  const std::uint32_t slot = store_.find(rcpt);
  if (slot == kNoIndex) {
    return false;
  }
  const std::uint32_t index = store_[slot].lane;
  Lane& lane = *lanes_[index];
  if (store_[slot].place == RcptPlace::active) {
    store_[slot].remove_later = true;
    return false;
  }
  lane.held -= store_[slot].place == RcptPlace::held ? 1 : 0;
  lane.take_out(store_, slot);
  forget(lane, slot);
  settle_seat(index);
  return true;
}

bool Lanes::contains(const RcptRef& rcpt) const { return store_.find(rcpt) != kNoIndex; }

std::uint32_t Lanes::pick_lane() {
  const bool retry_turn = fresh_in_a_row_ >= kFreshInARow || fresh_ring_.empty();
  if (retry_turn && !retry_ring_.empty()) {
    fresh_in_a_row_ = 0;
    return retry_ring_.front();
  }
  ++fresh_in_a_row_;
  return fresh_ring_.front();
}

// What is due is divided among the connections that may work on it.
std::size_t Lanes::share_of(const Lane& lane) const {
  const std::size_t free = std::min<std::size_t>(window_of(lane) - lane.attempts,
                                                 options_.max_connections - flights_.size());
  const std::size_t due = lane.due_estimate(store_, now_);
  return std::clamp<std::size_t>((due + free - 1) / free, 1, options_.max_rcpts);
}

// Brings the recipients of one message together, messages in the order of their first recipient.
std::vector<LaneOffer> Lanes::offers_for(const Lane& lane,
                                         std::vector<std::uint32_t>& slots) const {
  std::unordered_map<base::MessageId, std::size_t, base::MessageIdHash> rank;
  for (const std::uint32_t slot : slots) {
    rank.emplace(store_[slot].id, rank.size());
  }
  if (rank.size() < slots.size()) {
    std::sort(slots.begin(), slots.end(), [&](std::uint32_t a, std::uint32_t b) {
      const std::size_t left = rank.at(store_[a].id);
      const std::size_t right = rank.at(store_[b].id);
      return left != right ? left < right : store_[a].leaf < store_[b].leaf;
    });
  }
  std::vector<LaneOffer> offers;
  offers.reserve(slots.size());
  for (const std::uint32_t slot : slots) {
    offers.push_back({{store_[slot].id, store_[slot].leaf}, lane.failures_of(store_, slot)});
  }
  return offers;
}

LaneAttempt Lanes::start_attempt(std::uint32_t index) {
  Lane& lane = *lanes_[index];
  const bool retries_first = lane.fresh_in_a_row >= kFreshInARow || !lane.has_fresh();
  lane.fresh_in_a_row = retries_first ? 0 : lane.fresh_in_a_row + 1;
  Flight flight;
  flight.lane = index;
  flight.started = now_;
  flight.slots = lane.take_due(store_, {share_of(lane), options_.max_rcpts, retries_first}, now_);
  PH_ASSERT(!flight.slots.empty(), "a lane that is served has mail that is due");
  LaneAttempt attempt;
  attempt.id = next_attempt_++;
  attempt.destination = lane.name();
  attempt.probe = lane.down;
  attempt.offers = offers_for(lane, flight.slots);
  lane.active += static_cast<std::uint32_t>(flight.slots.size());
  ++lane.attempts;
  flights_.emplace(attempt.id, std::move(flight));
  leave_seat(index);  // its next turn comes after the others'
  settle_seat(index);
  return attempt;
}

std::vector<LaneAttempt> Lanes::next(base::MonoTime now, std::size_t limit) {
  advance(now);
  std::vector<LaneAttempt> attempts;
  while (attempts.size() < limit && flights_.size() < options_.max_connections &&
         !(fresh_ring_.empty() && retry_ring_.empty())) {
    attempts.push_back(start_attempt(pick_lane()));
  }
  return attempts;
}

std::optional<base::MonoTime> Lanes::wake_at() const {
  if (flights_.size() >= options_.max_connections) {
    return std::nullopt;
  }
  if (!fresh_ring_.empty() || !retry_ring_.empty()) {
    return now_;
  }
  return sleeping_.empty() ? std::nullopt : std::optional(lanes_[sleeping_.front()]->wake);
}

std::size_t Lanes::kick(std::string_view destination, base::MonoTime now) {
  advance(now);
  const std::uint32_t index = find_lane(destination);
  if (index == kNoIndex) {
    return 0;
  }
  Lane& lane = *lanes_[index];
  lane.kick(store_, now_);
  settle_seat(index);
  return lane.total - lane.active - lane.held;
}

bool Lanes::kick(const RcptRef& rcpt, base::MonoTime now) {
  advance(now);
  const std::uint32_t slot = store_.find(rcpt);
  if (slot == kNoIndex || store_[slot].place == RcptPlace::active ||
      store_[slot].place == RcptPlace::held) {
    return false;
  }
  const std::uint32_t index = store_[slot].lane;
  Lane& lane = *lanes_[index];
  if (lane.due_of(store_, slot) > now_) {
    const unsigned failures = lane.failures_of(store_, slot);
    lane.take_out(store_, slot);
    store_[slot].failures = static_cast<std::uint16_t>(std::min(failures, 0xffffU));
    store_[slot].due = now_;
  } else {
    store_[slot].due = lane.due_of(store_, slot);
    lane.take_out(store_, slot);
  }
  lane.put_overdue(store_, slot, true);
  lane.probe_at = std::min(lane.probe_at, now_);
  settle_seat(index);
  return true;
}

bool Lanes::hold(const RcptRef& rcpt) {
  const std::uint32_t slot = store_.find(rcpt);
  if (slot == kNoIndex) {
    return false;
  }
  const std::uint32_t index = store_[slot].lane;
  Lane& lane = *lanes_[index];
  if (store_[slot].place == RcptPlace::active) {
    store_[slot].hold_later = true;
  } else if (store_[slot].place != RcptPlace::held) {
    // What its lane failed so far counts; what it fails from now on does not.
    const unsigned failures = lane.failures_of(store_, slot);
    lane.take_out(store_, slot);
    store_[slot].failures = static_cast<std::uint16_t>(std::min(failures, 0xffffU));
    store_[slot].place = RcptPlace::held;
    ++lane.held;
    settle_seat(index);
  }
  return true;
}

bool Lanes::release(const RcptRef& rcpt, base::MonoTime now) {
  advance(now);
  const std::uint32_t slot = store_.find(rcpt);
  if (slot == kNoIndex) {
    return false;
  }
  const std::uint32_t index = store_[slot].lane;
  if (store_[slot].place == RcptPlace::held) {
    Lane& lane = *lanes_[index];
    --lane.held;
    store_[slot].due = std::max(store_[slot].due, now_);
    put_by_due(lane, slot);
    settle_seat(index);
  }
  store_[slot].hold_later = false;
  return true;
}

void Lanes::suspend(std::string_view destination) {
  const std::uint32_t index = make_lane(destination);
  lanes_[index]->suspended = true;
  lanes_[index]->pass = false;
  settle_seat(index);
}

void Lanes::resume(std::string_view destination, base::MonoTime now) {
  advance(now);
  const std::uint32_t index = find_lane(destination);
  if (index != kNoIndex) {
    lanes_[index]->suspended = false;
    lanes_[index]->pass = false;
    settle_seat(index);
  }
}

void Lanes::restore(std::string_view destination, const LaneHint& hint, base::MonoTime now) {
  advance(now);
  const std::uint32_t index = make_lane(destination);
  lanes_[index]->restore(hint.failures, hint.failed_at, hint.probe_at);
  settle_seat(index);
}

}  // namespace posthouse::queue
