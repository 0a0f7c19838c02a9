// Lanes under random use, beside a plain model: nothing is lost, nothing is offered twice at once,
// out of its time, against a hold, or through a back-off; wake_at() is neither late nor early.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>

#include "queue/lane.hpp"

namespace posthouse::queue {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

struct ModelRcpt {
  std::string destination;
  base::MonoTime due;
  bool active = false;
  bool held = false;
  bool hold_later = false;
  bool removed = false;  // while active
  bool kicked = false;   // since its destination was suspended, failed, or it was deferred
};
struct ModelLane {
  std::optional<base::MonoTime> probe_at;
  bool suspended = false;
  std::size_t connections = 0;
};

class World {
 public:
  explicit World(std::uint64_t seed)
      : random_(seed), dice_(seed + 1), lanes_(options(), schedule_, random_) {}

  void step() {
    switch (dice_.below(14)) {
      case 0:
      case 1:
      case 2:
        add();
        break;
      case 3:
      case 4:
        look();
        break;
      case 5:
      case 6:
      case 7:
      case 8:
        report();
        break;
      case 9:
        now_ += seconds(dice_.below(400));
        break;
      case 10:
        kick();
        break;
      case 11:
        hold_or_release();
        break;
      case 12:
        remove();
        break;
      default:
        suspend_or_resume();
        break;
    }
    check_views();
  }

