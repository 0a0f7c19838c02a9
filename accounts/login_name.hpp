// From the name a user types at a login to the address of the account. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mail/address.hpp"

namespace posthouse::accounts {

// The domains of this server as logins see them; all in lower case.
struct LoginDomains {
  struct Virtual {
    std::string suffix;  // `user@suffix` means `user@domain`; a leading '@' is ignored
    std::string domain;
  };
  std::string main_domain;
  std::vector<std::string> host_domains;  // other names of the main domain
  std::vector<Virtual> virtuals;
};

// `user` and `user@host_domain` -> user@main_domain; `user@suffix` and `user@domain` of a vdomain
// -> user@domain. An address in a foreign domain comes back as it is: no account has it, and its
// password is checked like any other so that the answer takes as long. nullopt: no address at all.
[[nodiscard]] std::optional<mail::Address> canonical_login(std::string_view name,
                                                           const LoginDomains& domains);

}  // namespace posthouse::accounts
