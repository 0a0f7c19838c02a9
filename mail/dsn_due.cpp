// Owns the decision whether a report is sent. Pure; any thread.
#include "mail/dsn_due.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace posthouse::mail {

namespace {

std::optional<DsnAction> wanted(const DsnQuestion& question) {
  const Notify notify = question.notify;
  const bool success = notify.asks(Notify::kSuccess);
  switch (question.fate) {
    case RcptFate::delivered:
      // RFC 3461 5.2.3: on success only when asked; the same for the next two.
      return success ? std::optional(DsnAction::delivered) : std::nullopt;
    case RcptFate::relayed:
      // RFC 3461 5.2.2 b: where the next server cannot report success, our part is the last that
      // is known. One that speaks DSN reports itself.
      return success && !question.next_hop_dsn ? std::optional(DsnAction::relayed) : std::nullopt;
    case RcptFate::expanded:
      return success ? std::optional(DsnAction::expanded) : std::nullopt;
    case RcptFate::delayed:
      // RFC 3461 5.2.5; without NOTIFY we take FAILURE,DELAY as meant (4.1).
      return !notify.given() || notify.asks(Notify::kDelay) ? std::optional(DsnAction::delayed)
                                                            : std::nullopt;
    case RcptFate::failed:
      // RFC 3461 5.2.6
      return !notify.given() || notify.asks(Notify::kFailure) ? std::optional(DsnAction::failed)
                                                              : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

DsnVerdict dsn_due(const DsnQuestion& question) {
  DsnVerdict verdict;
  if (question.may_report) {
    verdict.report = wanted(question);
  }
  verdict.dead_letter = question.fate == RcptFate::failed && !verdict.report;
  return verdict;
}

bool may_be_reported_to(const Address& sender) {
  return !sender.empty() && !base::iequals(sender.local, "mailer-daemon");
}

ReturnPart return_part(const ReturnRule& rule, Ret ret, std::uint64_t size,
                       std::span<const DsnAction> actions) {
  const bool failed = std::find(actions.begin(), actions.end(), DsnAction::failed) != actions.end();
  const bool body = ret == Ret::full || (ret == Ret::none && rule.bounce_body);
  return failed && body && size <= rule.bounce_maxlen ? ReturnPart::message : ReturnPart::header;
}

}  // namespace posthouse::mail
