// Dialogues in text files: what a client sends and what a server must answer, for any line
// protocol. Owns the format (README.md), the comparison and the ways of cutting the client's
// octets. Used by the test programs beside it, each of which supplies a Peer; run_dialogs.py reads
// the same files and plays them to a real server. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace posthouse::dialogs {

struct Line {
  enum class Kind : std::uint8_t {
    send,     // text: octets for the server
    expect,   // text: pattern of one line, without CRLF
    tls,      // the client starts its TLS handshake now
    close,    // the server has closed the connection
    event,    // text: pattern of what the server's surroundings saw
    trigger,  // text: something happens to the server ("timeout")
  };
  Kind kind = Kind::send;
  std::string text;
  int number = 0;  // in the file
};

struct Dialog {
  std::string name;
  std::multimap<std::string, std::string> options;
  std::vector<Line> lines;

  [[nodiscard]] std::string option(std::string_view key, std::string_view fallback = {}) const;
  [[nodiscard]] std::uint64_t number(std::string_view key, std::uint64_t fallback) const;
  // All values of a repeated option, in the order of the file.
  [[nodiscard]] std::vector<std::string> all(std::string_view key) const;
};

using Variables = std::map<std::string, std::string>;

// Reads a file's text. False with "NAME:LINE: what is wrong" in `*error`.
[[nodiscard]] bool parse_dialog(std::string_view name, std::string_view text, Dialog* dialog,
                                std::string* error);
// Replaces {name} by the variable of that name everywhere; other braces stay.
void substitute(Dialog& dialog, const Variables& variables);

// '*' stands for any octets, '\*' for a star.
[[nodiscard]] bool matches(std::string_view pattern, std::string_view text);

// "\r \n \t \0 \\ \xNN" to octets; anything else stays as it is.
[[nodiscard]] std::string unescape(std::string_view text);
// The other way round, for messages and events: CR, LF, NUL, tab, backslash and what is no ASCII.
[[nodiscard]] std::string escape(std::string_view octets);

// The server under test.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual void send(std::string_view octets) = 0;      // one piece of the client's octets
  virtual std::string take_output() = 0;               // all that was answered since the last call
  [[nodiscard]] virtual bool closed() const = 0;       // the server has closed
  virtual void start_tls() = 0;                        // the client's handshake succeeds
  virtual void trigger(const std::string& what) = 0;   // false triggers are the dialogue's fault
  virtual std::vector<std::string> take_events() = 0;  // since the last call
};

enum class Split : std::uint8_t {
  whole,      // as the file says: everything up to the next answer in one piece
  octets,     // one by one
  random,     // pieces by seed
  pipelined,  // everything up to the next TLS or trigger in one piece, answers compared afterwards
};

// Plays the dialogue. Empty when all is as expected, else what differs, with line numbers.
[[nodiscard]] std::string play(const Dialog& dialog, Peer& peer, Split split, std::uint64_t seed);

}  // namespace posthouse::dialogs
