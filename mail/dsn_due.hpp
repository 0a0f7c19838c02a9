// Which reports are due: the rules of RFC 3461 5.2 as one pure function, and how much of the
// original goes back with one. Called by the queue for each recipient whose fate is known.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "mail/address.hpp"
#include "mail/dsn_params.hpp"

namespace posthouse::mail {

// What a report says was done for a recipient (RFC 3464 2.3.3).
enum class DsnAction : std::uint8_t { failed, delayed, delivered, relayed, expanded };

// What happened to a recipient.
enum class RcptFate : std::uint8_t {
  delivered,  // in a mailbox, taken by a robot or a mailing list (RFC 3461 5.2.3, 5.2.7.1)
  relayed,    // accepted by the next server
  expanded,   // an alias with several targets was replaced by them (5.2.7.3 c)
  delayed,    // still in the queue after `delay_warn`
  failed,     // given up for good
};

struct DsnQuestion {
  RcptFate fate = RcptFate::failed;
  Notify notify;
  bool next_hop_dsn = false;  // for relayed: the next server offered DSN, and was told the wishes
  bool may_report = true;     // may_be_reported_to() of the sender, and nothing else forbids it
};

struct DsnVerdict {
  std::optional<DsnAction> report;
  // The recipient failed and its sender will not hear of it: log it and keep it in queue/dead.
  bool dead_letter = false;
};

[[nodiscard]] DsnVerdict dsn_due(const DsnQuestion& question);

// False for the null reverse-path (RFC 3461 5.2) and for senders named MAILER-DAEMON, which are
// reports by programs that do not know better: answering either would make mail go in circles.
[[nodiscard]] bool may_be_reported_to(const Address& sender);

// What a report returns of the original.
enum class ReturnPart : std::uint8_t { header, message };

struct ReturnRule {
  bool bounce_body = false;              // the default of senders that gave no RET
  std::uint64_t bounce_maxlen = 65'536;  // octets; a larger message returns its header only
};

// RFC 3461 4.3 and 6.2: the message only where a failure is reported, never against RET=HDRS, by
// RET=FULL or the rule's default, and never above the limit. `size` is that of the message.
[[nodiscard]] ReturnPart return_part(const ReturnRule& rule, Ret ret, std::uint64_t size,
                                     std::span<const DsnAction> actions);

}  // namespace posthouse::mail
