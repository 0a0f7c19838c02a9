// The user file: any octets give entries and problems; what was read can be written and read back.
#include <set>
#include <string>

#include "accounts/login_name.hpp"
#include "accounts/user_file.hpp"
#include "base/assert.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace posthouse;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = fuzz::text_of(data, size);
  const accounts::UserFile file = accounts::parse_user_file(input);

  std::set<std::string> keys;
  std::string rewritten;
  std::size_t valid = 0;
  for (const accounts::UserEntry& entry : file.entries) {
    PH_ASSERT(keys.insert(entry.address.key()).second, "no user twice");
    PH_ASSERT(entry.line > 0, "an entry has its line");
    if (accounts::is_valid_user(entry)) {
      rewritten += accounts::format_user(entry) + '\n';
      ++valid;
    }
  }
  const accounts::UserFile again = accounts::parse_user_file(rewritten);
  PH_ASSERT(again.entries.size() == valid, "every written line reads back");
  std::size_t next = 0;
  for (const accounts::UserEntry& entry : file.entries) {
    if (!accounts::is_valid_user(entry)) {
      continue;
    }
    const accounts::UserEntry& back = again.entries[next++];
    PH_ASSERT(back.address == entry.address, "the address reads back");
    PH_ASSERT(back.hash == entry.hash, "the hash reads back");
    PH_ASSERT(back.labels == entry.labels, "the labels read back");
  }

  accounts::LoginDomains domains;
  domains.main_domain = "test.example";
  domains.virtuals.push_back({"@v", "v.example"});
  const auto login = accounts::canonical_login(input.substr(0, input.find('\n')), domains);
  PH_ASSERT(!login || !login->domain.empty(), "a login names a domain");
  return 0;
}
