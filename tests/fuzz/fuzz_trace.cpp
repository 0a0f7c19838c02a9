// mail/trace and mail/reply: whatever a client said, one well-formed field or reply comes out.
#include "base/assert.hpp"
#include "base/text.hpp"
#include "mail/header_scanner.hpp"
#include "mail/reply.hpp"
#include "mail/trace.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace posthouse;

namespace {

// One field of that name, nothing before and nothing after it.
void check_field(const std::string& field, std::string_view name) {
  PH_ASSERT(field.ends_with("\r\n"), "a field ends its line");
  mail::FieldReader reader(field);
  const auto read = reader.next();
  PH_ASSERT(read && read->name == name, "the field has its name");
  PH_ASSERT(read->size == field.size() && !reader.next(), "it is one field");
  for (std::size_t i = 0; i < field.size(); ++i) {
    const bool line_end = field[i] == '\r' || field[i] == '\n';
    PH_ASSERT(!line_end || field.substr(i - (field[i] == '\n' ? 1 : 0), 2) == "\r\n",
              "lines end in CRLF");
    PH_ASSERT(field[i] != '\0', "no NUL");
  }
}

void check_comments(const std::string& field) {
  int depth = 0;
  for (const char c : field) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    PH_ASSERT(depth == 0 || depth == 1, "comments do not nest");
  }
  PH_ASSERT(depth == 0, "comments are closed");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = fuzz::text_of(data, size);
  const std::uint8_t flags = fuzz::take_octet(text);
  mail::ReceivedInfo info;
  info.esmtp = (flags & 1) != 0;
  info.tls = (flags & 2) != 0;
  info.authenticated = (flags & 4) != 0;
  info.by = "mx.example.org";
  info.id = "000000000000000000000000";
  info.helo = fuzz::take_until(text, '\n');
  info.client_name = fuzz::take_until(text, '\n');
  info.client_ip = fuzz::take_until(text, '\n');
  info.auth_user = fuzz::take_until(text, '\n');
  info.tls_version = fuzz::take_until(text, '\n');
  info.rcpt.local = fuzz::take_until(text, '\n');
  info.rcpt.domain = fuzz::take_until(text, '\n');
  const std::string received = mail::build_received(info);
  check_field(received, "Received");
  if (info.rcpt.empty() && info.helo.find('[') == std::string::npos) {
    check_comments(received);
  }
  check_field(mail::build_return_path(info.rcpt), "Return-Path");
  check_field(mail::build_delivered_to(info.rcpt), "Delivered-To");

  std::string wire;
  mail::append_reply(wire, mail::Reply(550, (flags & 8) != 0 ? "5.1.1" : "", text));
  std::string_view rest = wire;
  while (!rest.empty()) {
    const auto end = rest.find("\r\n");
    PH_ASSERT(end != std::string_view::npos && end + 2 <= 512, "reply lines keep their limit");
    const auto line = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    PH_ASSERT(line.starts_with("550"), "each line has the code");
    PH_ASSERT(line[3] == (rest.empty() ? ' ' : '-'), "only the last line has a space");
    PH_ASSERT(line.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos,
              "no line ends within a reply line");
  }
  return 0;
}
