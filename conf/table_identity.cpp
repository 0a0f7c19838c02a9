// Settings table, group identity: who this server is and which domains are its own. Constant data
// and pure setters; called through conf/setting.hpp.
#include "conf/access.hpp"

namespace posthouse::conf {
namespace {

Problem add_host_domain(Settings& settings, Given& given) {
  auto domain = parse_domain(given.words[0]);
  if (!domain) return std::move(domain).error();
  given.words[0] = *domain;
  settings.host_domain.push_back(*std::move(domain));
  return std::nullopt;
}

// The prefix becomes part of a file name, so nothing in it may need escaping or leave the folder.
bool is_safe_prefix(std::string_view prefix) {
  if (prefix.empty()) return true;
  if (prefix.front() == '.' || prefix.size() > 64) return false;
  for (const char c : prefix) {
    const char low = base::ascii_lower(c);
    const bool name = (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9');
    if (!name && std::string_view("._+-=").find(c) == std::string_view::npos) return false;
  }
  return true;
}

Problem add_vdomain(Settings& settings, Given& given) {
  VirtualDomain entry;
  entry.prefix = given.words[0];
  if (!is_safe_prefix(entry.prefix)) {
    return fmt::format(
        "the prefix {} cannot begin a file name; write letters, digits and . _ + - =, or \"\" for "
        "no prefix",
        in_quotes(entry.prefix));
  }
  const std::string& suffix = given.words[1];
  if (suffix.empty() || suffix.front() != '@') {
    return fmt::format(
        "the second word {} must be the login suffix with its @, for example @example.org "
        "(choosing "
        "the domain by the address connected to is not supported)",
        in_quotes(suffix));
  }
  auto suffix_name = parse_domain(std::string_view(suffix).substr(1));
  if (!suffix_name) return "the login suffix after @: " + suffix_name.error();
  auto domain = parse_domain(given.words[2]);
  if (!domain) return std::move(domain).error();
  auto directory = parse_path(given.words[3], given.folder);
  if (!directory) return std::move(directory).error();
  given.words = {entry.prefix, "@" + *suffix_name, *domain, *directory};
  entry.suffix = *std::move(suffix_name);
  entry.domain = *std::move(domain);
  entry.drop_dir = *std::move(directory);
  entry.origin = given.origin;
  settings.vdomain.push_back(std::move(entry));
  return std::nullopt;
}

std::vector<Words> get_vdomain(const Settings& settings) {
  std::vector<Words> lines;
  for (const auto& entry : settings.vdomain) {
    lines.push_back({entry.prefix, "@" + entry.suffix, entry.domain, entry.drop_dir});
  }
  return lines;
}

constexpr Setting kRows[] = {
    {.name = "host_name",
     .group = Group::identity,
     .arguments = "NAME",
     .unit = "none",
     .default_text = "(the system's fully qualified name)",
     .applies = "SMTP and POP3",
     .reload = Reload::live,
     .since = "0.1",
     .heritage = Heritage::added,
     .help = "The name this machine calls itself in greetings and in trace fields.",
     .documentation =
         "Written into the SMTP greeting, the EHLO answer and every Received field. It should be "
         "the name that the machine's address resolves to, because other servers compare the two. "
         "Without this setting the system's name is taken; when that has no dot, /etc/hosts is "
         "searched for the full name (DNS is not asked, so that a start never waits for it).",
     .example = "host_name mail.example.org",
     .set = set_word<&Settings::host_name, parse_domain>,
     .get = get_text<&Settings::host_name>,
     .copy = copy_member<&Settings::host_name>},
    {.name = "host_domain",
     .group = Group::identity,
     .arguments = "DOMAIN",
     .unit = "none",
     .default_text = "(none: must be written)",
     .compulsory = true,
     .repeatable = true,
     .applies = "SMTP, local delivery and POP3",
     .reload = Reload::live,
     .since = "0.1",
     .heritage = Heritage::kept,
     .dmail = "host_domain, the same",
     .help = "A domain whose mail is ours; the first line names the main domain.",
     .documentation =
         "The first host_domain is the main domain: its users are the users of this server. Every "
         "further one is another name of the main domain with the same users and mailboxes. A "
         "domain that should have users of its own is a vdomain. Mail for a domain named in "
         "neither is foreign.",
     .example = "host_domain example.org",
     .set = add_host_domain,
     .get = get_list<&Settings::host_domain>,
     .copy = copy_member<&Settings::host_domain>},
    {.name = "vdomain",
     .group = Group::identity,
     .arguments = "PREFIX @SUFFIX DOMAIN DROP_DIR",
     .least_words = 4,
     .most_words = 4,
     .unit = "none",
     .default_text = "(none)",
     .repeatable = true,
     .applies = "SMTP, local delivery and POP3",
     .reload = Reload::live,
     .since = "0.1",
     .heritage = Heritage::modernised,
     .dmail = "vdomain; the form that chose a domain by the local IP address is gone",
     .help = "A domain with users and mailboxes of its own.",
     .documentation =
         "PREFIX begins the names of the domain's mailboxes (PREFIX, vdomain_separator, user) "
         "while drop_prefix is true; \"\" means none. SUFFIX is what its users write after their "
         "name when they log in (user@SUFFIX). DOMAIN is the mail domain. DROP_DIR is the folder "
         "of its mailboxes: an absolute path, or one that begins with ./ and counts from the "
         "folder of the configuration file. Two domains may share a folder only when their "
         "prefixes keep every mailbox apart; anything else is refused at start.",
     .example = "vdomain shop @shop.example shop.example /var/spool/posthouse/drop/shop",
     .set = add_vdomain,
     .get = get_vdomain,
     .copy = copy_member<&Settings::vdomain>},
    {.name = "sysadmin",
     .group = Group::identity,
     .arguments = "ADDRESS",
     .unit = "none",
     .default_text = "(postmaster@ the main domain)",
     .applies = "SMTP and local delivery",
     .reload = Reload::live,
     .since = "0.1",
     .heritage = Heritage::modernised,
     .dmail = "sysadmin; it was compulsory",
     .help = "The person who gets the mail for postmaster.",
     .documentation =
         "Mail for postmaster of every domain here is accepted always and goes to this address. A "
         "name without @ belongs to the main domain. While it is nobody's address the mail is "
         "kept in a mailbox called postmaster, and `posthouse check' says so.",
     .example = "sysadmin alice@example.org",
     .set = set_word<&Settings::sysadmin, parse_mail_address>,
     .get = get_text<&Settings::sysadmin>,
     .copy = copy_member<&Settings::sysadmin>},
    {.name = "run_user",
     .group = Group::identity,
     .arguments = "USER",
     .unit = "none",
     .default_text = "(user posthouse if there is one, else the owner of work_path)",
     .applies = "the whole server",
     .reload = Reload::restart,
     .since = "0.1",
     .heritage = Heritage::added,
     .help = "The Unix user the server becomes after it was started as root.",
     .documentation =
         "Ports below 1024 need root; once they are open the process becomes this user for good. "
         "The spool and every mailbox belong to it. It plays no part when the server is started "
         "as an ordinary user. If the default turns out to be root, each start warns.",
     .example = "run_user posthouse",
     .set = set_word<&Settings::run_user, parse_user_name>,
     .get = get_text<&Settings::run_user>,
     .copy = copy_member<&Settings::run_user>},
};

}  // namespace

std::span<const Setting> identity_rows() { return kRows; }

}  // namespace posthouse::conf
