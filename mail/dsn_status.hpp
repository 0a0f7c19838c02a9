// What a status code of RFC 3463 means to the sender of a message: in plain words, whose side it
// is, and what to do. For the first part of reports. Pure, constant tables.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mail/dsn_due.hpp"

namespace posthouse::mail {

// On whose side the trouble is.
enum class Fault : std::uint8_t { ours, remote, network, message, address };

struct StatusMeaning {
  Fault fault = Fault::ours;
  std::string_view what;    // a sentence
  std::string_view advice;  // what the sender can do, for a final failure
};

// `remote_said`: a server other than ours gave the code.
[[nodiscard]] StatusMeaning explain_status(std::string_view status, bool remote_said);

// `status` when it is a status code of RFC 3464 2.3.4 whose class suits the action, else x.0.0 of
// the right class (RFC 3461 6.3 g).
[[nodiscard]] std::string status_or_default(std::string_view status, DsnAction action);

}  // namespace posthouse::mail
