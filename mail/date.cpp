// Owns the forms of dates. Pure; any thread.
#include "mail/date.hpp"

#include <cstdlib>
#include <string_view>

#include "base/assert.hpp"

namespace posthouse::mail {

namespace {

constexpr std::string_view kDays = "SunMonTueWedThuFriSat";
constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";

struct Parts {
  std::string_view day_name;
  std::string_view month_name;
  unsigned day;
  unsigned year;
  unsigned second_of_day;
};

Parts parts_of(base::WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::weekday weekday(day);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time - day);
  return {kDays.substr(weekday.c_encoding() * 3, 3),
          kMonths.substr((static_cast<unsigned>(date.month()) - 1) * 3, 3),
          static_cast<unsigned>(date.day()), static_cast<unsigned>(static_cast<int>(date.year())),
          static_cast<unsigned>(seconds.count())};
}

void append_two(std::string& out, unsigned value) {
  out += static_cast<char>('0' + value / 10 % 10);
  out += static_cast<char>('0' + value % 10);
}

void append_clock(std::string& out, unsigned second_of_day) {
  append_two(out, second_of_day / 3600);
  out += ':';
  append_two(out, second_of_day / 60 % 60);
  out += ':';
  append_two(out, second_of_day % 60);
}

void append_year(std::string& out, unsigned year) {
  append_two(out, year / 100);
  append_two(out, year % 100);
}

}  // namespace

std::string format_date(base::WallTime time, std::chrono::minutes offset) {
  PH_ASSERT(offset > -std::chrono::days(1) && offset < std::chrono::days(1),
            "an offset from UTC is less than a day");
  const Parts parts = parts_of(time + offset);
  std::string out;
  out.reserve(32);
  out += parts.day_name;
  out += ", ";
  if (parts.day >= 10) {
    out += static_cast<char>('0' + parts.day / 10);
  }
  out += static_cast<char>('0' + parts.day % 10);
  out += ' ';
  out += parts.month_name;
  out += ' ';
  append_year(out, parts.year);
  out += ' ';
  append_clock(out, parts.second_of_day);
  out += offset.count() < 0 ? " -" : " +";
  const auto minutes = static_cast<unsigned>(std::abs(offset.count()));
  append_two(out, minutes / 60);
  append_two(out, minutes % 60);
  return out;
}

std::string format_mbox_date(base::WallTime time) {
  const Parts parts = parts_of(time);
  std::string out;
  out.reserve(24);
  out += parts.day_name;
  out += ' ';
  out += parts.month_name;
  out += ' ';
  out += parts.day >= 10 ? static_cast<char>('0' + parts.day / 10) : ' ';
  out += static_cast<char>('0' + parts.day % 10);
  out += ' ';
  append_clock(out, parts.second_of_day);
  out += ' ';
  append_year(out, parts.year);
  return out;
}

}  // namespace posthouse::mail
