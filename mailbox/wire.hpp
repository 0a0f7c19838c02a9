// A stored message (LF) in wire form (CRLF), read piece by piece. Used by maildrop for RETR and TOP
// on mailbox pool threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/disk.hpp"
#include "mail/eol.hpp"
#include "mailbox/content.hpp"

namespace posthouse::mailbox {

// Where a message lies in a file.
struct WireSource {
  std::unique_ptr<base::File> file;
  std::uint64_t begin = 0;
  std::uint64_t end = UINT64_MAX;  // UINT64_MAX: the end of the file
  std::uint64_t expected = 0;      // octets, as far as known: the size of the first read
  bool unquote = false;            // mbox
};

class WireCursor {
 public:
  // Begins at offset 0 of the wire form. `body_lines`: lines of the body behind the header and its
  // blank line; UINT64_MAX for all.
  WireCursor(WireSource source, std::uint64_t body_lines);
  // Appends at most `limit` octets to `*out`; true when the end was reached.
  [[nodiscard]] base::Result<bool> read(std::size_t limit, std::string* out);
  [[nodiscard]] std::uint64_t position() const { return position_; }
  [[nodiscard]] std::uint64_t body_lines() const { return body_lines_; }

 private:
  base::Result<> fill();
  void cut_at_last_line(std::size_t from);

  WireSource source_;
  const std::uint64_t body_lines_;
  std::uint64_t at_ = 0;        // in the file
  std::uint64_t position_ = 0;  // in the wire form
  bool ended_ = false;
  std::string raw_;
  std::string plain_;    // unquoted (mbox only)
  std::string pending_;  // wire form not handed out yet, from pending_at_
  std::size_t pending_at_ = 0;
  FromQuoter quoter_{FromQuoter::Mode::unquote};
  mail::LfToCrlf converter_;
  bool in_body_ = false;
  std::size_t line_octets_ = 0;  // of the header line begun, without its line end
  std::uint64_t lines_left_;
};

}  // namespace posthouse::mailbox
