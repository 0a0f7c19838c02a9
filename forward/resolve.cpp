// The order of the rules, one function a stage; see forward/README.md for the picture.
#include "forward/resolve.hpp"

#include "base/assert.hpp"
#include "base/text.hpp"

namespace posthouse::forward {
namespace {

constexpr std::string_view kPostmaster = "postmaster";

class Resolver {
 public:
  Resolver(const Tables& tables, const Lookups& lookups) : tables_(tables), lookups_(lookups) {}

  Resolution run(mail::Address rcpt) {
    if (rcpt.domain.empty()) {
      rcpt.domain = tables_.domains().front().name;
      note("bare local part", "built in", true, "taken as " + rcpt.text());
    }
    const auto domain = local_domain(rcpt);
    if (!domain) {
      refuse(mail::Reply(
          550, "5.7.1",
          "relaying denied: " + base::printable(rcpt.domain) + " is not a domain of this server"));
    } else if (rcpt.local_key() == kPostmaster) {
      postmaster();
    } else {
      rcpt.domain = tables_.domains()[*domain].name;
      user(rcpt, *domain);
    }
    return std::move(result_);
  }

 private:
  std::optional<std::size_t> local_domain(const mail::Address& address) {
    const auto found = tables_.find_domain(address.domain);
    note("local domain " + address.domain, "host_domain, vdomain", found.has_value(),
         found ? "mailboxes of " + tables_.domains()[*found].name : "foreign");
    return found;
  }

  // nullopt: the answer must be fetched first; the need has been recorded.
  std::optional<UserState> lookup(const mail::Address& account) {
    const auto it = lookups_.users.find(account.key());
    if (it != lookups_.users.end()) return it->second;
    result_.needs.push_back(account);
    return std::nullopt;
  }

  void user(const mail::Address& account, std::size_t domain) {
    const auto state = lookup(account);
    if (!state) return;
    switch (*state) {
      case UserState::exists:
        note("user " + account.text(), "user file", true, "mailbox");
        result_.targets.push_back(LocalTarget{account, domain});
        return;
      case UserState::missing:
        note("user " + account.text(), "user file", false, "no such user");
        refuse(mail::Reply(550, "5.1.1", "no such user here: " + base::printable(account.text())));
        return;
      case UserState::unavailable:
        note("user " + account.text(), "user file", false, "lookup unavailable");
        // Local trouble is never a permanent refusal.
        refuse(mail::Reply(451, "4.3.0", "user lookup is out of order, try again later"));
        return;
    }
  }

  // RFC 5321 4.5.1: postmaster is always accepted. It goes to `sysadmin`, and where that leads
  // nowhere (nobody, a foreign address, postmaster again) into a mailbox named postmaster.
  void postmaster() {
    const auto& admin = tables_.sysadmin();
    if (admin && admin->local_key() != kPostmaster) {
      if (const auto domain = tables_.find_domain(admin->domain)) {
        mail::Address account = *admin;
        account.domain = tables_.domains()[*domain].name;
        const auto state = lookup(account);
        if (!state) return;
        if (*state == UserState::unavailable) return user(account, *domain);
        if (*state == UserState::exists) {
          note("postmaster", "sysadmin", true, "to " + account.text());
          result_.targets.push_back(LocalTarget{account, *domain});
          return;
        }
        note("postmaster", "sysadmin", false, account.text() + " is no user");
      } else {
        note("postmaster", "sysadmin", false, admin->text() + " is foreign");
      }
    }
    mail::Address own;
    own.local = kPostmaster;
    own.domain = tables_.domains().front().name;
    note("postmaster", "built in", true, "mailbox postmaster");
    result_.targets.push_back(LocalTarget{own, 0});
  }

  void refuse(mail::Reply reply) { result_.refusal = std::move(reply); }

  void note(std::string rule, std::string_view origin, bool matched, std::string text) {
    result_.trace.push_back(
        TraceStep{std::move(rule), std::string(origin), matched, std::move(text)});
  }

  const Tables& tables_;
  const Lookups& lookups_;
  Resolution result_;
};

}  // namespace

Tables::Tables(std::shared_ptr<const conf::Settings> settings) : settings_(std::move(settings)) {
  PH_ASSERT(!settings_->host_domain.empty(), "a configuration without host_domain is refused");
  domains_.push_back(LocalDomain{settings_->host_domain.front(), "", settings_->drop_path});
  for (const auto& name : settings_->host_domain) names_.emplace(base::to_lower(name), 0);
  for (const auto& virtual_domain : settings_->vdomain) {
    names_.emplace(base::to_lower(virtual_domain.domain), domains_.size());
    domains_.push_back(LocalDomain{base::to_lower(virtual_domain.domain), virtual_domain.prefix,
                                   virtual_domain.drop_dir});
  }
  sysadmin_ = mail::parse_address(settings_->sysadmin);
}

std::optional<std::size_t> Tables::find_domain(std::string_view domain) const {
  const auto it = names_.find(base::to_lower(domain));
  if (it == names_.end()) return std::nullopt;
  return it->second;
}

Resolution resolve(const Tables& tables, const mail::Address& rcpt, const Lookups& lookups) {
  return Resolver(tables, lookups).run(rcpt);
}

}  // namespace posthouse::forward
