// See the header.
#include "tests/sim/lib/line_client.hpp"

namespace posthouse::sim {

using base::Result;

net::Task<Result<std::string>> LineClient::line() {
  while (true) {
    const std::size_t end = buffer_.find("\r\n");
    if (end != std::string::npos) {
      std::string out = buffer_.substr(0, end);
      buffer_.erase(0, end + 2);
      co_return out;
    }
    const Result<std::string_view> more = co_await stream_->read();
    if (!more) co_return tl::unexpected(more.error());
    if (more->empty()) {
      co_return base::fail(std::errc::connection_aborted, "read", "end of file");
    }
    buffer_ += *more;
  }
}

net::Task<Result<std::string>> LineClient::smtp_reply(std::string* whole) {
  while (true) {
    Result<std::string> next = co_await line();
    if (!next) co_return next;
    if (whole != nullptr) *whole += *next + "\n";
    // RFC 5321 4.2.1: a hyphen after the code says that more lines follow.
    if (next->size() < 4 || (*next)[3] != '-') co_return next;
  }
}

net::Task<Result<std::string>> LineClient::dot_text() {
  std::string out;
  while (true) {
    const Result<std::string> next = co_await line();
    if (!next) co_return tl::unexpected(next.error());
    if (*next == ".") co_return out;
    // RFC 1939 3: a line that begins with a dot was given one more.
    out += next->starts_with('.') ? next->substr(1) : *next;
    out += "\r\n";
  }
}

net::Task<Result<>> LineClient::send(std::string text) { co_return co_await stream_->write(text); }

net::Task<Result<std::string>> LineClient::smtp(std::string command) {
  const Result<> sent = co_await send(command + "\r\n");
  if (!sent) co_return tl::unexpected(sent.error());
  co_return co_await smtp_reply();
}

net::Task<Result<std::string>> LineClient::pop3(std::string command) {
  const Result<> sent = co_await send(command + "\r\n");
  if (!sent) co_return tl::unexpected(sent.error());
  co_return co_await line();
}

net::Task<Result<net::TlsInfo>> LineClient::start_tls() { return stream_->start_tls_client(); }

}  // namespace posthouse::sim
