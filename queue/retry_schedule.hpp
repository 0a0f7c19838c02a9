// When a recipient is tried again, when it is given up, and when its sender is told of the delay:
// the settings retry_schedule, max_retrytime, bounce_retrytime and delay_warn. The queue and
// `simulate` ask the same object. Pure but for the jitter, which comes from the caller's Random, so
// that a seed replays a history to the second; any thread that owns the Random.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "base/random.hpp"
#include "base/time.hpp"

namespace posthouse::queue {

struct RetrySettings {
  // The wait after the first failure, the second, …; the last one repeats. Each positive.
  std::vector<base::Duration> waits = {std::chrono::minutes(1),  std::chrono::minutes(5),
                                       std::chrono::minutes(15), std::chrono::minutes(30),
                                       std::chrono::hours(1),    std::chrono::hours(2)};
  base::Duration max_retrytime = std::chrono::hours(120);
  base::Duration bounce_retrytime = std::chrono::hours(48);  // for the null sender
  base::Duration delay_warn = std::chrono::hours(4);         // 0: never
};

// What the wait after a failure depends on.
struct RetryCase {
  unsigned failures = 1;  // so far, the present one included
  base::Duration age{};   // of the message, at the failure
  bool null_sender = false;
  base::Duration hint{};  // "try again in …" of the remote server; 0: none
};

class RetrySchedule {
 public:
  // At most this share of a wait is added to it, in whole seconds, so that messages that failed
  // together do not come back together. Nothing is ever subtracted.
  static constexpr int kJitterPercent = 10;

  explicit RetrySchedule(RetrySettings settings = {});

  // The schedule itself, without jitter. `failures` from 1.
  [[nodiscard]] base::Duration base_wait(unsigned failures) const;
  // With jitter.
  [[nodiscard]] base::Duration wait(unsigned failures, base::Random& random) const;

  // How long to wait before the next try; nullopt when the message's time is over, so that this
  // failure is final (5.4.7). The last try is made when the time ends, not after it. A hint makes
  // the wait longer, up to the longest of the schedule, and never shorter. Draws from `random` once
  // whatever the case, so that hints and expiry leave later waits alone.
  [[nodiscard]] std::optional<base::Duration> next_wait(const RetryCase& failure,
                                                        base::Random& random) const;

  // How long a message may stay in the queue.
  [[nodiscard]] base::Duration lifetime(bool null_sender) const;
  [[nodiscard]] base::WallTime expires_at(base::WallTime arrival, bool null_sender) const;
  // When its sender is told that it is delayed: once, whether it was tried by then or not. nullopt:
  // never (switched off, the null sender, or the message's time is over before).
  [[nodiscard]] std::optional<base::WallTime> warn_at(base::WallTime arrival,
                                                      bool null_sender) const;

 private:
  RetrySettings settings_;
  base::Duration longest_;
};

}  // namespace posthouse::queue
