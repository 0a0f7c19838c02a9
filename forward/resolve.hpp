// Routing: where mail for one recipient goes, and why. A pure function of the address and an
// immutable snapshot of tables; what must be looked up outside comes back as a need that the caller
// fetches before it calls again (docs/decisions/0007). Called at RCPT, by the tests and, as it
// grows, by every command that explains a route. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/settings.hpp"
#include "mail/address.hpp"
#include "mail/reply.hpp"

namespace posthouse::forward {

// What the accounts say about one address.
enum class UserState : std::uint8_t { exists, missing, unavailable };

// Answers fetched so far, by Address::key().
struct Lookups {
  std::map<std::string, UserState, std::less<>> users;
};

// One rule looked at: what it was, where it stands, whether it matched, and what came of it.
struct TraceStep {
  std::string rule;    // "host_domain example.org"
  std::string origin;  // "dmail.conf:3", "user file", "built in"
  bool matched = false;
  std::string result;
};

// A mailbox of this server.
struct LocalTarget {
  mail::Address account;   // canonical: the main domain for its aliases
  std::size_t domain = 0;  // index into Tables::domains()
};

struct Resolution {
  std::vector<LocalTarget> targets;    // deliveries; empty when refused or needs remain
  std::optional<mail::Reply> refusal;  // 550 5.1.1, 550 5.7.1 or 451 4.3.0
  std::vector<mail::Address> needs;    // users to look up; call again with the answers
  std::vector<TraceStep> trace;        // every rule looked at, in order
};

// A group of mailboxes: the main domain (with its aliases) or one virtual domain.
struct LocalDomain {
  std::string name;      // canonical domain, lower case
  std::string prefix;    // vdomain prefix, empty for the main domain
  std::string drop_dir;  // absolute mailbox directory
};

// Tables compiled from a configuration snapshot; immutable.
class Tables {
 public:
  explicit Tables(std::shared_ptr<const conf::Settings> settings);
  [[nodiscard]] const conf::Settings& settings() const { return *settings_; }
  [[nodiscard]] const std::vector<LocalDomain>& domains() const { return domains_; }
  // Index into domains(), or nullopt when the domain is foreign. Any letter case.
  [[nodiscard]] std::optional<std::size_t> find_domain(std::string_view domain) const;
  // The address that `sysadmin` names, if it parses.
  [[nodiscard]] const std::optional<mail::Address>& sysadmin() const { return sysadmin_; }

 private:
  std::shared_ptr<const conf::Settings> settings_;
  std::vector<LocalDomain> domains_;
  std::map<std::string, std::size_t, std::less<>> names_;
  std::optional<mail::Address> sysadmin_;
};

// Routes one recipient. A bare "postmaster" (empty domain) is the main domain's (RFC 5321 4.5.1).
[[nodiscard]] Resolution resolve(const Tables& tables, const mail::Address& rcpt,
                                 const Lookups& lookups);

}  // namespace posthouse::forward