  // The faults stop: everything must leave, in bounded time.
  void finish() {
    for (auto& [ref, rcpt] : rcpts_) {
      lanes_.release(ref, now_);
      rcpt.held = rcpt.hold_later = false;
    }
    for (auto& [name, lane] : model_) {
      lanes_.resume(name, now_);
      lane.suspended = false;
    }
    while (!flying_.empty()) {
      report_done();
    }
    for (int guard = 0; !rcpts_.empty(); ++guard) {
      RC_ASSERT(guard < 10'000);
      const auto wake = lanes_.wake_at();
      RC_ASSERT(wake.has_value());
      now_ = std::max(now_, *wake);
      look();
      RC_ASSERT(!flying_.empty());
      while (!flying_.empty()) {
        report_done();
      }
    }
    RC_ASSERT(lanes_.size() == 0U);
    RC_ASSERT(lanes_.connections() == 0U);
    RC_ASSERT(!lanes_.wake_at().has_value());
  }

 private:
  static LaneOptions options() {
    LaneOptions out;
    out.max_window = 3;
    out.max_connections = 5;
    out.max_rcpts = 4;
    out.idle_lanes = 2;
    return out;
  }

  std::string a_name() { return std::string(1, static_cast<char>('a' + dice_.below(4))); }

  RcptRef a_ref() {
    if (rcpts_.empty()) {
      return {};
    }
    auto found = rcpts_.begin();
    std::advance(found, static_cast<std::ptrdiff_t>(dice_.below(rcpts_.size())));
    return found->first;
  }

  void add() {
    const std::uint64_t message = ++messages_;
    const std::string destination = a_name();
    const auto leaves = static_cast<std::uint32_t>(1 + dice_.below(3));
    const bool is_new = dice_.below(2) == 0;
    for (std::uint32_t leaf = 0; leaf < leaves; ++leaf) {
      const RcptRef ref{{message, message * 77}, leaf};
      const base::MonoTime due = is_new ? now_ : now_ + seconds(dice_.below(1000));
      lanes_.add({ref, destination, due, is_new ? 0U : 1U}, now_);
      rcpts_[ref] = {destination, due};
    }
  }

  void look() {
    const auto wake = lanes_.wake_at();
    const auto attempts = lanes_.next(now_);
    // Early or late: offered exactly when promised.
    RC_ASSERT(attempts.empty() == !(wake && *wake <= now_));
    for (const LaneAttempt& attempt : attempts) {
      take_off(attempt);
    }
    const auto next = lanes_.wake_at();
    RC_ASSERT((!next || *next > now_));
  }

  void take_off(const LaneAttempt& attempt) {
    ModelLane& lane = model_[attempt.destination];
    RC_ASSERT(!attempt.offers.empty());
    RC_ASSERT(attempt.offers.size() <= 4U);
    RC_ASSERT(attempt.probe == lane.probe_at.has_value());
    RC_ASSERT((!lane.probe_at || (*lane.probe_at <= now_ && lane.connections == 0)));
    ++lane.connections;
    RC_ASSERT(lane.connections <= 3U);
    base::MessageId last;
    std::vector<base::MessageId> seen;
    for (const LaneOffer& offer : attempt.offers) {
      ModelRcpt& rcpt = rcpts_.at(offer.rcpt);
      RC_ASSERT(rcpt.destination == attempt.destination);
      RC_ASSERT(!rcpt.active && !rcpt.held);
      RC_ASSERT(rcpt.due <= now_);
      RC_ASSERT((!lane.suspended || rcpt.kicked));
      rcpt.active = true;
      if (offer.rcpt.id != last) {
        RC_ASSERT(std::find(seen.begin(), seen.end(), offer.rcpt.id) == seen.end());
        last = offer.rcpt.id;
        seen.push_back(last);
      }
    }
    flying_.push_back({attempt, now_});
    RC_ASSERT(flying_.size() <= 5U);
  }

  void report() {
    if (flying_.empty()) {
      return;
    }
    const std::size_t which = dice_.below(flying_.size());
    const LaneAttempt attempt = flying_[which].first;
    flying_.erase(flying_.begin() + static_cast<std::ptrdiff_t>(which));
    ModelLane& lane = model_[attempt.destination];
    --lane.connections;
    LaneResult result;
    const std::uint64_t fate = dice_.below(4);
    result.contact = fate == 0   ? LaneContact::failed
                     : fate == 1 ? LaneContact::busy
                                 : LaneContact::reached;
    const std::size_t told = dice_.below(attempt.offers.size() + 1);
    for (std::size_t i = 0; i < told; ++i) {
      const auto outcome = static_cast<LaneOutcome>(dice_.below(3));
      result.rcpts.push_back({outcome, seconds(1 + dice_.below(600))});
    }
    const bool go_on = result.contact == LaneContact::reached && dice_.below(2) == 0;
    if (go_on) {
      const auto continued = lanes_.report_and_continue(attempt.id, result, now_);
      land(attempt, result, continued.hint);
      if (continued.attempt) {
        take_off(*continued.attempt);
      }
    } else {
      land(attempt, result, lanes_.report(attempt.id, result, now_));
    }
  }

  void report_done() {
    const LaneAttempt attempt = flying_.back().first;
    flying_.pop_back();
    --model_[attempt.destination].connections;
    LaneResult result;
    result.rcpts.assign(attempt.offers.size(), {LaneOutcome::done, {}});
    land(attempt, result, lanes_.report(attempt.id, result, now_));
  }

  void land(const LaneAttempt& attempt, const LaneResult& result,
            const std::optional<LaneHint>& hint) {
    ModelLane& lane = model_[attempt.destination];
    if (hint && hint->failures != 0) {
      forget_kicks(attempt.destination);
    }
    if (hint) {
      lane.probe_at = hint->failures == 0 ? std::nullopt : std::optional(hint->probe_at);
      RC_ASSERT((!lane.probe_at || *lane.probe_at >= now_ + minutes(1)));
    }
    const bool reached = result.contact == LaneContact::reached;
    for (std::size_t i = 0; i < attempt.offers.size(); ++i) {
      const RcptRef ref = attempt.offers[i].rcpt;
      ModelRcpt& rcpt = rcpts_.at(ref);
      const LaneRcptResult one = i < result.rcpts.size() ? result.rcpts[i] : LaneRcptResult();
      if (one.outcome == LaneOutcome::done || rcpt.removed) {
        rcpts_.erase(ref);
        RC_ASSERT(!lanes_.contains(ref));
        continue;
      }
      rcpt.active = false;
      rcpt.held = rcpt.hold_later;
      rcpt.hold_later = false;
      if (reached && one.outcome == LaneOutcome::deferred) {
        rcpt.due = now_ + one.wait;
        rcpt.kicked = false;
      } else if (result.contact == LaneContact::failed && !lane.probe_at) {
        // One failure of a live lane: by the schedule, at least a minute.
        rcpt.due = now_ + minutes(1);
      }
    }
  }

  void kick() {
    if (dice_.below(2) == 0) {
      const std::string name = a_name();
      lanes_.kick(name, now_);
      for (auto& [ref, rcpt] : rcpts_) {
        if (rcpt.destination == name && !rcpt.held) {
          rcpt.due = rcpt.active ? rcpt.due : std::min(rcpt.due, now_);
          rcpt.kicked = true;
        }
      }
      probe_now(name);
      return;
    }
    const RcptRef ref = a_ref();
    if (lanes_.kick(ref, now_)) {
      ModelRcpt& rcpt = rcpts_.at(ref);
      RC_ASSERT(!rcpt.active && !rcpt.held);
      rcpt.due = std::min(rcpt.due, now_);
      rcpt.kicked = true;
      probe_now(rcpt.destination);
    }
  }
  void forget_kicks(const std::string& name) {
    for (auto& [ref, rcpt] : rcpts_) {
      rcpt.kicked = rcpt.kicked && rcpt.destination != name;
    }
  }
  void probe_now(const std::string& name) {
    ModelLane& lane = model_[name];
    lane.probe_at = lane.probe_at ? std::optional(std::min(*lane.probe_at, now_)) : std::nullopt;
  }

  void hold_or_release() {
    const RcptRef ref = a_ref();
    const auto found = rcpts_.find(ref);
    if (dice_.below(2) == 0) {
      RC_ASSERT(lanes_.hold(ref) == (found != rcpts_.end()));
      if (found != rcpts_.end()) {
        (found->second.active ? found->second.hold_later : found->second.held) = true;
      }
    } else {
      RC_ASSERT(lanes_.release(ref, now_) == (found != rcpts_.end()));
      if (found != rcpts_.end()) {
        found->second.held = found->second.hold_later = false;
      }
    }
  }

  void remove() {
    const RcptRef ref = a_ref();
    const auto found = rcpts_.find(ref);
    const bool gone = lanes_.remove(ref);
    if (found == rcpts_.end()) {
      RC_ASSERT(!gone);
    } else if (found->second.active) {
      RC_ASSERT(!gone);
      found->second.removed = true;
    } else {
      RC_ASSERT(gone);
      rcpts_.erase(found);
    }
  }

  void suspend_or_resume() {
    const std::string name = a_name();
    if (dice_.below(2) == 0) {
      lanes_.suspend(name);
      model_[name].suspended = true;
      forget_kicks(name);
    } else {
      lanes_.resume(name, now_);
      model_[name].suspended = false;
    }
  }

  void check_views() {
    RC_ASSERT(lanes_.size() == rcpts_.size());
    RC_ASSERT(lanes_.connections() == flying_.size());
    for (auto& [name, lane] : model_) {
      if (!lanes_.view(name)) {
        lane.probe_at.reset();  // idle, and forgotten for others
      }
    }
    std::map<std::string, std::size_t> counts;
    for (const auto& [ref, rcpt] : rcpts_) {
      const auto view = lanes_.view(ref);
      RC_ASSERT(view.has_value());
      RC_ASSERT(view->destination == rcpt.destination);
      RC_ASSERT((view->state == LaneRcptView::State::active) == rcpt.active);
      RC_ASSERT((view->state == LaneRcptView::State::held) == rcpt.held);
      ++counts[rcpt.destination];
    }
    for (const auto& [name, count] : counts) {
      const auto view = lanes_.view(name);
      RC_ASSERT(view.has_value());
      RC_ASSERT(view->recipients == count);
      RC_ASSERT(view->connections == model_[name].connections);
      RC_ASSERT(view->suspended == model_[name].suspended);
      RC_ASSERT((view->probe_at == model_[name].probe_at));
    }
  }

  RetrySchedule schedule_;
  base::SeededRandom random_;
  base::SeededRandom dice_;
  Lanes lanes_;
  base::MonoTime now_{std::chrono::hours(1)};
  std::uint64_t messages_ = 0;
  std::map<RcptRef, ModelRcpt> rcpts_;
  std::map<std::string, ModelLane> model_;
  std::vector<std::pair<LaneAttempt, base::MonoTime>> flying_;
};

RC_GTEST_PROP(LaneProperties, HoldUnderRandomUse, (std::uint64_t seed)) {
  World world(seed);
  const int steps = *rc::gen::inRange(1, 400);
  for (int i = 0; i < steps; ++i) {
    world.step();
  }
  world.finish();
}

// Over any time in which all lanes have mail, none gets more than one turn more than another.
RC_GTEST_PROP(LaneProperties, TurnsAreFair, (std::uint64_t seed)) {
  LaneOptions options;
  options.max_rcpts = 1;
  options.max_connections = 1;
  RetrySchedule schedule;
  base::SeededRandom random(seed);
  Lanes lanes(options, schedule, random);
  const std::uint64_t count = 2 + random.below(8);
  const base::MonoTime now{std::chrono::hours(1)};
  std::uint64_t message = 0;
  const auto add = [&](std::uint64_t lane) {
    ++message;
    lanes.add({{{message, message}, 0}, std::to_string(lane), now}, now);
  };
  for (std::uint64_t lane = 0; lane < count; ++lane) {
    for (std::uint64_t i = 0; i < 50 + random.below(100); ++i) {
      add(lane);
    }
  }
  std::map<std::string, std::uint64_t> turns;
  for (std::uint64_t turn = 1; turn <= 40 * count; ++turn) {
    const auto attempts = lanes.next(now);
    RC_ASSERT(attempts.size() == 1U);
    ++turns[attempts[0].destination];
    LaneResult result;
    result.rcpts.push_back({LaneOutcome::done, {}});
    lanes.report(attempts[0].id, result, now);
    add(random.below(count));  // arrivals change nothing
    if (turn % count == 0) {
      for (const auto& [name, had] : turns) {
        RC_ASSERT(had == turn / count);
      }
    }
  }
}

}  // namespace
}  // namespace posthouse::queue
