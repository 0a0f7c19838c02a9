// How one log event is written, apart from where it goes. Used by log.cpp and its tests only.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "base/log.hpp"

namespace posthouse::base {

struct LogLine {
  WallTime time;
  LogLevel level = LogLevel::info;
  std::string_view module;
  std::string_view id;
  std::string_view event;
  std::initializer_list<LogField> fields;
};

inline constexpr std::size_t kMaxLogValue = 1024;  // longer values are cut and end in "..."

// Appends the line without a line end. Whatever the values hold, the result is one line of valid
// UTF-8 without control characters: a peer can neither forge a line nor steer a terminal.
void append_log_line(std::string& out, LogFormat format, const LogLine& line);

}  // namespace posthouse::base
