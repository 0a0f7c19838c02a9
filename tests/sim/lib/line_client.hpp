// A simulated client of a line protocol (SMTP, POP3): sends text, reads lines. For scenarios; lives
// in the coroutine that uses it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tests/sim/lib/sim_net.hpp"

namespace posthouse::sim {

class LineClient {
 public:
  explicit LineClient(std::unique_ptr<SimStream> stream) : stream_(std::move(stream)) {}

  // The next line without CRLF. End of file and errors are an Error (connection_aborted at the
  // end).
  [[nodiscard]] net::Task<base::Result<std::string>> line();
  // An SMTP reply: its last line; `whole` (may be null) gets all lines joined by LF.
  [[nodiscard]] net::Task<base::Result<std::string>> smtp_reply(std::string* whole = nullptr);
  // The lines of a POP3 multi-line answer after its first, dots unstuffed, each with CRLF.
  [[nodiscard]] net::Task<base::Result<std::string>> dot_text();
  [[nodiscard]] net::Task<base::Result<>> send(std::string text);
  // send(text + CRLF), then smtp_reply() or line().
  [[nodiscard]] net::Task<base::Result<std::string>> smtp(std::string command);
  [[nodiscard]] net::Task<base::Result<std::string>> pop3(std::string command);
  [[nodiscard]] net::Task<base::Result<net::TlsInfo>> start_tls();
  [[nodiscard]] SimStream& stream() { return *stream_; }
  // Octets received and not yet consumed as lines.
  [[nodiscard]] std::string_view unread() const { return buffer_; }

 private:
  std::unique_ptr<SimStream> stream_;
  std::string buffer_;
};

}  // namespace posthouse::sim
