// mail/address: what parses as an address is printed in a form that parses to the same.
#include "base/assert.hpp"
#include "base/text.hpp"
#include "mail/address.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace posthouse;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  if (const auto address = mail::parse_address(text)) {
    const std::string printed = address->text();
    PH_ASSERT(base::is_utf8(printed), "an address is UTF-8");
    PH_ASSERT(address->domain.size() <= mail::kMaxDomain, "a domain keeps its limit");
    PH_ASSERT(printed.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos,
              "an address has no line ends");
    if (printed.size() <= text.size()) {  // A-labels may be longer than what they stand for
      PH_ASSERT(mail::parse_address(printed) == address, "address round trip");
    }
    mail::Address lower = *address;
    lower.local = address->local_key();
    PH_ASSERT(lower.local_key() == lower.local, "a key is its own key");
  }
  if (const auto domain = mail::normalize_domain(text)) {
    PH_ASSERT(mail::normalize_domain(*domain) == domain, "a normal domain stays as it is");
    PH_ASSERT(mail::is_valid_domain(text), "normal means valid");
    PH_ASSERT(base::to_lower(*domain) == *domain, "a domain is lower case");
  }
  PH_ASSERT(!mail::is_address_literal(text) || mail::is_valid_domain(text),
            "a literal is a domain");
  return 0;
}
