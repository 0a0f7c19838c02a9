// Replies from the wire (see reply_parser.hpp). Pure; any thread.
#include "mail/reply_parser.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "base/text.hpp"

namespace posthouse::mail {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Digits at `at`, at most `limit` of them; leaves `at` behind them.
bool skip_number(std::string_view text, std::size_t& at, std::size_t limit) {
  const std::size_t begin = at;
  while (at < text.size() && at - begin < limit && is_digit(text[at])) {
    ++at;
  }
  return at != begin && (at == text.size() || !is_digit(text[at]));
}

// 0 when the line does not begin with a code of RFC 5321 4.2. The second digit is not looked at:
// codes outside the ranges of the standard exist, and the first digit decides.
int code_of(std::string_view line) {
  if (line.size() < 3 || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) ||
      !is_digit(line[2])) {
    return 0;
  }
  return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

// Where a line is cut, a character of several octets may be cut, too; its beginning goes.
std::string_view whole_characters(std::string_view text) {
  std::size_t size = text.size();
  while (size > 0 && text.size() - size < 3 &&
         (static_cast<unsigned char>(text[size - 1]) & 0xc0U) == 0x80U) {
    --size;
  }
  if (size > 0 && (static_cast<unsigned char>(text[size - 1]) & 0x80U) != 0 &&
      !base::is_utf8(text.substr(size - 1))) {
    return text.substr(0, size - 1);
  }
  return text;
}

}  // namespace

std::string_view enhanced_code(std::string_view text) {
  if (text.size() < 5 || (text[0] != '2' && text[0] != '4' && text[0] != '5') || text[1] != '.') {
    return {};
  }
  std::size_t at = 2;
  if (!skip_number(text, at, 3) || at == text.size() || text[at] != '.') {
    return {};
  }
  ++at;
  if (!skip_number(text, at, 3) || (at < text.size() && text[at] != ' ')) {
    return {};
  }
  return text.substr(0, at);
}

void ReplyParser::reset() { *this = ReplyParser(); }

ReplyParser::Status ReplyParser::fail(std::string_view why) {
  why_ = why;
  return Status::malformed;
}

ReplyParser::Status ReplyParser::feed(std::string_view& input) {
  PH_ASSERT(why_.empty(), "a malformed reply ends the dialogue");
  if (!begun_) {
    begun_ = true;
    reply_ = Reply(0, {}, {});
  }
  while (!input.empty()) {
    const std::size_t end = input.find('\n');
    const std::size_t size = end == std::string_view::npos ? input.size() : end + 1;
    octets_ += size;
    if (octets_ > kMaxReplyOctets) {
      return fail("the reply has no end");
    }
    const std::string_view text = input.substr(0, end == std::string_view::npos ? size : end);
    // One octet more than is kept, so that a CR at the limit can be told from text.
    line_ += text.substr(0, kMaxReplyLineKept + 1 - line_.size());
    input.remove_prefix(size);
    if (end == std::string_view::npos) {
      // A peer that does not speak SMTP is recognised without the end of its line.
      if (line_.size() >= 3 && code_of(line_) == 0) {
        return fail("the reply has no code");
      }
      return Status::more;
    }
    if (const Status status = end_line(); status != Status::more) {
      return status;
    }
  }
  return Status::more;
}

ReplyParser::Status ReplyParser::end_line() {
  std::string_view line = line_;
  if (!line.empty() && line.back() == '\r') {
    line.remove_suffix(1);
  }
  if (line.size() >= kMaxReplyLineKept) {
    line = whole_characters(line.substr(0, kMaxReplyLineKept));
  }
  const int code = code_of(line);
  if (code == 0) {
    return fail("the reply has no code");
  }
  // RFC 5321 4.2: a code alone is accepted like one with a space behind it.
  const char mark = line.size() > 3 ? line[3] : ' ';
  if (mark != ' ' && mark != '-') {
    return fail("the reply has no space behind its code");
  }
  if (lines_ != 0 && code != reply_.code) {
    return fail("the lines of the reply have different codes");  // RFC 5321 4.2.1
  }
  if (++lines_ > kMaxReplyLines) {
    return fail("the reply has too many lines");
  }
  reply_.code = code;
  add_text(line.size() > 4 ? line.substr(4) : std::string_view());
  line_.clear();
  if (mark == '-') {
    return Status::more;
  }
  octets_ = 0;
  lines_ = 0;
  begun_ = false;
  return Status::complete;
}

void ReplyParser::add_text(std::string_view text) {
  const std::string_view code = enhanced_code(text);
  if (lines_ == 1 && !code.empty() && code[0] - '0' == reply_.code / 100) {
    reply_.enhanced = code;  // RFC 2034 4
  }
  if (!code.empty() && code == reply_.enhanced) {
    text.remove_prefix(std::min(code.size() + 1, text.size()));
  }
  if (lines_ > 1) {
    if (reply_.text.size() + 1 >= kMaxReplyKept) {
      return;
    }
    reply_.text += '\n';
  }
  const std::size_t room = kMaxReplyKept - reply_.text.size();
  if (text.size() > room) {
    text = whole_characters(text.substr(0, room));
  }
  const bool utf8 = base::is_utf8(text);  // RFC 6531 3.7.4.2 lets replies hold UTF-8
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    const bool harmless = c == '\t' || (octet >= 0x20 && octet < 0x7f) || (octet >= 0x80 && utf8);
    reply_.text += harmless ? c : '?';
  }
}

}  // namespace posthouse::mail
