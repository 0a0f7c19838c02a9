// Rules over several settings at once, each a small function that adds diagnostics. Applied by
// load.cpp after every single value was accepted and the defaults were filled in.
#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <map>

#include "base/text.hpp"
#include "conf/setting.hpp"
#include "conf/values.hpp"

namespace posthouse::conf {
namespace {

using Diagnostics = std::vector<Diagnostic>;

void error(Diagnostics& diagnostics, const Origin& where, std::string message) {
  diagnostics.push_back(Diagnostic{Severity::error, where, std::move(message)});
}

void warning(Diagnostics& diagnostics, const Origin& where, std::string message) {
  diagnostics.push_back(Diagnostic{Severity::warning, where, std::move(message)});
}

// The lines of one setting.
std::vector<const Assignment*> lines_of(const RuleContext& context, std::string_view name) {
  std::vector<const Assignment*> lines;
  for (const auto& assignment : context.assignments) {
    if (assignment.name == name) lines.push_back(&assignment);
  }
  return lines;
}

void host_name_is_qualified(const RuleContext& context, Diagnostics& diagnostics) {
  if (context.settings.host_name.find('.') != std::string::npos) return;
  warning(
      diagnostics, context.origin_of("host_name"),
      fmt::format("host_name is `{}', which is not fully qualified, and some servers refuse mail "
                  "from such a name; write for example `host_name mail.{}'",
                  context.settings.host_name, context.settings.host_domain.front()));
}

void host_domains_differ(const RuleContext& context, Diagnostics& diagnostics) {
  std::map<std::string, const Assignment*> first;
  for (const auto* line : lines_of(context, "host_domain")) {
    const auto [entry, added] = first.emplace(base::to_lower(line->words[0]), line);
    if (added) continue;
    warning(diagnostics, line->origin,
            fmt::format("`host_domain {}' is written already at {}; remove this line", entry->first,
                        entry->second->origin.text()));
  }
}

void vdomain_names_differ(const RuleContext& context, Diagnostics& diagnostics) {
  const auto& own = context.settings.host_domain;
  const auto is_own = [&](const std::string& name) {
    return std::find(own.begin(), own.end(), name) != own.end();
  };
  std::map<std::string, const VirtualDomain*> domains;
  std::map<std::string, const VirtualDomain*> suffixes;
  for (const auto& entry : context.settings.vdomain) {
    if (is_own(entry.domain)) {
      error(diagnostics, entry.origin,
            fmt::format("`vdomain': {} is a host_domain too, and a domain cannot be both; remove "
                        "one of the lines",
                        entry.domain));
    }
    if (is_own(entry.suffix)) {
      error(diagnostics, entry.origin,
            fmt::format("`vdomain': the login suffix @{} is a host_domain, so a login could mean "
                        "two users; write @{}",
                        entry.suffix, entry.domain));
    }
    const auto [domain, new_domain] = domains.emplace(entry.domain, &entry);
    if (!new_domain) {
      error(diagnostics, entry.origin,
            fmt::format("`vdomain': {} has a line already at {}; remove one of them", entry.domain,
                        domain->second->origin.text()));
    }
    const auto [suffix, new_suffix] = suffixes.emplace(entry.suffix, &entry);
    if (!new_suffix) {
      error(diagnostics, entry.origin,
            fmt::format("`vdomain': the login suffix @{} is used already at {}; write another, for "
                        "example @{}",
                        entry.suffix, suffix->second->origin.text(), entry.domain));
    }
  }
  for (const auto& entry : context.settings.vdomain) {
    const auto other = domains.find(entry.suffix);
    if (other == domains.end() || other->second->domain == entry.domain) continue;
    error(diagnostics, entry.origin,
          fmt::format("`vdomain': the login suffix @{} is the domain of {}, so a login could mean "
                      "two users; write @{}",
                      entry.suffix, other->second->origin.text(), entry.domain));
  }
}

// A folder of mailboxes and what stands before each user's name in it.
struct Store {
  std::string directory;
  std::string lead;  // prefix and separator, or nothing
  std::string title;
  Origin origin;
};

std::vector<Store> stores_of(const RuleContext& context) {
  const Settings& s = context.settings;
  std::vector<Store> stores;
  stores.push_back({s.drop_path, "", "the main domain", context.origin_of("drop_path")});
  for (const auto& entry : s.vdomain) {
    const bool prefixed = s.drop_prefix && !entry.prefix.empty();
    stores.push_back({entry.drop_dir,
                      prefixed ? base::to_lower(entry.prefix) + s.vdomain_separator : "",
                      entry.domain, entry.origin});
  }
  return stores;
}

// Two domains must never map to one file: in one folder, no domain's lead may begin with another's,
// or `a' + `b_x' and `a_b' + `x' would be one mailbox. The main domain has no lead, so the mailbox
// names of its users are checked one by one at lookup; here only domains without a lead collide
// with it.
void mailboxes_stay_apart(const RuleContext& context, Diagnostics& diagnostics) {
  const auto stores = stores_of(context);
  std::map<std::string, std::vector<const Store*>> folders;
  for (const auto& store : stores) {
    auto& others = folders[store.directory];
    for (const auto* other : others) {
      const bool both = !store.lead.empty() && !other->lead.empty();
      const bool clash = both ? base::istarts_with(store.lead, other->lead) ||
                                    base::istarts_with(other->lead, store.lead)
                              : store.lead.empty() && other->lead.empty();
      if (!clash) continue;
      error(diagnostics, store.origin,
            fmt::format("`vdomain': the mailboxes of {} and of {} would be the same files in {}; "
                        "write another folder{}",
                        store.title, other->title, store.directory,
                        context.settings.drop_prefix ? " or another prefix" : ""));
      break;
    }
    others.push_back(&store);
  }
}

void listen_addresses_differ(const RuleContext& context, Diagnostics& diagnostics) {
  const auto lines = lines_of(context, "listen");
  std::map<std::string, const Assignment*> first;
  for (const auto* line : lines) {
    if (line->words[0] == "*" && lines.size() > 1) {
      error(
          diagnostics, line->origin,
          "`listen': * means all addresses and cannot stand beside others; remove the other lines");
      return;
    }
    const auto address = parse_listen_address(line->words[0]).value_or("");
    const auto [entry, added] = first.emplace(address, line);
    if (added) continue;
    error(diagnostics, line->origin,
          fmt::format("`listen': {} is written already at {}; remove one of the lines",
                      entry->first, entry->second->origin.text()));
  }
}

struct Port {
  std::string_view name;
  std::uint16_t number;
};

void ports_differ(const RuleContext& context, Diagnostics& diagnostics) {
  const Settings& s = context.settings;
  const Port ports[] = {{"smtp_port", s.smtp_port},
                        {"submission_port", s.submission_port},
                        {"submissions_port", s.submissions_port},
                        {"pop_port", s.pop_port},
                        {"pops_port", s.pops_port}};
  bool any = false;
  for (std::size_t i = 0; i < std::size(ports); ++i) {
    any = any || ports[i].number != 0;
    for (std::size_t j = 0; j < i && ports[i].number != 0; ++j) {
      if (ports[i].number != ports[j].number) continue;
      // The line to change is the one that was written; a default is not at fault.
      const auto& blamed = context.written(ports[i].name) ? ports[i] : ports[j];
      const auto& other = context.written(ports[i].name) ? ports[j] : ports[i];
      error(diagnostics, context.origin_of(blamed.name),
            fmt::format("`{}': port {} is {} too; write another number, or 0 to turn one off",
                        blamed.name, blamed.number, other.name));
    }
  }
  if (!any) {
    warning(diagnostics, context.origin_of("smtp_port"),
            "every port is 0, so nothing listens; write for example `smtp_port 25'");
  }
}

void certificates_have_keys(const RuleContext& context, Diagnostics& diagnostics) {
  const auto certs = context.settings.tls_cert.size();
  const auto keys = context.settings.tls_key.size();
  if (certs != keys) {
    error(
        diagnostics, context.origin_of(certs > keys ? "tls_cert" : "tls_key"),
        fmt::format("there are {} tls_cert and {} tls_key; write one tls_key for each tls_cert, in "
                    "the same order",
                    certs, keys));
  } else if (certs == 0) {
    warning(diagnostics, context.origin_of("tls_cert"),
            "no tls_cert: implicit-TLS ports stay closed, STARTTLS and STLS are not offered; write "
            "tls_cert and tls_key");
  }
}

void relaying_is_closed(const RuleContext& context, Diagnostics& diagnostics) {
  const auto lines = lines_of(context, "forward_from_ip");
  for (const auto* line : lines) {
    if (lines.size() > 1 && line->words.size() == 1 && base::iequals(line->words[0], "none")) {
      error(diagnostics, line->origin,
            "`forward_from_ip': none means nobody and cannot stand beside others; remove it");
    }
    for (const auto& word : line->words) {
      const auto items = parse_address_list(word);
      if (!items) continue;  // the word none
      for (const auto& item : *items) {
        if (address_item_bits(item) >= 8) continue;
        warning(diagnostics, line->origin,
                fmt::format("`forward_from_ip': {} lets a large part of the Internet send mail "
                            "through this server (an open relay); write your own networks",
                            item));
      }
    }
  }
}

void limits_make_sense(const RuleContext& context, Diagnostics& diagnostics) {
  const Settings& s = context.settings;
  if (s.max_rcpts < 100) {
    // RFC 5321 4.5.3.1.8
    warning(diagnostics, context.origin_of("max_rcpts"),
            fmt::format("`max_rcpts': {} is fewer than the 100 recipients every server must take; "
                        "write 100 or more",
                        s.max_rcpts));
  }
}

constexpr Rule kRules[] = {
    host_name_is_qualified, host_domains_differ,     vdomain_names_differ,
    mailboxes_stay_apart,   listen_addresses_differ, ports_differ,
    certificates_have_keys, relaying_is_closed,      limits_make_sense,
};

}  // namespace

bool RuleContext::written(std::string_view name) const {
  return std::any_of(assignments.begin(), assignments.end(),
                     [&](const auto& entry) { return entry.name == name; });
}

Origin RuleContext::origin_of(std::string_view name) const {
  const auto found = std::find_if(assignments.rbegin(), assignments.rend(),
                                  [&](const auto& entry) { return entry.name == name; });
  return found == assignments.rend() ? Origin{main_file, 1} : found->origin;
}

std::span<const Rule> rules() { return kRules; }

}  // namespace posthouse::conf
