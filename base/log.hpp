// Logging façade: one line per event, "time level module id event key=value…" (or one JSON object).
// Written by a background thread through a bounded queue; when it is full, info and debug lines are
// dropped and counted, errors wait. Never give it passwords or message bodies. Safe from any
// thread.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/time.hpp"

namespace posthouse::base {

enum class LogLevel : std::uint8_t { error, info, debug };
enum class LogFormat : std::uint8_t { text, json };

// One key and value of an event. Values are quoted and control characters escaped on output.
struct LogField {
  std::string_view key;
  std::string value;
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, std::uint64_t v) : key(k), value(std::to_string(v)) {}
};

// `module` is the folder ("smtpd"), `id` the session or queue id ("-" when there is none), `event`
// a short fixed phrase ("message accepted").
void log_event(LogLevel level, std::string_view module, std::string_view id, std::string_view event,
               std::initializer_list<LogField> fields = {});

// Cheap test to avoid building fields that would be dropped.
[[nodiscard]] bool log_enabled(LogLevel level);

struct LogOptions {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;
  std::string file;  // empty: standard error
  const Clock* clock = nullptr;
};

// (Re)configures the log; may be called again on reload. Without it lines go to standard error at
// level info. Returns false when the file cannot be opened (the old target is kept).
bool configure_log(const LogOptions& options);
void set_log_level(LogLevel level);
// Waits until everything queued is written, five seconds at most; call before exit.
void flush_log();
// Tests: gets every formatted line instead of the target; empty function restores.
void set_log_capture(std::function<void(std::string_view line)> capture);

}  // namespace posthouse::base
