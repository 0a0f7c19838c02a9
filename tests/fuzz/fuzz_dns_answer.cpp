// net/dns_answer: any octets as the answer to a query, and any octets behind a sound header and
// question, so that records are reached. The limits hold, and the status says what is there.
#include <string>

#include "base/assert.hpp"
#include "net/dns_answer.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace posthouse;

namespace {

void check(const std::string& packet, net::DnsType type) {
  using Status = net::DnsAnswer::Status;
  const net::DnsAnswer answer = net::parse_dns_answer(packet, "example.com", type);
  PH_ASSERT(answer.hosts.size() <= net::kMaxMxHosts, "mail servers are limited");
  PH_ASSERT(answer.addresses.size() <= net::kMaxAddresses, "addresses are limited");
  PH_ASSERT(answer.ttl_s <= 0x7fffffffU, "times are limited");
  const bool some = !answer.hosts.empty() || !answer.addresses.empty();
  PH_ASSERT(some == (answer.status == Status::records), "records are there if it says so");
  PH_ASSERT((answer.status == Status::failed) == !answer.reason.empty(), "a failure has a reason");
  PH_ASSERT(type == net::DnsType::mx ? answer.addresses.empty() : answer.hosts.empty(),
            "only what was asked for");
  for (const net::MxHost& host : answer.hosts) {
    PH_ASSERT(!host.host.empty() && host.host.size() <= 4 * 255, "names are limited");
    for (const char c : host.host) {
      PH_ASSERT(c > ' ' && c < 0x7f, "names are printable");
    }
    // A name without escapes can be asked for.
    const bool plain = host.host.find('\\') == std::string::npos && host.host != ".";
    PH_ASSERT(plain == net::normalize_dns_name(host.host).has_value(), "plain names are names");
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = fuzz::text_of(data, size);
  const std::uint8_t choice = fuzz::take_octet(text);
  const net::DnsType type = choice % 3 == 0   ? net::DnsType::mx
                            : choice % 3 == 1 ? net::DnsType::a
                                              : net::DnsType::aaaa;
  check(std::string(text), type);

  std::string packet = net::build_dns_query(1, "example.com", type);
  packet[2] = '\x81';
  packet[3] = static_cast<char>(fuzz::take_octet(text) & 0x8fU);
  packet[7] = static_cast<char>(fuzz::take_octet(text));
  packet[9] = static_cast<char>(fuzz::take_octet(text));
  packet += text;
  check(packet, type);
  return 0;
}
