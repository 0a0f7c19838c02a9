// Owns the text and the JSON form of a log line and their escaping. Pure; any thread.
#include "base/log_format.hpp"

#include <cstdint>

#include "base/text.hpp"

namespace posthouse::base {

namespace {

constexpr char kHex[] = "0123456789abcdef";

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::error:
      return "error";
    case LogLevel::info:
      return "info";
    case LogLevel::debug:
      return "debug";
  }
  return "error";
}

std::uint8_t octet(char c) { return static_cast<std::uint8_t>(c); }

// Characters beyond ASCII that a terminal or a viewer obeys instead of showing: C1 controls
// (U+0080..9F), line and paragraph separators and the marks that turn text around (U+2028..202E,
// U+2066..2069). `text` starts with such a character when the result is not zero: its length.
std::size_t hidden_control(std::string_view text) {
  if (text.size() >= 2 && octet(text[0]) == 0xc2 && octet(text[1]) <= 0x9f) {
    return 2;
  }
  if (text.size() >= 3 && octet(text[0]) == 0xe2) {
    const bool separator =
        octet(text[1]) == 0x80 && octet(text[2]) >= 0xa8 && octet(text[2]) <= 0xae;
    const bool isolate = octet(text[1]) == 0x81 && octet(text[2]) >= 0xa6 && octet(text[2]) <= 0xa9;
    return separator || isolate ? 3 : 0;
  }
  return 0;
}

// `escape` begins the written form of an octet: "\x" in text, "\\x" within a JSON string.
void append_octets(std::string& out, std::string_view octets, std::string_view escape) {
  for (const char c : octets) {
    out += escape;
    out += kHex[octet(c) >> 4];
    out += kHex[octet(c) & 0xf];
  }
}

void append_escaped(std::string& out, std::string_view value, std::string_view escape) {
  const bool cut = value.size() > kMaxLogValue;
  value = value.substr(0, kMaxLogValue);
  // Cutting may split a character, which would spoil the whole value.
  while (cut && !value.empty() && (octet(value.back()) & 0xc0) == 0x80) {
    value.remove_suffix(1);
  }
  if (cut && !value.empty() && octet(value.back()) >= 0xc0) {
    value.remove_suffix(1);
  }
  const bool utf8 = is_utf8(value);
  while (!value.empty()) {
    const char c = value[0];
    std::size_t length = 1;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else {
      const std::size_t hidden = octet(c) >= 0x80 ? (utf8 ? hidden_control(value) : 1)
                                                  : (octet(c) < 0x20 || c == 0x7f ? 1 : 0);
      length = hidden == 0 ? 1 : hidden;
      if (hidden == 0) {
        out += c;
      } else {
        append_octets(out, value.substr(0, length), escape);
      }
    }
    value.remove_prefix(length);
  }
  if (cut) {
    out += "...";
  }
}

bool needs_quotes(std::string_view value) {
  for (const char c : value) {
    if (octet(c) <= ' ' || octet(c) >= 0x7f || c == '"' || c == '\\' || c == '=') {
      return true;
    }
  }
  return value.empty() || value.size() > kMaxLogValue;
}

void append_text_value(std::string& out, std::string_view value) {
  if (!needs_quotes(value)) {
    out += value;
    return;
  }
  out += '"';
  append_escaped(out, value, "\\x");
  out += '"';
}

void append_text(std::string& out, const LogLine& line) {
  out += format_rfc3339(line.time);
  out += ' ';
  out += level_name(line.level);
  out += ' ';
  append_text_value(out, line.module);
  out += ' ';
  append_text_value(out, line.id.empty() ? "-" : line.id);
  out += ' ';
  append_escaped(out, line.event, "\\x");
  for (const LogField& field : line.fields) {
    out += ' ';
    append_escaped(out, field.key, "\\x");
    out += '=';
    append_text_value(out, field.value);
  }
}

void append_member(std::string& out, std::string_view key, std::string_view value) {
  out += ",\"";
  append_escaped(out, key, "\\\\x");
  out += "\":\"";
  append_escaped(out, value, "\\\\x");
  out += '"';
}

void append_json(std::string& out, const LogLine& line) {
  out += "{\"time\":\"";
  out += format_rfc3339(line.time);
  out += '"';
  append_member(out, "level", level_name(line.level));
  append_member(out, "module", line.module);
  append_member(out, "id", line.id.empty() ? "-" : line.id);
  append_member(out, "event", line.event);
  for (const LogField& field : line.fields) {
    append_member(out, field.key, field.value);
  }
  out += '}';
}

}  // namespace

void append_log_line(std::string& out, LogFormat format, const LogLine& line) {
  if (format == LogFormat::json) {
    append_json(out, line);
  } else {
    append_text(out, line);
  }
}

}  // namespace posthouse::base
