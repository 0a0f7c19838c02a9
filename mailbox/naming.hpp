// Names of mailboxes: which path the mailbox of an address has. Owns the rules that keep two
// addresses from ever meeting in one file and every name inside its directory. Pure: no file is
// looked at. Called when a recipient is resolved, from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace posthouse::mailbox {

// What the configuration says about names; the same for every address.
struct NameRules {
  unsigned hash_spool = 0;  // 0, 1 or 2 (hash_directory below)
  bool drop_prefix = true;  // false: mailboxes of virtual domains carry no prefix
  char separator = '_';     // vdomain_separator
};

// Where the mailboxes of one domain live. The main domain has an empty prefix.
struct NameDomain {
  std::string prefix;    // vdomain PREFIX
  std::string drop_dir;  // vdomain DROP_DIR; empty: drop_path itself
};

// All domains together with the directories that no mailbox may take or hide.
struct NameTable {
  NameRules rules;
  std::string drop_path;                 // what relative directories are relative to
  std::vector<NameDomain> domains;       // the main domain among them
  std::vector<std::string> directories;  // other configured directories
};

enum class NameRefusal : std::uint8_t {
  empty,         // no local part
  too_long,      // the file name would exceed what file systems take
  reserved,      // ends in .fwd .rsp .idx .lock
  directory,     // equals, holds or lies inside a configured directory
  other_domain,  // would be read as a mailbox of another domain in the same directory
};

// The path of the mailbox of `local_key` (mail::Address::local_key(): NFC, lower case) in `domain`:
// "[drop_dir/][hash directories/][prefix separator]name", relative when drop_dir is. Different
// (local_key, domain) of one table never give the same path, and the path never leaves drop_dir.
[[nodiscard]] tl::expected<std::string, NameRefusal> mailbox_path(const NameTable& table,
                                                                  std::string_view local_key,
                                                                  const NameDomain& domain);

// A sentence for the administrator or the log.
[[nodiscard]] std::string_view describe(NameRefusal refusal);

// True when two domains of the table would share mailboxes: same directory and same prefix (or
// none, with drop_prefix false). Such a configuration is refused.
[[nodiscard]] bool domains_collide(const NameTable& table, const NameDomain& a,
                                   const NameDomain& b);

// Octets outside `a-z 0-9 . _ + - =` and a leading dot as %XX (upper-case hexadecimal). Injective.
[[nodiscard]] std::string encode_file_name(std::string_view name);

// "", "v/" or "b/o/": the hash directories of a name. 1: the sum of the first five characters
// modulo 26 as a letter; 2: first and second character (a single one twice). Characters outside
// a-z and 0-9 count as '_'. DMail: hash_spool as in qpopper.
[[nodiscard]] std::string hash_directory(std::string_view local_key, unsigned hash_spool);

}  // namespace posthouse::mailbox
