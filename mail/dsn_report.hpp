// Builds delivery reports: a whole message of type multipart/report (RFC 6522) with plain words,
// the machine's part (RFC 3464; RFC 6533 when UTF-8 addresses are involved) and the original or its
// header. The queue calls it when dsn_due() says so, and queues the result with the null
// reverse-path and NOTIFY=NEVER. Pure; any thread; whatever a remote server or the original says
// can end neither the line, nor the field, nor the part it stands in.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "mail/address.hpp"
#include "mail/dsn_due.hpp"
#include "mail/dsn_params.hpp"
#include "mail/envelope.hpp"
#include "mail/reply.hpp"

namespace posthouse::mail {

// What is told of one recipient.
struct ReportRcpt {
  Address rcpt;       // as the sender's side named it when we accepted the message, never a target
                      // of forwarding, which the sender need not know (RFC 3464 2.3.2)
  std::string orcpt;  // DsnRcpt::orcpt
  DsnAction action = DsnAction::failed;
  std::string status;      // "5.1.1"; x.0.0 is written for what is no such code
  std::string remote_mta;  // name or IP address of the server that answered; empty: none did
  std::string reply;  // its reply, lines apart by '\n' ("550-5.1.1 No\n550 5.1.1 here"); or what we
                      // found ourselves, as a sentence; or empty
  std::optional<base::WallTime> last_attempt;
  std::optional<base::WallTime> retry_until;  // for delayed
};

struct Report {
  std::string host_name;    // our own, for Reporting-MTA
  std::string mail_domain;  // reports come from MAILER-DAEMON at this domain
  base::MessageId id;       // of the report
  base::WallTime now;
  Address to;  // the original's reverse-path; may_be_reported_to() must hold
  base::MessageId original_id;
  base::WallTime arrival;
  std::string envid;  // DsnMail::envid
  std::vector<ReportRcpt> rcpts;
  std::string_view original;  // with CRLF; the header suffices for ReturnPart::header; may be empty
  ReturnPart part = ReturnPart::header;
};

struct BuiltReport {
  std::string text;                     // RFC 5322 message with CRLF
  BodyKind body = BodyKind::seven_bit;  // for the report's envelope
  bool smtputf8 = false;                // it needs SMTPUTF8 (RFC 6531), for the sender's address
};

// A parsed reply as ReportRcpt::reply wants it, its code before each line.
[[nodiscard]] std::string transcribe_reply(const Reply& reply);

// `report.rcpts` must not be empty. The size is bounded by the original's and the recipients'
// number.
[[nodiscard]] BuiltReport build_report(const Report& report);

}  // namespace posthouse::mail
