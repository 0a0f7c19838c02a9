// Owns the words for status codes. Pure; any thread.
#include "mail/dsn_status.hpp"

#include <optional>

#include "base/text.hpp"

namespace posthouse::mail {

namespace {

// Who is meant by a row: `server` is the one that gave the code.
enum class Side : std::uint8_t { server, network, message, address };

constexpr unsigned kAny = 1000;  // a row for all other details of its subject

struct Row {
  unsigned subject = 0;
  unsigned detail = 0;
  Side side = Side::server;
  std::string_view what;
  std::string_view advice;
};

constexpr std::string_view kCheckAddress =
    "Check the spelling of the address, or ask the recipient for the right one in another way.";
constexpr std::string_view kAskRecipient =
    "Reach the recipient in another way and pass on what the server said.";
constexpr std::string_view kSendAgain = "Send the message again later.";
constexpr std::string_view kSendSmaller =
    "Send less at a time, or put large files where the recipient can fetch them.";
constexpr std::string_view kAskPostmaster =
    "Ask the postmaster of the server named here, quoting what it said.";
constexpr std::string_view kOtherForm = "Send the message in another form, for example as text.";

// RFC 3463 3, and the codes registered since (RFC 6531, RFC 7505).
constexpr Row kRows[] = {
    {1, 1, Side::address, "There is no mailbox of that name.", kCheckAddress},
    {1, 2, Side::address, "The domain of the address does not exist.", kCheckAddress},
    {1, 3, Side::address, "The address is not written in a form that servers accept.",
     kCheckAddress},
    {1, 4, Side::address, "More than one mailbox matches the address.", kCheckAddress},
    {1, 6, Side::address, "The mailbox has moved, and no new address is known.", kCheckAddress},
    {1, 7, Side::message, "The address that the message was sent from was refused.",
     "Check the sender address in your mail program."},
    {1, 8, Side::message, "The address that the message was sent from was refused.",
     "Check the sender address in your mail program."},
    {1, 10, Side::address, "The domain of the address says that it takes no mail at all.",
     kCheckAddress},
    {1, kAny, Side::address, "The address was refused.", kCheckAddress},
    {2, 1, Side::server, "The mailbox exists but takes no messages.", kAskRecipient},
    {2, 2, Side::server, "The mailbox is full.",
     "Reach the recipient in another way, and send the message again when there is room."},
    {2, 3, Side::message, "The message is larger than this mailbox takes.", kSendSmaller},
    {2, 4, Side::server, "The mailing list could not be worked through.", kAskPostmaster},
    {2, kAny, Side::server, "Something is wrong with the mailbox.", kAskRecipient},
    {3, 1, Side::server, "The server has no room for more mail.", kSendAgain},
    {3, 2, Side::server, "The server takes no mail at present.", kSendAgain},
    {3, 4, Side::message, "The message is larger than the server takes.", kSendSmaller},
    {3, 5, Side::server, "The server is not set up correctly.", kAskPostmaster},
    {3, kAny, Side::server, "The server has trouble of its own.", kSendAgain},
    {4, 1, Side::network, "The server for this address did not answer.", kSendAgain},
    {4, 2, Side::network, "The connection to the server for this address broke.", kSendAgain},
    {4, 3, Side::network, "The name service could not say which server takes this mail.",
     kSendAgain},
    {4, 4, Side::network, "No way to a server for this address is known.", kCheckAddress},
    {4, 5, Side::server, "The server has too much to do.", kSendAgain},
    {4, 6, Side::server, "The message goes in circles between servers.", kAskPostmaster},
    {4, 7, Side::network, "The message could not be delivered in the time it was given.",
     kSendAgain},
    {4, kAny, Side::network, "The message could not be brought to its server.", kSendAgain},
    {5, 3, Side::message, "The message has too many recipients.",
     "Send it to fewer recipients at a time."},
    {5, kAny, Side::server, "The servers did not understand each other.", kAskPostmaster},
    {6, 3, Side::message,
     "The message would have to be converted for the server, which is not possible.", kOtherForm},
    {6, 7, Side::message,
     "The server does not know addresses with letters beyond English ones, and one is needed.",
     "Ask the recipient for an address of plain letters."},
    {6, kAny, Side::message, "What the message contains was refused.", kOtherForm},
    {7, 1, Side::server, "The server does not allow this delivery.", kAskRecipient},
    {7, 10, Side::server, "The delivery needs encryption that could not be agreed on.",
     kAskPostmaster},
    {7, kAny, Side::server, "A rule of the server forbids this delivery.", kAskRecipient},
};

constexpr Row kUnknown{0, 0, Side::server, "The reason is not known in more detail.",
                       kAskPostmaster};

struct Code {
  unsigned cls = 0;
  unsigned subject = 0;
  unsigned detail = 0;
};

// RFC 3464 2.3.4: status-code = DIGIT "." 1*3DIGIT "." 1*3DIGIT, without leading zeros.
std::optional<Code> parse_status(std::string_view status) {
  const auto parts = base::split(status, '.');
  if (parts.size() != 3 || parts[0].size() != 1) {
    return std::nullopt;
  }
  unsigned numbers[3] = {};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto number = base::parse_u64(parts[i]);
    if (!number || parts[i].size() > 3 || (parts[i].size() > 1 && parts[i][0] == '0')) {
      return std::nullopt;
    }
    numbers[i] = static_cast<unsigned>(*number);
  }
  return Code{numbers[0], numbers[1], numbers[2]};
}

const Row& find_row(std::string_view status) {
  const auto code = parse_status(status);
  if (code) {
    for (const Row& row : kRows) {
      if (row.subject == code->subject && (row.detail == code->detail || row.detail == kAny)) {
        return row;
      }
    }
  }
  return kUnknown;
}

}  // namespace

StatusMeaning explain_status(std::string_view status, bool remote_said) {
  const Row& row = find_row(status);
  StatusMeaning meaning{remote_said ? Fault::remote : Fault::ours, row.what, row.advice};
  switch (row.side) {
    case Side::server:
      break;
    case Side::network:
      meaning.fault = Fault::network;
      break;
    case Side::message:
      meaning.fault = Fault::message;
      break;
    case Side::address:
      meaning.fault = Fault::address;
      break;
  }
  return meaning;
}

std::string status_or_default(std::string_view status, DsnAction action) {
  const bool failed = action == DsnAction::failed;
  const auto code = parse_status(status);
  if (code) {
    // RFC 3464 2.3.3: a failure may bear the temporary code that was its cause.
    const bool suits = failed                         ? code->cls == 4 || code->cls == 5
                       : action == DsnAction::delayed ? code->cls == 4
                                                      : code->cls == 2;
    if (suits) {
      return std::string(status);
    }
  }
  return failed ? "5.0.0" : action == DsnAction::delayed ? "4.0.0" : "2.0.0";
}

}  // namespace posthouse::mail
