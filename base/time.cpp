// Owns the production clock and the written form of times. Pure apart from reading the system's
// clocks; any thread.
#include "base/time.hpp"

namespace posthouse::base {

namespace {

class SystemClock final : public Clock {
 public:
  WallTime wall() const override {
    return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  }
  MonoTime mono() const override {
    return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now());
  }
};

// Writes `value` as `width` decimal digits ending at `end`.
void put_digits(char* end, unsigned value, int width) {
  for (int i = 0; i < width; ++i) {
    *--end = static_cast<char>('0' + value % 10);
    value /= 10;
  }
}

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

std::string format_rfc3339(WallTime time) {
  // Written by hand: every log line needs it, and the formatting libraries take a microsecond.
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::milliseconds>(time - day));
  std::string text = "0000-00-00T00:00:00.000Z";
  char* const out = text.data();
  put_digits(out + 4, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  put_digits(out + 7, static_cast<unsigned>(date.month()), 2);
  put_digits(out + 10, static_cast<unsigned>(date.day()), 2);
  put_digits(out + 13, static_cast<unsigned>(clock.hours().count()), 2);
  put_digits(out + 16, static_cast<unsigned>(clock.minutes().count()), 2);
  put_digits(out + 19, static_cast<unsigned>(clock.seconds().count()), 2);
  put_digits(out + 23, static_cast<unsigned>(clock.subseconds().count()), 3);
  return text;
}

}  // namespace posthouse::base
