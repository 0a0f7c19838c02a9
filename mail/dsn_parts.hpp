// The pieces of a report that dsn_report.cpp puts together; nobody else includes this. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mail/dsn_report.hpp"

namespace posthouse::mail {

// `text` fit for one line of a report: controls but tab become '?', and so does everything beyond
// ASCII unless `utf8` and the text is well-formed UTF-8; cut at `limit` octets, not within a
// character.
[[nodiscard]] std::string report_line(std::string_view text, bool utf8, std::size_t limit = 500);

// The lines of a remote's reply, each as report_line() makes it; empty ones are left out.
// LIMIT: 20 lines.
[[nodiscard]] std::vector<std::string> report_lines(std::string_view reply, bool utf8);

// Whether a line begins as an SMTP reply does (RFC 5321 4.2).
[[nodiscard]] bool is_smtp_reply(std::string_view line);

// True when some recipient can only be named in UTF-8 (RFC 6533).
[[nodiscard]] bool names_need_utf8(const Report& report);

// What goes back of the original, as the first part announces it.
enum class Returned : std::uint8_t { nothing, header, message };

// First part, without its MIME fields. Lines end with CRLF; 8-bit only if names_need_utf8().
[[nodiscard]] std::string build_report_words(const Report& report, Returned returned);
// Second part: message/delivery-status (RFC 3464 2.1) or message/global-delivery-status.
[[nodiscard]] std::string build_report_fields(const Report& report);

}  // namespace posthouse::mail
