// Where a domain's mail goes: from MX and address records to the endpoints to try, in order
// (RFC 5321 5.1, RFC 7505). The ordering is pure; HopFinder looks names up group by group, so that
// a domain whose first server takes the mail costs no further lookups. Used by the relay agent on
// its executor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.hpp"
#include "net/ports.hpp"

namespace posthouse::net {

// LIMIT: hosts whose addresses one delivery looks up, lookups that may fail before the rest is left
// for later, and endpoints handed out.
inline constexpr std::size_t kMaxHostsAsked = 20;
inline constexpr std::size_t kMaxFailedLookups = 3;
inline constexpr std::size_t kMaxHops = 40;

// The mail servers of one preference, in the order to try them.
struct MxGroup {
  std::uint16_t preference = 0;
  std::vector<std::string> hosts;
};

// Groups by preference, lowest first, shuffled within (RFC 5321 5.1). A name that appears twice
// counts with its better preference; "." is no host.
[[nodiscard]] std::vector<MxGroup> order_mx(const std::vector<MxHost>& hosts, base::Random& random);

// True when the domain says that it takes no mail: its only host is "." (RFC 7505 3).
[[nodiscard]] bool is_null_mx(const std::vector<MxHost>& hosts);

struct AddressChoice {
  bool use_ipv4 = true;
  bool use_ipv6 = true;
};
// Without repetitions and addresses that no server can have (0.0.0.0/8, multicast, reserved,
// link-local IPv6), shuffled within each family, IPv6 and IPv4 in turn.
[[nodiscard]] std::vector<IpAddress> order_addresses(const std::vector<IpAddress>& addresses,
                                                     const AddressChoice& choice,
                                                     base::Random& random);

// "192.0.2.1", "2001:db8::1", "[192.0.2.1]" and "[IPv6:2001:db8::1]" (RFC 5321 4.1.3).
[[nodiscard]] std::optional<IpAddress> parse_address_literal(std::string_view text);

// What is wanted; constructed by name, filled field by field.
struct HopRequest {
  HopRequest() = default;
  explicit HopRequest(std::string n) : name(std::move(n)) {}
  std::string name;  // a domain or host in A-label form, or an address literal
  std::uint16_t port = 25;
  bool use_mx = true;       // false: the addresses of the host `name` (gateway HOST)
  bool configured = false;  // from our own settings: that it does not exist is no one else's fault
  AddressChoice families;
  // RFC 5321 5.1: a mail server that is ourselves, and all that are no better, are not used.
  std::function<bool(const Endpoint&)> is_ours;  // an endpoint we listen on; may be empty
  std::vector<std::string> own_names;            // leave empty when nothing of ours is on `port`
};

struct Hop {
  Endpoint endpoint;
  std::string host;  // for TLS and the log; the literal for a literal
  std::uint16_t preference = 0;
};

struct HopAnswer {
  enum class Outcome : std::uint8_t {
    hops,       // try these, in this order
    end,        // after hops: there are no more
    temporary,  // nothing to try now; `text` says why
    permanent,  // never: fail the recipients with the reply
  };
  Outcome outcome = Outcome::end;
  std::vector<Hop> hops;
  int code = 0;          // 451, 550, 554, 556
  std::string enhanced;  // "5.1.10"
  std::string text;      // "example.com does not accept mail (null MX)"
};

// Next hops of one delivery. `resolver` and `random` must outlive it, and it its coroutines.
class HopFinder {
 public:
  HopFinder(Resolver& resolver, base::Random& random, HopRequest request);
  HopFinder(const HopFinder&) = delete;
  HopFinder& operator=(const HopFinder&) = delete;

  // The first call gives hops, temporary or permanent; later ones give further hops or end. Hosts
  // of one preference come together. No endpoint comes twice.
  [[nodiscard]] Task<HopAnswer> next();

 private:
  [[nodiscard]] Task<> plan();
  [[nodiscard]] Task<> plan_mx();
  [[nodiscard]] Task<std::vector<Hop>> look_up(const MxGroup& group);
  void note_failure(const std::string& host, const base::Error& error);
  void take(const std::vector<IpAddress>& addresses, const std::string& host,
            std::uint16_t preference, std::vector<Hop>& hops);
  [[nodiscard]] bool is_own_name(const std::string& host) const;
  [[nodiscard]] bool may_ask() const;
  [[nodiscard]] HopAnswer verdict() const;
  void refuse(HopAnswer::Outcome outcome, int code, std::string_view enhanced, std::string text);

  Resolver& resolver_;
  base::Random& random_;
  HopRequest request_;
  bool planned_ = false;
  bool implicit_ = false;  // the group is the name itself
  std::vector<MxGroup> groups_;
  std::size_t next_group_ = 0;
  std::vector<Endpoint> seen_;
  HopAnswer refusal_;  // with outcome temporary or permanent: the whole story
  bool refused_ = false;
  bool handed_out_ = false;    // some hops
  bool looped_ = false;        // met ourselves: nothing behind this is used
  bool name_missing_ = false;  // the name itself does not exist
  std::size_t asked_ = 0;
  std::size_t failed_ = 0;
  std::string first_failure_;
};

// All groups until at least `enough` endpoints are known; never Outcome::end.
[[nodiscard]] Task<HopAnswer> next_hops(Resolver& resolver, base::Random& random,
                                        HopRequest request, std::size_t enough = kMaxHops);

}  // namespace posthouse::net
