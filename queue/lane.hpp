// The lanes of outgoing mail: every destination has its own ready queue, a
// window of connections that grows and shrinks, and a back-off of its own. Lanes decides who is
// offered when; it does no I/O, knows no message, and has no timer: wake_at() says when to call
// next() again. Called by the queue on its owner's thread. Nothing fails; a recipient that was
// added stays until it is done or removed, and is never offered twice at once.
//
//   add() ─▶ next() ─▶ attempt ─▶ report(): done, deferred, or back to where it was
//
// A recipient is tried at the later of its own next try and its lane's next probe. A connection
// that fails is the state of the lane: it counts as a try for all recipients that were due, none of
// which is touched. All operations cost O(log n), and O(log n) for each recipient that they name; a
// waiting recipient costs under 100 octets, all included.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/random.hpp"
#include "base/time.hpp"
#include "queue/lane_links.hpp"
#include "queue/lane_store.hpp"
#include "queue/retry_schedule.hpp"

namespace posthouse::queue {

class Lane;

struct LaneOptions {
  unsigned start_window = 2;          // connections to a destination nothing is known of
  unsigned max_window = 20;           // destination_concurrency
  std::size_t max_connections = 500;  // to all destinations together
  std::size_t max_rcpts = 100;        // in one attempt
  std::size_t idle_lanes = 256;       // destinations without mail whose state is remembered
};

// A recipient to be tried.
struct LaneOffer {
  RcptRef rcpt;
  unsigned failures = 0;  // so far: its own and its lane's while it was due
};

// Work for one connection.
struct LaneAttempt {
  std::uint64_t id = 0;
  std::string destination;
  bool probe = false;             // the destination was down
  std::vector<LaneOffer> offers;  // recipients of one message stand together
};

enum class LaneOutcome : std::uint8_t {
  done,      // delivered, or failed for good: the recipient leaves
  deferred,  // tried; again after `wait`
  untried,   // its turn did not come; due as before, nothing counts
};
struct LaneRcptResult {
  LaneOutcome outcome = LaneOutcome::untried;
  base::Duration wait{};  // for deferred: RetrySchedule::next_wait()
};

// What an attempt learned about the destination itself.
enum class LaneContact : std::uint8_t {
  reached,  // a server greeted us and took our EHLO, whatever it said to the mail
  failed,   // no name service, no connection, no greeting, no TLS where it is demanded
  busy,     // it refuses more connections (421 as greeting)
};
struct LaneResult {
  LaneContact contact = LaneContact::reached;
  // In the order of the offers; those missing at the end count as untried. Unless `reached`, only
  // `done` is looked at, and everything else is the lane's failure.
  std::vector<LaneRcptResult> rcpts;
  std::string reason;  // why the contact failed, for people; cut at 200 octets
};

// What to remember of a lane over a restart (one hint record), whenever it changed.
struct LaneHint {
  unsigned failures = 0;  // connections that failed in a row; 0: the lane is up
  base::MonoTime failed_at;
  base::MonoTime probe_at;
};

struct LaneNew {
  RcptRef rcpt;
  std::string_view destination;
  base::MonoTime next_try;
  unsigned failures = 0;  // 0 and due: new mail, which goes before retries
};

struct LaneRcptView {
  enum class State : std::uint8_t { ready, active, deferred, held };
  State state = State::ready;
  std::string_view destination;  // until the next call
  unsigned failures = 0;
  base::MonoTime next_try;  // the later of its own and its lane's; meaningless when active or held
};

struct LaneView {
  std::string_view destination;  // until the next call
  std::size_t recipients = 0;    // all of them
  std::size_t ready = 0;         // due and not with a carrier, as far as known without a walk
  std::size_t active = 0;
  std::size_t held = 0;
  unsigned connections = 0;
  unsigned window = 0;
  unsigned failures = 0;  // connections that failed in a row
  bool suspended = false;
  std::optional<base::MonoTime> probe_at;  // when down
  std::string_view reason;                 // of the last failure
};

class Lanes {
 public:
  // `schedule` spaces the probes of a destination that is down, as it spaces the tries of a
  // message; `random` gives the jitter. Both must outlive the object.
  Lanes(LaneOptions options, const RetrySchedule& schedule, base::Random& random);
  ~Lanes();
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  // A recipient that is not here yet.
  void add(const LaneNew& rcpt, base::MonoTime now);
  // Takes a recipient out for good. True when it is gone; false when it is with a carrier (it will
  // not be offered again: its result is the last word) or unknown.
  bool remove(const RcptRef& rcpt);
  [[nodiscard]] bool contains(const RcptRef& rcpt) const;

