// The effective configuration: plain values filled from the settings table (table.cpp), immutable
// once built. Sessions keep the snapshot they began with (std::shared_ptr<const Settings>).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace posthouse::conf {

// Where a value was written: "dmail.conf:12"; line 0 and an empty file mean the default.
struct Origin {
  std::string file;
  unsigned line = 0;
  [[nodiscard]] std::string text() const;
};

struct VirtualDomain {  // vdomain PREFIX @SUFFIX DOMAIN DROP_DIR
  std::string prefix;
  std::string suffix;  // login "user@suffix", without the @
  std::string domain;
  std::string drop_dir;
  Origin origin;
};

enum class MailboxFormat : std::uint8_t { maildir, mbox };
enum class DeliverySync : std::uint8_t { checkpoint, always };
enum class AuthentMethod : std::uint8_t { file };
enum class LogLevel : std::uint8_t { error, info, debug };
enum class LogFormat : std::uint8_t { text, json };
enum class TlsMin : std::uint8_t { tls1_2, tls1_3 };

struct Settings {
  // identity
  std::string host_name;                 // filled from the system when not set
  std::vector<std::string> host_domain;  // first is the main domain; lower case
  std::vector<VirtualDomain> vdomain;
  std::string sysadmin;  // default postmaster@main domain
  std::string run_user;
  // places
  std::string work_path;
  std::string drop_path;  // default work_path/drop
  MailboxFormat mailbox_format = MailboxFormat::maildir;
  DeliverySync delivery_sync = DeliverySync::checkpoint;
  unsigned hash_spool = 0;
  bool drop_prefix = true;
  char vdomain_separator = '_';
  // listening
  std::vector<std::string> listen;  // empty: all addresses, IPv4 and IPv6
  std::uint16_t smtp_port = 25;
  std::uint16_t submission_port = 587;
  std::uint16_t submissions_port = 465;
  std::uint16_t pop_port = 110;
  std::uint16_t pops_port = 995;
  std::vector<std::string> tls_cert;  // n-th belongs to n-th tls_key
  std::vector<std::string> tls_key;
  TlsMin tls_min = TlsMin::tls1_2;
  bool pop_cleartext = false;
  // users
  AuthentMethod authent_method = AuthentMethod::file;
  std::string user_file;               // default work_path/users
  std::uint64_t authent_cache = 1000;  // entries
  // relaying
  std::vector<std::string> forward_from_ip;  // lists as written; default loopback
  // limits
  std::uint64_t msg_max_size = 25ULL * 1024 * 1024;  // octets
  std::uint64_t max_rcpts = 100;
  std::uint64_t max_connections = 5000;
  std::uint64_t max_connections_per_ip = 50;
  std::uint64_t min_space = 100ULL * 1024 * 1024;  // octets
  // logging
  LogLevel log_level = LogLevel::info;
  LogFormat log_format = LogFormat::text;
  std::string log_file;  // empty: standard error
};

}  // namespace posthouse::conf
