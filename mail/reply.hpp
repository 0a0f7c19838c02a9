// An SMTP reply with its enhanced status code (RFC 5321 4.2, RFC 2034, RFC 3463).
#pragma once

#include <string>
#include <string_view>

namespace posthouse::mail {

struct Reply {
  int code = 250;        // 200..599
  std::string enhanced;  // "5.1.1"; empty where RFC 2034 forbids one (220, 354, EHLO)
  std::string text;      // one line, or several separated by '\n'

  Reply() = default;
  Reply(int c, std::string_view e, std::string_view t) : code(c), enhanced(e), text(t) {}
  [[nodiscard]] bool positive() const { return code < 400; }
  [[nodiscard]] bool transient() const { return code >= 400 && code < 500; }
  [[nodiscard]] bool permanent() const { return code >= 500; }
};

// Wire form with CRLF, multi-line "250-…" when needed; lines are cut at 512 octets (4.5.3.1.5) and
// control characters become '?'.
void append_reply(std::string& out, const Reply& reply);

}  // namespace posthouse::mail
