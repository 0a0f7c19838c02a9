// The settings table, put together from the rows of its groups, and the table of DMail settings
// that are no longer supported. Constant data, safe from any thread.
#include <algorithm>
#include <limits>

#include "base/text.hpp"
#include "conf/setting.hpp"

namespace posthouse::conf {
namespace {

constexpr std::size_t kLongestName = 64;  // base::edit_distance compares no more

std::vector<Setting> all_rows() {
  std::vector<Setting> rows;
  for (const auto part : {identity_rows(), places_rows(), listening_rows(), users_rows(),
                          relaying_rows(), limits_rows(), logging_rows()}) {
    rows.insert(rows.end(), part.begin(), part.end());
  }
  return rows;
}

// Names that later versions will understand again are not listed: until then they are unknown.
constexpr Obsolete kObsolete[] = {
    {"add_footer", "remove it: a footer breaks signatures and MIME parts"},
    {"add_status", "remove it: reading a message never changes it, so no Status field is written"},
    {"alias", "use `host_domain' for another name of the main domain"},
    {"allow_dds", "remove it: a user name can never leave its folder"},
    {"allow_ip", "remove it: every client may connect"},
    {"alt_drop_path", "use the fourth word of `vdomain'"},
    {"archive_batch", "use cron or a systemd timer"},
    {"auth_nocache", "use `authent_cache 0'"},
    {"bin_path", "remove it: mailboxes are plain folders or files"},
    {"bin_pfull", "remove it: mailboxes are plain folders or files"},
    {"bomb_dec", "use `max_connections_per_ip'"},
    {"bomb_dir", "remove it: mail is refused and never parked"},
    {"bomb_entries", "remove it: the table of clients needs no size"},
    {"bomb_exception_from", "remove it: sender addresses are forged too easily to be believed"},
    {"bomb_exception_ip", "use `max_connections_per_ip'"},
    {"bomb_exception_to", "remove it: the limit counts connections of a client"},
    {"bomb_max", "use `max_connections_per_ip'"},
    {"dpop_host", "use `listen'"},
    {"dpop_path", "remove it: one program serves SMTP and POP3"},
    {"dsmtp_path", "remove it: one program serves SMTP and POP3"},
    {"dwatch_path", "use the service manager (systemd) to watch the server"},
    {"filter_file", "remove it: there are no filter rules"},
    {"forward_from", "use `forward_from_ip', or let clients log in: sender domains are forged"},
    {"forward_user", "remove it: users who log in may always send"},
    {"fromip_max", "use `max_connections_per_ip'"},
    {"fromip_nolimit", "use `max_connections_per_ip'"},
    {"hash_bindir", "use `hash_spool'"},
    {"hide_auth", "remove it: users log in over TLS"},
    {"lock_id", "remove it: mailboxes are always locked"},
    {"log_data", "remove it: message texts are never logged"},
    {"lookup_names", "remove it: client names are forged too easily to decide anything"},
    {"mail_filter", "remove it: there are no filter rules"},
    {"manager_ip_address", "remove it: no commands are taken over the network"},
    {"manager_ip_name", "remove it: no commands are taken over the network"},
    {"manager_password", "remove it: no commands are taken over the network"},
    {"msg_filter", "remove it: there are no filter rules"},
    {"ras_timer", "use the operating system's dial-up scripts"},
    {"stats_path", "use `log_format json'"},
    {"use_drop", "use `mailbox_format'"},
};

}  // namespace

std::string_view group_name(Group group) {
  switch (group) {
    case Group::identity:
      return "identity";
    case Group::places:
      return "places";
    case Group::listening:
      return "listening";
    case Group::users:
      return "users";
    case Group::relaying:
      return "relaying";
    case Group::limits:
      return "limits";
    case Group::logging:
      return "logging";
  }
  return "";
}

std::span<const Setting> table() {
  static const std::vector<Setting> rows = all_rows();
  return rows;
}

const Setting* find_setting(std::string_view name) {
  for (const auto& row : table()) {
    if (base::iequals(row.name, name)) return &row;
  }
  return nullptr;
}

std::string_view nearest_setting(std::string_view name) {
  const std::string wanted = base::to_lower(name.substr(0, kLongestName));
  std::string_view best;
  unsigned distance = std::numeric_limits<unsigned>::max();
  for (const auto& row : table()) {
    const unsigned here = base::edit_distance(row.name, wanted);
    if (here < distance) {
      distance = here;
      best = row.name;
    }
  }
  return best;
}

std::span<const Obsolete> obsolete_table() { return kObsolete; }

const Obsolete* find_obsolete(std::string_view name) {
  const auto found = std::find_if(std::begin(kObsolete), std::end(kObsolete),
                                  [&](const auto& row) { return base::iequals(row.name, name); });
  return found == std::end(kObsolete) ? nullptr : &*found;
}

}  // namespace posthouse::conf