  // Attempts that may start now, at most `limit`. Destinations take turns; those with new mail
  // before the others, but for each fifth turn; within a destination the same.
  [[nodiscard]] std::vector<LaneAttempt> next(base::MonoTime now, std::size_t limit = 100);
  // Ends an attempt. The hint when the lane's state changed (went down, was probed in vain, is up).
  std::optional<LaneHint> report(std::uint64_t attempt, const LaneResult& result,
                                 base::MonoTime now);
  // Ends an attempt whose connection is still good, and gives it the next recipients of the same
  // destination. nullopt when there are none, or when it is others' turn: close the connection.
  struct Continued {
    std::optional<LaneHint> hint;
    std::optional<LaneAttempt> attempt;
  };
  [[nodiscard]] Continued report_and_continue(std::uint64_t attempt, const LaneResult& result,
                                              base::MonoTime now);
  // When next() will have something to offer; nullopt when only another call can change that.
  [[nodiscard]] std::optional<base::MonoTime> wake_at() const;

  // ETRN, ATRN, `retry`: all mail that waits for the destination is due now, whatever its lane's
  // back-off; through a suspension too. Held recipients stay. Returns how many were woken.
  std::size_t kick(std::string_view destination, base::MonoTime now);
  // The same for one recipient, whose lane is probed now. False when unknown, active or held.
  bool kick(const RcptRef& rcpt, base::MonoTime now);
  // A held recipient is not offered until released. False when unknown (or done already).
  bool hold(const RcptRef& rcpt);
  bool release(const RcptRef& rcpt, base::MonoTime now);
  // suspend_domain: nothing is offered for it, now or later, but what a kick() lets pass.
  void suspend(std::string_view destination);
  void resume(std::string_view destination, base::MonoTime now);
  // What a hint said before the restart; after the recipients were added, as lanes without any are
  // remembered in small number only.
  void restore(std::string_view destination, const LaneHint& hint, base::MonoTime now);

  [[nodiscard]] std::optional<LaneRcptView> view(const RcptRef& rcpt) const;
  [[nodiscard]] std::optional<LaneView> view(std::string_view destination) const;
  // Every lane that has recipients, is down or suspended.
  void for_each_lane(const std::function<void(const LaneView&)>& visit) const;
  [[nodiscard]] std::size_t size() const { return store_.size(); }           // recipients
  [[nodiscard]] std::size_t connections() const { return flights_.size(); }  // attempts under way

 private:
  struct Flight {
    std::uint32_t lane = kNoIndex;
    base::MonoTime started;
    std::vector<std::uint32_t> slots;
  };

  [[nodiscard]] std::uint32_t find_lane(std::string_view destination) const;
  std::uint32_t make_lane(std::string_view destination);
  void erase_lane(std::uint32_t lane);
  void advance(base::MonoTime now);
  void settle_seat(std::uint32_t lane);
  void leave_seat(std::uint32_t lane);
  std::uint32_t pick_lane();
  [[nodiscard]] std::size_t share_of(const Lane& lane) const;
  LaneAttempt start_attempt(std::uint32_t lane);
  [[nodiscard]] std::vector<LaneOffer> offers_for(const Lane& lane,
                                                  std::vector<std::uint32_t>& slots) const;
  Flight land(std::uint64_t attempt);
  std::optional<LaneHint> settle(const Flight& flight, const LaneResult& result);
  void settle_reached(Lane& lane, const Flight& flight, const LaneResult& result);
  void settle_failed(Lane& lane, const Flight& flight, const LaneResult& result);
  void settle_untried(Lane& lane, const Flight& flight, const LaneResult& result);
  bool settle_flags(Lane& lane, std::uint32_t slot, const LaneRcptResult& result);
  void put_by_due(Lane& lane, std::uint32_t slot);
  void forget(Lane& lane, std::uint32_t slot);
  [[nodiscard]] LaneView view_of(const Lane& lane) const;

  LaneOptions options_;
  const RetrySchedule& schedule_;
  base::Random& random_;
  LaneStore store_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<std::uint32_t> free_lanes_;
  std::unordered_map<std::string_view, std::uint32_t> by_name_;  // keys live in the lanes
  IndexList fresh_ring_;
  IndexList retry_ring_;
  IndexList idle_;  // least recently used first
  IndexHeap sleeping_;
  unsigned fresh_in_a_row_ = 0;
  std::unordered_map<std::uint64_t, Flight> flights_;
  std::uint64_t next_attempt_ = 1;
  base::MonoTime now_ = base::MonoTime::min();
};

}  // namespace posthouse::queue
