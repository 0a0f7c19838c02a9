// deliver/smtp_client: whatever a server says, every message that was given has one result with one
// outcome for each recipient, nothing is called delivered before the whole message was sent, what
// goes out are complete lines, and nothing depends on how the server's octets were cut. The first
// octet chooses the client's terms, the second how the input is cut; the rest is what the server
// says, and 0xfe in it stands for a moment without octets, which is a time-out.
#include "deliver/smtp_client.hpp"

#include <array>
#include <string>
#include <vector>

#include "base/assert.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace posthouse;
using deliver::ClientStep;

namespace {

constexpr std::size_t kMessages = 3;
constexpr std::string_view kBody = "Subject: x\r\n\r\n.\r\n..dots\nand LF\r\n";

struct Run {
  std::vector<std::string> outcomes;
  std::string output;
  std::size_t given = 0;
  bool tls = false;
  bool operator==(const Run&) const = default;
};

std::array<deliver::ClientMessage, kMessages> make_messages(std::uint8_t choice) {
  std::array<deliver::ClientMessage, kMessages> messages;
  for (std::size_t i = 0; i < kMessages; ++i) {
    messages[i].reverse_path.local = "from" + std::to_string(i);
    messages[i].reverse_path.domain = "example.org";
    messages[i].size = (choice & 1U) != 0 ? 0 : kBody.size();
    messages[i].eight_bit = (choice & 2U) != 0 && i == 1;
    for (std::size_t k = 0; k <= i; ++k) {
      deliver::ClientRcpt rcpt;
      rcpt.address.local = (choice & 4U) != 0 && k == 1 ? "\xc3\xa9" : "to" + std::to_string(k);
      rcpt.address.domain = "example.net";
      messages[i].rcpts.push_back(rcpt);
    }
  }
  return messages;
}

const net::SaslCredentials& login() {
  static const net::SaslCredentials credentials = [] {
    net::SaslCredentials made;
    made.user = "user";
    made.password = base::Secret(std::string_view("pencil"));
    return made;
  }();
  return credentials;
}

deliver::SmtpClientConfig make_config(std::uint8_t choice) {
  deliver::SmtpClientConfig config;
  config.helo_name = "us.example.org";
  config.tls = (choice & 8U) != 0 ? deliver::ClientTls::may : deliver::ClientTls::none;
  config.use_pipelining = (choice & 16U) == 0;
  config.use_chunking = (choice & 32U) == 0;
  if ((choice & 64U) != 0) {
    config.credentials = &login();
    config.nonce = "rOprNGfwEbeRWgbNEkqO";
    config.auth_without_tls = true;
  }
  return config;
}

void check_outcome(const deliver::RcptOutcome& outcome, bool sent) {
  using deliver::Disposition;
  const char wanted = outcome.disposition == Disposition::delivered  ? '2'
                      : outcome.disposition == Disposition::deferred ? '4'
                                                                     : '5';
  PH_ASSERT(!outcome.enhanced.empty() && outcome.enhanced[0] == wanted,
            "the status agrees with the disposition");
  PH_ASSERT(outcome.disposition != Disposition::delivered || sent,
            "a message is delivered after it was sent");
  PH_ASSERT(!outcome.perhaps_delivered || (sent && outcome.disposition == Disposition::deferred),
            "perhaps delivered is sent and tried again");
  PH_ASSERT(outcome.text.find_first_of("\r\n") == std::string::npos, "a text is one line");
}

// `pieces` is what the server says, in the portions it comes in; empty: nothing comes for too long.
Run run(std::uint8_t choice, const std::vector<std::string_view>& pieces) {
  const auto messages = make_messages(choice);
  deliver::SmtpClient client(make_config(choice));
  Run out;
  std::array<bool, kMessages> sent{};
  std::array<bool, kMessages> over{};
  std::size_t piece = 0;
  ClientStep step = client.start();
  for (std::size_t guard = 0; step != ClientStep::close; ++guard) {
    PH_ASSERT(guard < 100000, "every session ends");
    switch (step) {
      case ClientStep::read: {
        out.output += client.output();
        client.clear_output();
        PH_ASSERT(client.timeout().count() > 0, "reading has a deadline");
        const std::string_view data = piece < pieces.size() ? pieces[piece] : std::string_view();
        ++piece;
        step = data.empty() ? client.on_lost(deliver::Lost::timed_out) : client.on_bytes(data);
        break;
      }
      case ClientStep::write:
        out.output += client.output();
        client.clear_output();
        step = client.proceed();
        break;
      case ClientStep::start_tls:
        out.output += client.output();
        client.clear_output();
        out.tls = true;
        step = client.on_tls();
        break;
      case ClientStep::next_message:
        step = client.on_message(out.given < kMessages ? &messages[out.given] : nullptr);
        out.given += out.given < kMessages ? 1 : 0;
        break;
      case ClientStep::convert:
        step = (choice & 128U) != 0 ? client.on_converted(kBody.size())
                                    : client.on_not_convertible("a reason");
        break;
      case ClientStep::need_body: {
        const auto index = static_cast<std::size_t>(&client.body_message() - messages.data());
        PH_ASSERT(!sent[index], "a body is sent once");
        sent[index] = true;
        step = client.on_body(kBody, true);
        break;
      }
      case ClientStep::result: {
        const deliver::MessageResult result = client.take_result();
        const auto index = static_cast<std::size_t>(result.message - messages.data());
        PH_ASSERT(!over[index], "a message has one result");
        over[index] = true;
        PH_ASSERT(result.rcpts.size() == result.message->rcpts.size(),
                  "each recipient has an outcome");
        for (const auto& outcome : result.rcpts) {
          check_outcome(outcome, sent[index]);
          out.outcomes.push_back(std::to_string(outcome.code) + outcome.enhanced + outcome.text);
        }
        step = client.proceed();
        break;
      }
      case ClientStep::close:
        break;
    }
  }
  out.output += client.output();
  for (std::size_t i = 0; i < out.given; ++i) {
    PH_ASSERT(over[i], "every message that was given has a result");
  }
  PH_ASSERT(out.output.empty() || out.output.ends_with("\r\n"), "commands are complete lines");
  return out;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = fuzz::text_of(data, size);
  const std::uint8_t choice = fuzz::take_octet(text);
  const std::uint8_t seed = fuzz::take_octet(text);
  std::vector<std::string_view> whole;
  std::vector<std::string_view> cut;
  while (!text.empty()) {
    const std::string_view part = fuzz::take_until(text, '\xfe');
    whole.push_back(part);
    fuzz::in_chunks(part, seed, [&cut](std::string_view chunk) { cut.push_back(chunk); });
    if (part.empty()) {
      cut.emplace_back();
    }
  }
  const Run first = run(choice, whole);
  const Run second = run(choice, cut);
  // A handshake separates what came before it from what comes after; where that is depends on cuts.
  // So does a wait: a portion that is not used up leaves no moment without octets.
  if (!first.tls && !second.tls && whole.size() <= 1) {
    PH_ASSERT(first == second, "nothing depends on how the octets came");
  }
  return 0;
}
