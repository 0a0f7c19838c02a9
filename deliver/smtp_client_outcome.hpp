// Verdicts: from a reply, or our own. Private to the SMTP client and the relay. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "deliver/smtp_client_types.hpp"
#include "mail/reply.hpp"

namespace posthouse::deliver {

inline constexpr std::size_t kMaxOutcomeText = 1024;  // LIMIT: of a peer's words that are kept

// The verdict of a reply of class 2, 4 or 5: the first digit decides (RFC 5321 4.2.1). An enhanced
// code of another class is no use and becomes "X.0.0".
[[nodiscard]] RcptOutcome outcome_of(const mail::Reply& reply, Phase phase, Scope scope);

// Ours: `enhanced` begins with 4 (deferred) or 5 (failed).
[[nodiscard]] RcptOutcome own_outcome(Phase phase, Scope scope, std::string_view enhanced,
                                      std::string_view text);

// The same verdict put off: a refusal that is our administrator's trouble, not the message's.
[[nodiscard]] RcptOutcome deferred(RcptOutcome outcome);

}  // namespace posthouse::deliver
