// smtpd/session: whatever a client sends, every answer is a well-formed reply, and neither answers
// nor stored messages depend on how the octets were cut. Octet 0xfe: the client starts TLS if asked
// to; the first octet chooses the kind of server and client, the second how the input is cut.
#include "base/assert.hpp"
#include "tests/dialogs/smtp_peer.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace posthouse;

namespace {

struct Outcome {
  std::string output;
  std::vector<std::string> events;
  bool closed = false;
  bool operator==(const Outcome&) const = default;
};

dialogs::Dialog make_server(std::uint8_t choice) {
  dialogs::Dialog dialog;
  dialog.options.emplace("kind", (choice & 1U) != 0 ? "submission" : "smtp");
  dialog.options.emplace("tls", (choice & 2U) != 0   ? "on"
                                : (choice & 4U) != 0 ? "off"
                                                     : "available");
  dialog.options.emplace("client", (choice & 8U) != 0 ? "127.0.0.1" : "192.0.2.7");
  dialog.options.emplace("trusted", (choice & 16U) != 0 ? "yes" : "no");
  dialog.options.emplace("max_size", (choice & 32U) != 0 ? "64" : "26214400");
  dialog.options.emplace("max_rcpts", "3");
  return dialog;
}

// RFC 5321 4.2: each line is three digits, a space or hyphen, text, CRLF.
void check_replies(std::string_view output) {
  while (!output.empty()) {
    const std::size_t end = output.find("\r\n");
    PH_ASSERT(end != std::string_view::npos, "the output ends with a complete line");
    const std::string_view line = output.substr(0, end);
    PH_ASSERT(line.size() >= 4 && line.size() <= 510, "a reply has a code and fits its line");
    PH_ASSERT(line[0] >= '2' && line[0] <= '5', "a reply code begins with 2 to 5");
    PH_ASSERT(line[3] == ' ' || line[3] == '-', "a space or hyphen follows the code");
    for (const char c : line) {
      PH_ASSERT(c >= 0x20 && c <= 0x7e, "a reply is printable");
    }
    output.remove_prefix(end + 2);
  }
}

template <class Feed>
Outcome run(const dialogs::Dialog& server, std::string_view text, Feed&& feed) {
  dialogs::SmtpPeer peer(server);
  Outcome outcome;
  while (!text.empty()) {
    feed(peer, fuzz::take_until(text, '\xfe'));
    if (peer.wants_tls()) {
      peer.start_tls();
    }
    outcome.output += peer.take_output();
  }
  if (!peer.closed()) {
    peer.trigger("timeout");
  }
  outcome.output += peer.take_output();
  outcome.events = peer.take_events();
  outcome.closed = peer.closed();
  return outcome;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = fuzz::text_of(data, size);
  const dialogs::Dialog server = make_server(fuzz::take_octet(text));
  const std::uint8_t seed = fuzz::take_octet(text);
  const auto whole = [](dialogs::SmtpPeer& peer, std::string_view part) {
    if (!part.empty() && !peer.closed()) {
      peer.send(part);
    }
  };
  const auto pieces = [&whole, seed](dialogs::SmtpPeer& peer, std::string_view part) {
    fuzz::in_chunks(part, seed, [&](std::string_view chunk) { whole(peer, chunk); });
  };
  const Outcome first = run(server, text, whole);
  const Outcome second = run(server, text, pieces);
  PH_ASSERT(first == second, "the answers do not depend on how the octets came");
  PH_ASSERT(first.closed, "a time-out ends every session");
  check_replies(first.output);
  return 0;
}
