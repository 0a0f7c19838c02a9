// Lookups: from names to queries on the channel, and from its results to the port's answers.
#include "net/dns_cares.hpp"

#include <ares.h>

#include <algorithm>

#include "net/dns_answer.hpp"
#include "net/dns_channel.hpp"

namespace posthouse::net {

namespace {

using base::Result;
using ChannelPtr = std::shared_ptr<CaresResolver::Channel>;

// When one of A and AAAA failed, the other is asked again soon.
constexpr std::uint32_t kPartialTtl = 30;

base::Error lookup_error(const DnsQuery& query) {
  const std::string op = "dns " + std::string(to_text(query.type));
  if (query.status == ARES_ECANCELLED || query.status == ARES_EDESTRUCTION) {
    return base::fail(std::errc::operation_canceled, op, query.name).value();
  }
  if (query.server_rcode != 0) {
    // Some server did answer, if only this.
    return base::fail(std::errc::io_error, op,
                      query.name + ": " + dns_rcode_text(query.server_rcode))
        .value();
  }
  if (query.status == ARES_ETIMEOUT) {
    return base::fail(std::errc::timed_out, op, query.name).value();
  }
  if (query.status == ARES_ECONNREFUSED) {
    return base::fail(std::errc::connection_refused, op, query.name + ": no name server").value();
  }
  return base::fail(std::errc::io_error, op, query.name + ": " + ares_strerror(query.status))
      .value();
}

Result<DnsAnswer> read_answer(const DnsQuery& query) {
  if (query.status != ARES_SUCCESS) {
    return tl::unexpected(lookup_error(query));
  }
  DnsAnswer answer = parse_dns_answer(query.packet, query.name, query.type);
  if (answer.status == DnsAnswer::Status::failed) {
    return base::fail(std::errc::io_error, "dns " + std::string(to_text(query.type)),
                      query.name + ": " + answer.reason);
  }
  return answer;
}

Task<Result<DnsAnswer>> wait_for(std::shared_ptr<DnsQuery> query) {
  while (!query->finished) {
    co_await query->done.wait();
  }
  co_return read_answer(*query);
}

Task<Result<Resolver::MxAnswer>> look_up_mx(ChannelPtr channel, std::string domain) {
  Resolver::MxAnswer out;
  const auto name = normalize_dns_name(domain);
  if (!name) {
    out.exists = false;
    co_return out;
  }
  const auto query = co_await channel->ask(*name, DnsType::mx);
  auto answer = co_await wait_for(query);
  if (!answer) {
    co_return tl::unexpected(answer.error());
  }
  out.exists = answer->status != DnsAnswer::Status::no_name;
  out.hosts = std::move(answer->hosts);
  out.ttl_s = answer->ttl_s;
  co_return out;
}

Resolver::AddressAnswer localhost() {
  Resolver::AddressAnswer out;
  std::array<std::uint8_t, 16> v6{};
  v6[15] = 1;
  out.addresses = {IpAddress::v4(0x7f000001), IpAddress::from_bytes(v6)};
  out.ttl_s = 86400;
  return out;
}

// In turn, so that the limit leaves room for both families.
void take_in_turn(const std::vector<IpAddress>& a, const std::vector<IpAddress>& b,
                  std::vector<IpAddress>& out) {
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    for (const auto* family : {&a, &b}) {
      if (i < family->size() && out.size() < kMaxAddresses) {
        out.push_back((*family)[i]);
      }
    }
  }
}

Result<Resolver::AddressAnswer> combine(const Result<DnsAnswer>& v4, const Result<DnsAnswer>& v6) {
  Resolver::AddressAnswer out;
  if (v4 && v6) {
    using Status = DnsAnswer::Status;
    out.exists = v4->status != Status::no_name || v6->status != Status::no_name;
    take_in_turn(v6->addresses, v4->addresses, out.addresses);
    out.ttl_s = std::min(v4->ttl_s, v6->ttl_s);
    if (v4->status != v6->status) {
      // An absent family does not shorten the life of the other's records, nor the reverse.
      out.ttl_s = v4->status == Status::records   ? v4->ttl_s
                  : v6->status == Status::records ? v6->ttl_s
                                                  : out.ttl_s;
    }
    return out;
  }
  const Result<DnsAnswer>& good = v4 ? v4 : v6;
  if (!good || good->addresses.empty()) {
    return tl::unexpected(v4 ? v6.error() : v4.error());
  }
  out.addresses = good->addresses;
  out.ttl_s = std::min(good->ttl_s, kPartialTtl);
  return out;
}

Task<Result<Resolver::AddressAnswer>> look_up_addresses(ChannelPtr channel, std::string host) {
  Resolver::AddressAnswer none;
  const auto name = normalize_dns_name(host);
  if (!name) {
    none.exists = false;
    co_return none;
  }
  if (*name == "localhost" || name->ends_with(".localhost")) {
    co_return localhost();
  }
  const auto query6 = co_await channel->ask(*name, DnsType::aaaa);
  const auto query4 = co_await channel->ask(*name, DnsType::a);
  const auto answer4 = co_await wait_for(query4);
  const auto answer6 = co_await wait_for(query6);
  co_return combine(answer4, answer6);
}

}  // namespace

Result<std::unique_ptr<CaresResolver>> CaresResolver::make(const Executor& executor,
                                                           const CaresOptions& options) {
  auto channel = Channel::make(executor, options);
  if (!channel) {
    return tl::unexpected(channel.error());
  }
  return std::unique_ptr<CaresResolver>(new CaresResolver(std::move(*channel)));
}

CaresResolver::CaresResolver(std::shared_ptr<Channel> channel) : channel_(std::move(channel)) {}

CaresResolver::~CaresResolver() { channel_->end(); }

Task<Result<Resolver::MxAnswer>> CaresResolver::mx(std::string domain) {
  return look_up_mx(channel_, std::move(domain));
}

Task<Result<Resolver::AddressAnswer>> CaresResolver::addresses(std::string host) {
  return look_up_addresses(channel_, std::move(host));
}

std::size_t CaresResolver::in_flight() const { return channel_->in_flight(); }

}  // namespace posthouse::net
