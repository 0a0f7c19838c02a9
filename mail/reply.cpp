// Owns the wire form of SMTP replies. Pure; any thread.
#include "mail/reply.hpp"

#include "base/assert.hpp"

namespace posthouse::mail {

namespace {

constexpr std::size_t kMaxReplyLine = 512;  // RFC 5321 4.5.3.1.5, CRLF included

void append_line(std::string& out, const Reply& reply, std::string_view text, bool last) {
  const std::size_t begin = out.size();
  out += static_cast<char>('0' + reply.code / 100);
  out += static_cast<char>('0' + reply.code / 10 % 10);
  out += static_cast<char>('0' + reply.code % 10);
  out += last ? ' ' : '-';
  if (!reply.enhanced.empty()) {
    out += reply.enhanced;  // RFC 2034 4: on every line
    out += ' ';
  }
  const std::size_t used = out.size() - begin + 2;
  text = text.substr(0, used < kMaxReplyLine ? kMaxReplyLine - used : 0);
  for (const char c : text) {
    // RFC 5321 4.2: textstring = 1*(%d09 / %d32-126)
    out += c == '\t' || (c >= 0x20 && c <= 0x7e) ? c : '?';
  }
  if (text.empty() && !reply.enhanced.empty()) {
    out.pop_back();
  }
  out += "\r\n";
}

}  // namespace

void append_reply(std::string& out, const Reply& reply) {
  PH_ASSERT(reply.code >= 200 && reply.code <= 599, "a reply code has three digits, 2 to 5 first");
  std::string_view text = reply.text;
  for (;;) {
    const auto end = text.find('\n');
    append_line(out, reply, text.substr(0, end), end == std::string_view::npos);
    if (end == std::string_view::npos) {
      return;
    }
    text.remove_prefix(end + 1);
  }
}

}  // namespace posthouse::mail
