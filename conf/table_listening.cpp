// Settings table, group listening: addresses, ports and certificates. Constant data and pure
// setters; called through conf/setting.hpp.
#include "conf/access.hpp"

namespace posthouse::conf {
namespace {

constexpr std::array kTlsVersions = {
    Choice<TlsMin>{"1.2", TlsMin::tls1_2},
    Choice<TlsMin>{"1.3", TlsMin::tls1_3},
};

Problem add_listen(Settings& settings, Given& given) {
  auto address = parse_listen_address(given.words[0]);
  if (!address) return std::move(address).error();
  given.words[0] = *address;
  if (*address == "*") {
    settings.listen.clear();  // all addresses is the empty list; rules() refuses * beside others
  } else {
    settings.listen.push_back(*std::move(address));
  }
  return std::nullopt;
}

std::vector<Words> get_listen(const Settings& settings) {
  if (settings.listen.empty()) return {{"*"}};
  return get_list<&Settings::listen>(settings);
}

// The columns that all five ports share.
template <auto Member>
constexpr Setting port_row(std::string_view name, std::string_view default_text) {
  Setting row;
  row.name = name;
  row.group = Group::listening;
  row.arguments = "PORT";
  row.unit = "TCP port, 0 to 65535";
  row.default_text = default_text;
  row.reload = Reload::restart;
  row.since = "0.1";
  row.set = set_word<Member, parse_port>;
  row.get = get_word<Member, format_port>;
  row.copy = copy_member<Member>;
  return row;
}

constexpr Setting smtp_port_row() {
  Setting row = port_row<&Settings::smtp_port>("smtp_port", "25");
  row.applies = "SMTP";
  row.help = "The port on which other servers deliver mail; 0 turns it off.";
  row.documentation =
      "STARTTLS is offered on it when there is a certificate. A client may also log in here and "
      "submit mail, but mail programs should use submission_port.";
  row.example = "smtp_port 2525";
  return row;
}

constexpr Setting submission_port_row() {
  Setting row = port_row<&Settings::submission_port>("submission_port", "587");
  row.applies = "SMTP";
  row.help = "The port on which our own users hand in mail (RFC 6409); 0 turns it off.";
  row.documentation =
      "A client must log in before MAIL unless its address is in forward_from_ip. STARTTLS is "
      "offered when there is a certificate; passwords are taken only after it or from loopback.";
  row.example = "submission_port 2587";
  return row;
}

constexpr Setting submissions_port_row() {
  Setting row = port_row<&Settings::submissions_port>("submissions_port", "465");
  row.applies = "SMTP";
  row.help = "As submission_port, with TLS from the first octet (RFC 8314); 0 turns it off.";
  row.documentation = "Stays closed while there is no tls_cert.";
  row.example = "submissions_port 2465";
  return row;
}

constexpr Setting pop_port_row() {
  Setting row = port_row<&Settings::pop_port>("pop_port", "110");
  row.applies = "POP3";
  row.heritage = Heritage::kept;
  row.dmail = "pop_port, the same";
  row.help = "The POP3 port; 0 turns it off.";
  row.documentation =
      "STLS is offered when there is a certificate. Passwords are taken only after it or from "
      "loopback, unless pop_cleartext is true.";
  row.example = "pop_port 2110";
  return row;
}

constexpr Setting pops_port_row() {
  Setting row = port_row<&Settings::pops_port>("pops_port", "995");
  row.applies = "POP3";
  row.help = "The POP3 port with TLS from the first octet (RFC 8314); 0 turns it off.";
  row.documentation = "Stays closed while there is no tls_cert.";
  row.example = "pops_port 2995";
  return row;
}

constexpr Setting kRows[] = {
    {.name = "listen",
     .group = Group::listening,
     .arguments = "ADDRESS",
     .unit = "none",
     .default_text = "*",
     .repeatable = true,
     .applies = "SMTP and POP3",
     .reload = Reload::restart,
     .since = "0.1",
     .heritage = Heritage::modernised,
     .dmail = "dpop_host, which was for POP3 alone",
     .help = "An IP address on which every port is opened.",
     .documentation =
         "One line for each IPv4 or IPv6 address. Without this setting, or with * alone, every "
         "port is opened on all addresses of both families.",
     .example = "listen 127.0.0.1",
     .set = add_listen,
     .get = get_listen,
     .copy = copy_member<&Settings::listen>},
    smtp_port_row(),
    submission_port_row(),
    submissions_port_row(),
    pop_port_row(),
    pops_port_row(),
    {.name = "tls_cert",
     .group = Group::listening,
     .arguments = "FILE",
     .unit = "none",
     .default_text = "(none: no TLS)",
     .repeatable = true,
     .applies = "SMTP and POP3",
     .reload = Reload::live,
     .since = "0.1",
     .heritage = Heritage::added,
     .help = "A certificate with its chain in PEM form.",
     .documentation =
         "Repeat it, each with its own tls_key, when several names need certificates of their own "
         "(the client's SNI chooses; the first is for all others). The file is read again when it "
         "changes. Without a certificate the ports with TLS from the first octet stay closed and "
         "neither STARTTLS nor STLS is offered.",
     .example = "tls_cert /etc/posthouse/tls/fullchain.pem",
     .set = add_path<&Settings::tls_cert>,
     .get = get_list<&Settings::tls_cert>,
     .copy = copy_member<&Settings::tls_cert>},
    {.name = "tls_key",
     .group = Group::listening,
     .arguments = "FILE",
     .unit = "none",
     .default_text = "(none: no TLS)",
     .repeatable = true,
     .applies = "SMTP and POP3",
     .reload = Reload::live,
     .secrecy = Secrecy::names_secret_file,
     .since = "0.1",
     .heritage = Heritage::added,
     .help = "The private key of a certificate in PEM form; the first belongs to the first.",
     .documentation =
         "There must be as many tls_key lines as tls_cert lines; the n-th key belongs to the n-th "
         "certificate. The file must not be readable by others and must have no passphrase.",
     .example = "tls_key /etc/posthouse/tls/privkey.pem",
     .set = add_path<&Settings::tls_key>,
     .get = get_list<&Settings::tls_key>,
     .copy = copy_member<&Settings::tls_key>},
    {.name = "tls_min",
     .group = Group::listening,
     .arguments = "1.2|1.3",
     .unit = "TLS version",
     .default_text = "1.2",
     .applies = "SMTP and POP3",
     .reload = Reload::live,
     .since = "0.1",
     .heritage = Heritage::added,
     .help = "The oldest version of TLS that is accepted.",
     .documentation = "Versions before 1.2 are broken (RFC 8996) and cannot be chosen.",
     .example = "tls_min 1.3",
     .set = set_choice<&Settings::tls_min, kTlsVersions>,
     .get = get_choice<&Settings::tls_min, kTlsVersions>,
     .copy = copy_member<&Settings::tls_min>},
    {.name = "pop_cleartext",
     .group = Group::listening,
     .arguments = "true|false",
     .unit = "none",
     .default_text = "false",
     .applies = "POP3",
     .reload = Reload::live,
     .since = "0.1",
     .heritage = Heritage::added,
     .help = "Whether POP3 takes passwords without TLS from everywhere.",
     .documentation =
         "false takes them without TLS from loopback only. true is for old mail programs in a "
         "network that nobody else can listen to.",
     .example = "pop_cleartext true",
     .set = set_word<&Settings::pop_cleartext, parse_bool>,
     .get = get_word<&Settings::pop_cleartext, format_bool>,
     .copy = copy_member<&Settings::pop_cleartext>},
};

}  // namespace

std::span<const Setting> listening_rows() { return kRows; }

}  // namespace posthouse::conf
