// The transparency of mail data on the wire: RFC 5321 4.5.2 (SMTP), RFC 1939 3 (POP3). DotDecoder
// reads it (SMTP server, POP3 client), DotEncoder writes it (SMTP client, POP3 server). Both are
// incremental: any split of the input gives the same result. Pure; nothing fails.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mail/eol.hpp"

namespace posthouse::mail {

// Reads one message up to its end, CRLF.CRLF (or .CRLF as the very first line, RFC 5321 4.1.1.4).
// Nothing else ends it (RFC 5321 2.3.8): a CR without LF or an LF without CR is kept as text and
// noted, so that the caller can refuse the message after its true end.
class DotDecoder {
 public:
  struct Fed {
    std::size_t consumed = 0;  // octets of the input that belong to the message and its end
    bool finished = false;     // the end was among them; what follows is the next command
  };

  // Appends the decoded octets of `input` to `out` (the CRLF of the last line included, the ending
  // dot line not). Consumes all of `input` unless the end comes first. Must not be called again
  // after it returned finished, before reset().
  Fed feed(std::string_view input, std::string& out);

  // From here on nothing is appended any more (the message is too large, or refused already); the
  // end is still looked for and the counters run on.
  void discard_rest() { discard_ = true; }
  void reset() { *this = DotDecoder(); }

  [[nodiscard]] bool finished() const { return state_ == State::finished; }
  // A bare CR or LF was seen. A CR at the very end of the input so far does not count yet.
  [[nodiscard]] bool bare_newline() const { return bare_; }
  // Octets decoded, whether appended or discarded.
  [[nodiscard]] std::uint64_t octets() const { return octets_; }
  // Longest line so far in octets, without its CRLF and without the doubled dot.
  [[nodiscard]] std::uint64_t longest_line() const { return longest_ > line_ ? longest_ : line_; }

 private:
  enum class State : std::uint8_t {
    line_start,  // at the beginning or after CRLF
    text,        // within a line
    text_cr,     // after a CR within a line
    dot,         // after a dot at the start of a line, which is not passed on
    dot_cr,      // after that dot and a CR, which is held back
    finished,
  };

  std::size_t pass_text(std::string_view input);
  void append(std::string_view text, std::string& out);

  State state_ = State::line_start;
  bool bare_ = false;
  bool discard_ = false;
  std::uint64_t octets_ = 0;
  std::uint64_t line_ = 0;  // octets of the present line
  std::uint64_t longest_ = 0;
};

// Writes messages with a dot doubled at each line start, ended by a line that holds a dot alone.
// LineEnd::crlf: the input is in wire form already. LineEnd::lf: a stored message; each LF without
// CR becomes CRLF on the way. A bare CR stays; mail that holds one is refused at the door.
class DotEncoder {
 public:
  explicit DotEncoder(LineEnd input) : input_(input) {}

  void feed(std::string_view chunk, std::string& out);
  // Ends the last line if need be, appends ".\r\n" and is ready for the next message.
  void finish(std::string& out);

 private:
  LineEnd input_;
  bool line_start_ = true;
  bool after_cr_ = false;
};

}  // namespace posthouse::mail
