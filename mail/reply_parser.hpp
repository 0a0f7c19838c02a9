// Reads SMTP replies as a client gets them (RFC 5321 4.2), split anywhere. Owns the octets of an
// unfinished line and the reply so far, both bounded whatever the peer sends. Called by
// deliver/smtp_client; pure, one thread at a time. After `malformed` the dialogue cannot be trusted
// any more: feed() must not be called again before reset().
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "mail/reply.hpp"

namespace posthouse::mail {

inline constexpr std::size_t kMaxReplyLineKept = 2048;       // LIMIT: the rest of a line is dropped
inline constexpr std::size_t kMaxReplyKept = 16384;          // LIMIT: text of all lines together
inline constexpr std::size_t kMaxReplyOctets = 1024 * 1024;  // LIMIT: beyond this it is a flood
inline constexpr std::size_t kMaxReplyLines = 500;           // LIMIT: beyond this it is a flood

class ReplyParser {
 public:
  enum class Status { more, complete, malformed };

  // Takes octets from the front of `input`, which it shortens, up to the end of one reply. Returns
  // `complete` when reply() is that reply, `more` when all of `input` was used up before its end.
  // A line may end with CRLF or, tolerated, LF alone. Malformed are: a line that does not begin
  // with three digits 2-5, 0-9, 0-9 and then space, hyphen or nothing; lines of one reply with
  // different codes; a flood.
  [[nodiscard]] Status feed(std::string_view& input);

  // The reply that is complete. `enhanced` is the code of RFC 3463 at the beginning of the first
  // line, if its class is that of the reply; it is taken off every line that repeats it. Lines in
  // `text` are separated by '\n'; controls and broken UTF-8 in them became '?'.
  [[nodiscard]] const Reply& reply() const { return reply_; }
  [[nodiscard]] Reply take() { return std::move(reply_); }

  // After malformed: what was wrong, in words.
  [[nodiscard]] std::string_view why() const { return why_; }
  // A reply has begun and is not complete.
  [[nodiscard]] bool in_reply() const { return octets_ != 0; }
  void reset();

 private:
  [[nodiscard]] Status end_line();
  [[nodiscard]] Status fail(std::string_view why);
  void add_text(std::string_view text);

  std::string line_;
  Reply reply_;
  std::string_view why_;
  std::size_t octets_ = 0;  // of the reply so far, dropped ones included
  std::size_t lines_ = 0;
  bool begun_ = false;  // the next octets belong to the reply in reply_
};

// The enhanced status code at the beginning of `text` ("5.1.1" of "5.1.1 no such user"), empty when
// there is none (RFC 3463 2).
[[nodiscard]] std::string_view enhanced_code(std::string_view text);

}  // namespace posthouse::mail
