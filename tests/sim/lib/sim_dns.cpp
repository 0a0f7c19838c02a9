// Table-driven name lookup with latency and trouble; see the header.
#include "tests/sim/lib/sim_dns.hpp"

#include "base/assert.hpp"
#include "base/text.hpp"

namespace posthouse::sim {

using base::Result;

SimDns::SimDns(World& world) : world_(world), random_(world.make_random("dns")) {}

std::string SimDns::key(const std::string& name) {
  std::string out = base::to_lower(name);
  if (!out.empty() && out.back() == '.') out.pop_back();
  return out;
}

void SimDns::set_mx(const std::string& domain, std::vector<net::MxHost> hosts) {
  names_[key(domain)].mx = std::move(hosts);
}

void SimDns::add_mx(const std::string& domain, std::uint16_t preference, const std::string& host) {
  net::MxHost record;
  record.preference = preference;
  record.host = host;
  names_[key(domain)].mx.push_back(std::move(record));
}

void SimDns::set_addresses(const std::string& host, std::vector<net::IpAddress> addresses) {
  names_[key(host)].addresses = std::move(addresses);
}

void SimDns::add_address(const std::string& host, const std::string& address) {
  const auto parsed = net::IpAddress::parse(address);
  PH_ASSERT(parsed.has_value(), "not an IP address");
  names_[key(host)].addresses.push_back(*parsed);
}

void SimDns::remove(const std::string& name) { names_.erase(key(name)); }

void SimDns::set_trouble(const std::string& name, Trouble trouble) {
  troubles_[key(name)] = trouble;
}

void SimDns::set_latency(base::Duration low, base::Duration high) {
  latency_min_ = low;
  latency_max_ = std::max(low, high);
}

// Waits as a real lookup does, then tells whether there is an answer at all.
net::Task<Result<>> SimDns::lookup(std::string what, std::string name) {
  queries_.push_back(what + " " + name);
  const auto found = troubles_.find(name);
  const Trouble trouble = found == troubles_.end() ? Trouble::none : found->second;
  const auto spread = static_cast<std::uint64_t>((latency_max_ - latency_min_).count());
  const base::Duration latency = latency_min_ + base::Duration(random_.below(spread + 1));
  co_await world_.timer().sleep_until(world_.now() +
                                      (trouble == Trouble::timeout ? time_out_ : latency));
  world_.record("dns", name);
  if (trouble == Trouble::timeout) co_return base::fail(std::errc::timed_out, "dns " + what, name);
  if (trouble == Trouble::servfail) {
    co_return base::fail(std::errc::io_error, "dns " + what, name + ": SERVFAIL");
  }
  co_return Result<>();
}

net::Task<Result<net::Resolver::MxAnswer>> SimDns::mx(std::string domain) {
  const std::string name = key(domain);
  const Result<> asked = co_await lookup("MX", name);
  if (!asked) co_return tl::unexpected(asked.error());
  MxAnswer answer;
  const auto found = names_.find(name);
  answer.exists = found != names_.end();
  if (answer.exists) answer.hosts = found->second.mx;
  answer.ttl_s = ttl_s_;
  co_return answer;
}

net::Task<Result<net::Resolver::AddressAnswer>> SimDns::addresses(std::string host) {
  const std::string name = key(host);
  const Result<> asked = co_await lookup("A", name);
  if (!asked) co_return tl::unexpected(asked.error());
  AddressAnswer answer;
  const auto found = names_.find(name);
  answer.exists = found != names_.end();
  if (answer.exists) answer.addresses = found->second.addresses;
  answer.ttl_s = ttl_s_;
  co_return answer;
}

}  // namespace posthouse::sim
