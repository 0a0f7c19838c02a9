// Ordering of mail servers and addresses, and the lookups of one delivery; see the header.
#include "net/mx.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "base/text.hpp"

namespace posthouse::net {

namespace {

template <class T>
void shuffle(std::vector<T>& items, base::Random& random) {
  for (std::size_t left = items.size(); left > 1; --left) {
    std::swap(items[left - 1], items[random.below(left)]);
  }
}

std::string host_key(std::string_view host) {
  if (host.size() > 1 && host.ends_with('.')) {
    host.remove_suffix(1);
  }
  return base::to_lower(host);
}

// Addresses that nobody answers at; connecting to 0.0.0.0 would reach ourselves.
bool is_usable(const IpAddress& address) {
  const auto& b = address.bytes();
  if (address.is_v4()) {
    return b[12] != 0 && b[12] < 224;
  }
  const bool link_local = b[0] == 0xfe && (b[1] & 0xc0U) == 0x80;  // needs an interface
  const bool unspecified = std::all_of(b.begin(), b.end(), [](auto octet) { return octet == 0; });
  return b[0] != 0xff && !link_local && !unspecified;
}

}  // namespace

std::vector<MxGroup> order_mx(const std::vector<MxHost>& hosts, base::Random& random) {
  std::map<std::string, std::uint16_t> best;
  for (const MxHost& host : hosts) {
    const std::string key = host_key(host.host);
    if (key.empty() || key == ".") {
      continue;
    }
    const auto [found, added] = best.emplace(key, host.preference);
    if (!added) {
      found->second = std::min(found->second, host.preference);
    }
  }
  std::map<std::uint16_t, std::vector<std::string>> sorted;
  for (const auto& [host, preference] : best) {
    sorted[preference].push_back(host);
  }
  std::vector<MxGroup> groups;
  for (auto& [preference, names] : sorted) {
    shuffle(names, random);
    MxGroup group;
    group.preference = preference;
    group.hosts = std::move(names);
    groups.push_back(std::move(group));
  }
  return groups;
}

bool is_null_mx(const std::vector<MxHost>& hosts) {
  // RFC 7505 3 asks for preference 0, but a lone "." of another preference means nothing else.
  return hosts.size() == 1 && (hosts[0].host == "." || hosts[0].host.empty());
}

std::vector<IpAddress> order_addresses(const std::vector<IpAddress>& addresses,
                                       const AddressChoice& choice, base::Random& random) {
  std::vector<IpAddress> sorted;
  std::copy_if(addresses.begin(), addresses.end(), std::back_inserter(sorted), is_usable);
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  std::vector<IpAddress> v4;
  std::vector<IpAddress> v6;
  for (const IpAddress& address : sorted) {
    if (address.is_v4() && choice.use_ipv4) {
      v4.push_back(address);
    } else if (!address.is_v4() && choice.use_ipv6) {
      v6.push_back(address);
    }
  }
  shuffle(v4, random);
  shuffle(v6, random);
  std::vector<IpAddress> out;
  out.reserve(v4.size() + v6.size());
  for (std::size_t i = 0; i < std::max(v4.size(), v6.size()); ++i) {
    if (i < v6.size()) {
      out.push_back(v6[i]);
    }
    if (i < v4.size()) {
      out.push_back(v4[i]);
    }
  }
  return out;
}

std::optional<IpAddress> parse_address_literal(std::string_view text) {
  if (!text.starts_with('[')) {
    return IpAddress::parse(text);
  }
  if (!text.ends_with(']')) {
    return std::nullopt;
  }
  text.remove_prefix(1);
  text.remove_suffix(1);
  if (base::istarts_with(text, "IPv6:")) {
    text.remove_prefix(5);
    // RFC 5321 4.1.3: the tag belongs to IPv6 addresses alone.
    return text.find(':') == std::string_view::npos ? std::nullopt : IpAddress::parse(text);
  }
  return IpAddress::parse(text);
}

HopFinder::HopFinder(Resolver& resolver, base::Random& random, HopRequest request)
    : resolver_(resolver), random_(random), request_(std::move(request)) {}

Task<HopAnswer> HopFinder::next() {
  if (!planned_) {
    planned_ = true;
    co_await plan();
  }
  while (!refused_ && !looped_ && next_group_ < groups_.size() && may_ask()) {
    const MxGroup& group = groups_[next_group_++];
    std::vector<Hop> hops = co_await look_up(group);
    if (!hops.empty()) {
      handed_out_ = true;
      HopAnswer answer;
      answer.outcome = HopAnswer::Outcome::hops;
      answer.hops = std::move(hops);
      co_return answer;
    }
  }
  co_return verdict();
}

void HopFinder::refuse(HopAnswer::Outcome outcome, int code, std::string_view enhanced,
                       std::string text) {
  refused_ = true;
  refusal_.outcome = outcome;
  refusal_.code = code;
  refusal_.enhanced = enhanced;
  refusal_.text = std::move(text);
}

Task<> HopFinder::plan() {
  if (request_.name.starts_with('[') || IpAddress::parse(request_.name)) {
    const auto address = parse_address_literal(request_.name);
    if (!address) {
      // RFC 5321 4.1.3; 5.1.2: bad destination system address.
      refuse(HopAnswer::Outcome::permanent, 550, "5.1.2",
             fmt::format("{} is not an address", base::printable(request_.name)));
      co_return;
    }
    implicit_ = true;
    MxGroup group;
    group.hosts.push_back(request_.name);
    groups_.push_back(std::move(group));
    co_return;
  }
  if (request_.use_mx) {
    co_await plan_mx();
    co_return;
  }
  implicit_ = true;
  MxGroup group;
  group.hosts.push_back(host_key(request_.name));
  groups_.push_back(std::move(group));
}

Task<> HopFinder::plan_mx() {
  const auto answer = co_await resolver_.mx(request_.name);
  if (!answer) {
    // RFC 5321 5.1: without an answer about MX the address must not be used instead.
    note_failure(request_.name, answer.error());
    co_return;
  }
  if (!answer->exists) {
    name_missing_ = true;
    co_return;
  }
  if (is_null_mx(answer->hosts)) {
    // RFC 7505 4.2
    refuse(HopAnswer::Outcome::permanent, 556, "5.1.10",
           fmt::format("{} does not accept mail (null MX)", base::printable(request_.name)));
    co_return;
  }
  groups_ = order_mx(answer->hosts, random_);
  if (answer->hosts.empty()) {
    // RFC 5321 5.1: the domain itself, as if it were its own mail server of preference 0.
    implicit_ = true;
    MxGroup group;
    group.hosts.push_back(host_key(request_.name));
    groups_.push_back(std::move(group));
  }
}

bool HopFinder::may_ask() const {
  return asked_ < kMaxHostsAsked && failed_ < kMaxFailedLookups && seen_.size() < kMaxHops;
}

bool HopFinder::is_own_name(const std::string& host) const {
  return !implicit_ && std::any_of(request_.own_names.begin(), request_.own_names.end(),
                                   [&](const std::string& own) { return host_key(own) == host; });
}

void HopFinder::note_failure(const std::string& host, const base::Error& error) {
  ++failed_;
  if (first_failure_.empty()) {
    const bool late = error.code == std::errc::timed_out;
    first_failure_ =
        late ? fmt::format("the name servers of {} do not answer", base::printable(host))
             : "name lookup failed: " + base::printable(error.detail);
  }
}

// Adds the host's endpoints to `hops`, or notes that one of them is ourselves.
void HopFinder::take(const std::vector<IpAddress>& addresses, const std::string& host,
                     std::uint16_t preference, std::vector<Hop>& hops) {
  Endpoint endpoint;
  endpoint.port = request_.port;
  for (const IpAddress& address : addresses) {
    endpoint.address = address;
    // Also of families that we do not use: the host is the same.
    looped_ = looped_ || (request_.is_ours && request_.is_ours(endpoint));
  }
  for (const IpAddress& address : order_addresses(addresses, request_.families, random_)) {
    endpoint.address = address;
    if (std::find(seen_.begin(), seen_.end(), endpoint) == seen_.end() && seen_.size() < kMaxHops) {
      seen_.push_back(endpoint);
      Hop hop;
      hop.endpoint = endpoint;
      hop.host = host;
      hop.preference = preference;
      hops.push_back(std::move(hop));
    }
  }
}

// All hosts of the group are asked before any is used: one of them may be ourselves.
Task<std::vector<Hop>> HopFinder::look_up(const MxGroup& group) {
  std::vector<Hop> hops;
  for (const std::string& host : group.hosts) {
    if (looped_ || !may_ask()) {
      break;
    }
    if (is_own_name(host)) {
      looped_ = true;
      break;
    }
    if (const auto literal = parse_address_literal(host); literal && implicit_) {
      take(std::vector<IpAddress>(1, *literal), host, group.preference, hops);
      continue;
    }
    ++asked_;
    const auto answer = co_await resolver_.addresses(host);
    if (!answer) {
      note_failure(host, answer.error());
      continue;
    }
    name_missing_ = name_missing_ || (implicit_ && !answer->exists);
    take(answer->addresses, host, group.preference, hops);
  }
  if (looped_) {
    hops.clear();
  }
  co_return hops;
}

// After the last group. Only if nothing was found is there more to say than "end".
HopAnswer HopFinder::verdict() const {
  HopAnswer answer = refusal_;
  const std::string name = base::printable(request_.name);
  if (refused_ || handed_out_) {
    return answer;
  }
  answer.outcome = HopAnswer::Outcome::permanent;
  if (failed_ > 0) {
    answer.outcome = HopAnswer::Outcome::temporary;
    answer.code = 451;
    answer.enhanced = "4.4.3";  // RFC 3463 3.5: directory server failure
    answer.text = first_failure_;
  } else if (looped_) {
    answer.code = 554;
    answer.enhanced = "5.4.6";  // RFC 3463 3.5: routing loop
    answer.text = fmt::format("mail for {} loops back to this server", name);
  } else if (request_.configured) {
    answer.outcome = HopAnswer::Outcome::temporary;
    answer.code = 451;
    answer.enhanced = "4.3.5";  // RFC 3463 3.4: system incorrectly configured
    answer.text = fmt::format("the configured mail server {} has no usable address", name);
  } else if (name_missing_) {
    answer.code = 550;
    answer.enhanced = "5.1.2";
    answer.text = fmt::format("the domain {} does not exist", name);
  } else {
    answer.code = 550;
    answer.enhanced = "5.4.4";  // RFC 3463 3.5: unable to route
    answer.text = implicit_
                      ? fmt::format("the domain {} has neither a mail server nor an address", name)
                      : fmt::format("no mail server of {} has a usable address", name);
  }
  return answer;
}

Task<HopAnswer> next_hops(Resolver& resolver, base::Random& random, HopRequest request,
                          std::size_t enough) {
  HopFinder finder(resolver, random, std::move(request));
  HopAnswer all = co_await finder.next();
  while (all.outcome == HopAnswer::Outcome::hops && all.hops.size() < enough) {
    HopAnswer more = co_await finder.next();
    if (more.outcome != HopAnswer::Outcome::hops) {
      break;
    }
    std::move(more.hops.begin(), more.hops.end(), std::back_inserter(all.hops));
  }
  co_return all;
}

}  // namespace posthouse::net
