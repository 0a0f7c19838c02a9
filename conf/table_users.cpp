// Settings table, groups users, relaying: who logs in, and who may hand in mail without it.
// Constant data and pure setters; called through conf/setting.hpp.
#include "conf/access.hpp"

namespace posthouse::conf {
namespace {

constexpr std::array kAuthentMethods = {
    Choice<AuthentMethod>{"file", AuthentMethod::file},
};

constexpr std::uint64_t kMostCached = 1000000;

// Each word is a list, so that "10.0.0.1, 10.0.0.2" works as well; the effective value has one
// item an entry.
Problem add_forward_from_ip(Settings& settings, Given& given) {
  std::vector<std::string> items;
  const bool none = given.words.size() == 1 && base::iequals(given.words[0], "none");
  for (const auto& word : given.words) {
    if (none) break;
    auto list = parse_address_list(word);
    if (!list) return std::move(list).error();
    items.insert(items.end(), list->begin(), list->end());
  }
  if (items.empty() && !none) {
    return "the list is empty; write addresses like 127.0.0.1, 10.0.0.0/8, or none for nobody";
  }
  settings.forward_from_ip.insert(settings.forward_from_ip.end(), items.begin(), items.end());
  return std::nullopt;
}

std::vector<Words> get_forward_from_ip(const Settings& settings) {
  if (settings.forward_from_ip.empty()) return {{"none"}};
  return get_list<&Settings::forward_from_ip>(settings);
}

constexpr Setting kUserRows[] = {
    {.name = "authent_method",
     .group = Group::users,
     .arguments = "file",
     .unit = "none",
     .default_text = "file",
     .applies = "SMTP and POP3",
     .reload = Reload::restart,
     .since = "0.1",
     .heritage = Heritage::modernised,
     .dmail = "authent_method; the default was unix_user",
     .help = "How users are looked up and passwords checked.",
     .documentation = "file: the built-in user file, kept with `posthouse user'.",
     .example = "authent_method file",
     .set = set_choice<&Settings::authent_method, kAuthentMethods>,
     .get = get_choice<&Settings::authent_method, kAuthentMethods>,
     .copy = copy_member<&Settings::authent_method>},
    {.name = "user_file",
     .group = Group::users,
     .arguments = "FILE",
     .unit = "none",
     .default_text = "(work_path/users)",
     .applies = "SMTP and POP3",
     .reload = Reload::restart,
     .secrecy = Secrecy::names_secret_file,
     .since = "0.1",
     .heritage = Heritage::added,
     .help = "The built-in user file: one line for each address, with a hash of its password.",
     .documentation =
         "Kept with `posthouse user add', `remove' and `passwd'; a running server sees a change at "
         "once. The file holds password hashes and must not be readable by others.",
     .example = "user_file /etc/posthouse/users",
     .set = set_path<&Settings::user_file>,
     .get = get_text<&Settings::user_file>,
     .copy = copy_member<&Settings::user_file>},
    {.name = "authent_cache",
     .group = Group::users,
     .arguments = "COUNT",
     .unit = "logins",
     .default_text = "1000",
     .applies = "SMTP and POP3",
     .reload = Reload::restart,
     .since = "0.1",
     .heritage = Heritage::modernised,
     .dmail = "authent_cache; entries now expire after 300 s and hold no password",
     .help = "How many verified logins are remembered; 0 remembers none.",
     .documentation =
         "A verified login is remembered for 300 seconds as a keyed digest of the password, so "
         "that a mail program which polls every minute does not cost a slow password hash each "
         "time. A change of the user's line forgets it at once.",
     .example = "authent_cache 5000",
     .set = set_word<&Settings::authent_cache, number_between<0, kMostCached>>,
     .get = get_word<&Settings::authent_cache, format_number>,
     .copy = copy_member<&Settings::authent_cache>},
};

constexpr Setting kRelayingRows[] = {
    {.name = "forward_from_ip",
     .group = Group::relaying,
     .arguments = "LIST",
     .most_words = 0,
     .unit = "none",
     .default_text = "127.0.0.0/8,::1",
     .repeatable = true,
     .applies = "SMTP",
     .reload = Reload::live,
     .since = "0.1",
     .heritage = Heritage::kept,
     .dmail = "forward_from_ip; networks in CIDR form and IPv6 are new, and the server is closed "
              "to everybody else even without it",
     .help = "Clients that may hand in mail without logging in.",
     .documentation =
         "A comma-separated list of addresses (127.0.0.1, ::1), networks (10.0.0.0/8, "
         "2001:db8::/32) and patterns (1.2.3.*); several lines add up. What is written replaces "
         "the default, so name loopback too if programs on this machine should go on sending. "
         "`none' alone means nobody. Name machines you answer for, never the whole Internet.",
     .example = "forward_from_ip 127.0.0.1,::1,192.168.0.0/16",
     .set = add_forward_from_ip,
     .get = get_forward_from_ip,
     .copy = copy_member<&Settings::forward_from_ip>},
};

}  // namespace

std::span<const Setting> users_rows() { return kUserRows; }
std::span<const Setting> relaying_rows() { return kRelayingRows; }

}  // namespace posthouse::conf
