// Owns the arithmetic of retries. Pure; see the header.
#include "queue/retry_schedule.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace posthouse::queue {

RetrySchedule::RetrySchedule(RetrySettings settings) : settings_(std::move(settings)) {
  PH_ASSERT(!settings_.waits.empty(), "a retry schedule has a wait");
  PH_ASSERT(*std::min_element(settings_.waits.begin(), settings_.waits.end()) > base::Duration(0),
            "every wait of a retry schedule is positive");
  longest_ = *std::max_element(settings_.waits.begin(), settings_.waits.end());
}

base::Duration RetrySchedule::base_wait(unsigned failures) const {
  PH_ASSERT(failures > 0, "a wait follows a failure");
  return settings_.waits[std::min<std::size_t>(failures, settings_.waits.size()) - 1];
}

base::Duration RetrySchedule::wait(unsigned failures, base::Random& random) const {
  const base::Duration base = base_wait(failures);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(base).count();
  const auto most = static_cast<std::uint64_t>(seconds) * kJitterPercent / 100;
  return base + std::chrono::seconds(random.below(most + 1));
}

std::optional<base::Duration> RetrySchedule::next_wait(const RetryCase& failure,
                                                       base::Random& random) const {
  base::Duration next = wait(failure.failures, random);
  const base::Duration left = lifetime(failure.null_sender) - failure.age;
  if (left <= base::Duration(0)) {
    return std::nullopt;
  }
  // A server that says "in a year" is not believed; one that says "at once" is not obeyed.
  next = std::max(next, std::min(failure.hint, longest_));
  return std::min(next, left);
}

base::Duration RetrySchedule::lifetime(bool null_sender) const {
  return null_sender ? settings_.bounce_retrytime : settings_.max_retrytime;
}

base::WallTime RetrySchedule::expires_at(base::WallTime arrival, bool null_sender) const {
  return arrival + lifetime(null_sender);
}

std::optional<base::WallTime> RetrySchedule::warn_at(base::WallTime arrival,
                                                     bool null_sender) const {
  const bool never = settings_.delay_warn <= base::Duration(0) || null_sender ||
                     settings_.delay_warn >= lifetime(null_sender);
  return never ? std::nullopt : std::optional(arrival + settings_.delay_warn);
}

}  // namespace posthouse::queue
