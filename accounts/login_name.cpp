// Login names; see login_name.hpp.
#include "accounts/login_name.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace posthouse::accounts {

std::optional<mail::Address> canonical_login(std::string_view name, const LoginDomains& domains) {
  const std::string_view text = base::trim(name);
  // DMail: a suffix need not be a domain name ("@2"), so it is looked up before any syntax check.
  // The last '@' divides: a quoted local part may hold others.
  const std::size_t at = text.rfind('@');
  const std::string_view local = text.substr(0, at);
  std::string domain =
      at == std::string_view::npos ? domains.main_domain : base::to_lower(text.substr(at + 1));
  if (std::ranges::find(domains.host_domains, domain) != domains.host_domains.end()) {
    domain = domains.main_domain;
  } else if (domain != domains.main_domain) {
    for (const LoginDomains::Virtual& vdomain : domains.virtuals) {
      const std::string_view suffix = std::string_view(vdomain.suffix);
      if (domain == (suffix.starts_with('@') ? suffix.substr(1) : suffix)) {
        domain = vdomain.domain;
        break;
      }
    }
  }
  return mail::parse_address(std::string(local) + '@' + domain);
}

}  // namespace posthouse::accounts
