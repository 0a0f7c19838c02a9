// Next hops: the order of servers and addresses as properties, and the walk over a domain's servers
// with the simulated resolver.
#include "net/mx.hpp"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.hpp"
#include "tests/sim/lib/sim_dns.hpp"

namespace posthouse::net {
namespace {

using Outcome = HopAnswer::Outcome;
using Strings = std::vector<std::string>;

MxHost host(std::uint16_t preference, const std::string& name) {
  MxHost out;
  out.preference = preference;
  out.host = name;
  return out;
}

std::vector<MxHost> any_hosts() {
  const auto pairs = *rc::gen::container<std::vector<std::pair<std::uint16_t, std::string>>>(
      rc::gen::pair(rc::gen::inRange<std::uint16_t>(0, 5),
                    rc::gen::element<std::string>("a.test", "b.test", "B.test.", "c.test", "d.test",
                                                  "e.test", ".")));
  std::vector<MxHost> hosts;
  for (const auto& [preference, name] : pairs) {
    hosts.push_back(host(preference, name));
  }
  return hosts;
}

RC_GTEST_PROP(OrderMx, GroupsAscendAndHoldEachHostOnceAtItsBest, (std::uint64_t seed)) {
  const auto hosts = any_hosts();
  base::SeededRandom random(seed);
  const auto groups = order_mx(hosts, random);
  std::map<std::string, std::uint16_t> best;
  for (const MxHost& h : hosts) {
    std::string name = base::to_lower(h.host);
    if (name == ".") {
      continue;
    }
    if (name.back() == '.') {
      name.pop_back();
    }
    const auto [found, added] = best.emplace(name, h.preference);
    found->second = std::min(found->second, h.preference);
  }
  std::map<std::string, std::uint16_t> seen;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    RC_ASSERT(!groups[i].hosts.empty());
    if (i > 0) {
      RC_ASSERT(groups[i - 1].preference < groups[i].preference);
    }
    for (const std::string& name : groups[i].hosts) {
      RC_ASSERT(seen.emplace(name, groups[i].preference).second);
    }
  }
  RC_ASSERT(seen == best);
}

TEST(OrderMx, EqualsComeInEveryOrder) {
  std::set<Strings> orders;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    base::SeededRandom random(seed);
    const auto groups =
        order_mx({host(10, "a.test"), host(10, "b.test"), host(10, "c.test")}, random);
    ASSERT_EQ(groups.size(), 1U);
    orders.insert(groups[0].hosts);
  }
  EXPECT_EQ(orders.size(), 6U);
}

TEST(NullMx, IsALoneRoot) {
  EXPECT_TRUE(is_null_mx({host(0, ".")}));
  EXPECT_FALSE(is_null_mx({}));
  EXPECT_FALSE(is_null_mx({host(0, "mx.test")}));
  EXPECT_FALSE(is_null_mx({host(0, "."), host(10, "mx.test")}));
}

IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }

RC_GTEST_PROP(OrderAddresses, FamiliesTakeTurnsAndNothingIsLost, (std::uint64_t seed)) {
  const auto v4 =
      *rc::gen::container<std::vector<std::uint8_t>>(rc::gen::arbitrary<std::uint8_t>());
  const auto v6 =
      *rc::gen::container<std::vector<std::uint8_t>>(rc::gen::arbitrary<std::uint8_t>());
  std::vector<IpAddress> all;
  for (const auto octet : v4) {
    all.push_back(ip(fmt::format("192.0.2.{}", octet)));
  }
  for (const auto octet : v6) {
    all.push_back(ip(fmt::format("2001:db8::{:x}", octet + 1)));
  }
  base::SeededRandom random(seed);
  const auto ordered = order_addresses(all, AddressChoice(), random);
  const std::set<IpAddress> wanted(all.begin(), all.end());
  RC_ASSERT(std::set<IpAddress>(ordered.begin(), ordered.end()) == wanted);
  RC_ASSERT(ordered.size() == wanted.size());
  const auto count4 = static_cast<std::size_t>(
      std::count_if(wanted.begin(), wanted.end(), [](const IpAddress& a) { return a.is_v4(); }));
  const std::size_t mixed = 2 * std::min(count4, wanted.size() - count4);
  for (std::size_t i = 0; i < mixed; ++i) {
    RC_ASSERT(ordered[i].is_v4() == (i % 2 == 1));
  }
}

TEST(OrderAddresses, AddressesOfNobodyAreDropped) {
  base::SeededRandom random(1);
  std::vector<IpAddress> all;
  for (const char* text : {"0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255", "240.0.0.1",
                           "::", "ff02::1", "fe80::1", "febf::1"}) {
    all.push_back(ip(text));
  }
  EXPECT_TRUE(order_addresses(all, AddressChoice(), random).empty());
  // Private and loopback addresses are as good as others.
  all = {ip("10.0.0.1"), ip("127.0.0.1"), ip("192.168.0.1"),
         ip("::1"),      ip("fd00::1"),   ip("fec0::1")};
  EXPECT_EQ(order_addresses(all, AddressChoice(), random).size(), 6U);
  AddressChoice only4;
  only4.use_ipv6 = false;
  EXPECT_EQ(order_addresses(all, only4, random).size(), 3U);
}

TEST(AddressLiteral, FollowsTheStandard) {
  EXPECT_EQ(parse_address_literal("[192.0.2.1]"), ip("192.0.2.1"));
  EXPECT_EQ(parse_address_literal("[IPv6:2001:db8::1]"), ip("2001:db8::1"));
  EXPECT_EQ(parse_address_literal("[ipv6:::1]"), ip("::1"));
  EXPECT_EQ(parse_address_literal("192.0.2.1"), ip("192.0.2.1"));
  EXPECT_EQ(parse_address_literal("::1"), ip("::1"));
  for (const char* bad : {"[192.0.2.1", "[]", "[IPv6:192.0.2.1]", "[IPv6:]", "[example.com]",
                          "[192.0.2.256]", "example.com", ""}) {
    EXPECT_FALSE(parse_address_literal(bad)) << bad;
  }
}

struct HopTest : testing::Test {
  ~HopTest() override { world.shutdown(); }

  HopFinder& find(HopRequest request) {
    finder = std::make_unique<HopFinder>(dns, random, std::move(request));
    return *finder;
  }
  HopFinder& find(const std::string& name) { return find(HopRequest(name)); }
  HopAnswer next() { return world.run(finder->next()).value(); }
  static Strings texts(const HopAnswer& answer) {
    Strings out;
    for (const Hop& hop : answer.hops) {
      out.push_back(hop.endpoint.text());
    }
    return out;
  }
  static HopRequest with_own(const std::string& name, const std::string& address) {
    HopRequest request(name);
    request.is_ours = [own = ip(address)](const Endpoint& e) {
      return e.address == own && e.port == 25;
    };
    return request;
  }

  sim::World world{3};
  sim::SimDns dns{world};
  base::SeededRandom random{5};
  std::unique_ptr<HopFinder> finder;
};

TEST_F(HopTest, ServersComeByPreferenceAndOnlyWhenAskedFor) {
  dns.set_mx("example.com", {host(20, "b.test"), host(10, "a.test")});
  dns.add_address("a.test", "192.0.2.1");
  dns.add_address("a.test", "2001:db8::1");
  dns.add_address("b.test", "192.0.2.2");
  find("example.com");
  const HopAnswer first = next();
  ASSERT_EQ(first.outcome, Outcome::hops);
  EXPECT_EQ(texts(first), Strings({"[2001:db8::1]:25", "192.0.2.1:25"}));
  EXPECT_EQ(first.hops[0].host, "a.test");
  EXPECT_EQ(first.hops[0].preference, 10);
  EXPECT_EQ(dns.queries(), Strings({"MX example.com", "A a.test"}));
  EXPECT_EQ(texts(next()), Strings({"192.0.2.2:25"}));
  EXPECT_EQ(next().outcome, Outcome::end);
  EXPECT_EQ(next().outcome, Outcome::end);
}

TEST_F(HopTest, ADomainWithoutMxIsItsOwnServer) {
  dns.add_address("example.com", "192.0.2.1");
  find("example.com");
  const HopAnswer answer = next();
  EXPECT_EQ(texts(answer), Strings({"192.0.2.1:25"}));
  EXPECT_EQ(answer.hops[0].host, "example.com");
}

TEST_F(HopTest, NullMxIsPermanent) {
  dns.set_mx("example.com", {host(0, ".")});
  dns.add_address("example.com", "192.0.2.1");
  find("example.com");
  const HopAnswer answer = next();
  EXPECT_EQ(answer.outcome, Outcome::permanent);
  EXPECT_EQ(answer.code, 556);
  EXPECT_EQ(answer.enhanced, "5.1.10");
  EXPECT_EQ(answer.text, "example.com does not accept mail (null MX)");
  EXPECT_EQ(next().outcome, Outcome::permanent);
}

TEST_F(HopTest, AnUnknownDomainIsPermanent) {
  find("absent.test");
  const HopAnswer answer = next();
  EXPECT_EQ(answer.outcome, Outcome::permanent);
  EXPECT_EQ(answer.code, 550);
  EXPECT_EQ(answer.enhanced, "5.1.2");
  EXPECT_EQ(answer.text, "the domain absent.test does not exist");
}

TEST_F(HopTest, ADomainOfNothingIsPermanent) {
  dns.set_mx("empty.test", {});
  find("empty.test");
  EXPECT_EQ(next().enhanced, "5.4.4");
  // MX records exist, so the domain's own address is not used (RFC 5321 5.1).
  dns.set_mx("dead.test", {host(10, "gone.test"), host(20, ".")});
  dns.add_address("dead.test", "192.0.2.1");
  find("dead.test");
  const HopAnswer dead = next();
  EXPECT_EQ(dead.outcome, Outcome::permanent);
  EXPECT_EQ(dead.enhanced, "5.4.4");
  EXPECT_EQ(dead.text, "no mail server of dead.test has a usable address");
}

TEST_F(HopTest, TroubleWithTheMxIsTemporaryEvenIfThereIsAnAddress) {
  dns.add_address("example.com", "192.0.2.1");
  dns.set_trouble("example.com", sim::SimDns::Trouble::servfail);
  find("example.com");
  const HopAnswer broken = next();
  EXPECT_EQ(broken.outcome, Outcome::temporary);
  EXPECT_EQ(broken.code, 451);
  EXPECT_EQ(broken.enhanced, "4.4.3");
  EXPECT_EQ(broken.text, "name lookup failed: example.com: SERVFAIL");
  dns.set_trouble("example.com", sim::SimDns::Trouble::timeout);
  find("example.com");
  EXPECT_EQ(next().text, "the name servers of example.com do not answer");
}

TEST_F(HopTest, TroubleWithOneServerLeavesTheOthers) {
  dns.set_mx("example.com", {host(10, "a.test"), host(20, "b.test")});
  dns.set_trouble("a.test", sim::SimDns::Trouble::servfail);
  dns.add_address("b.test", "192.0.2.2");
  find("example.com");
  EXPECT_EQ(texts(next()), Strings({"192.0.2.2:25"}));
  EXPECT_EQ(next().outcome, Outcome::end);
  dns.remove("b.test");
  find("example.com");
  EXPECT_EQ(next().outcome, Outcome::temporary);
}

TEST_F(HopTest, LookupsThatFailAreLimited) {
  std::vector<MxHost> hosts;
  for (std::uint16_t i = 0; i < 60; ++i) {
    hosts.push_back(host(i, fmt::format("h{}.test", i)));
    dns.set_trouble(hosts.back().host, sim::SimDns::Trouble::timeout);
  }
  dns.set_mx("example.com", hosts);
  find("example.com");
  EXPECT_EQ(next().outcome, Outcome::temporary);
  EXPECT_EQ(dns.queries().size(), 1 + kMaxFailedLookups);
}

TEST_F(HopTest, AHundredServersCostABoundedNumberOfLookups) {
  std::vector<MxHost> hosts;
  for (std::uint16_t i = 0; i < 100; ++i) {
    hosts.push_back(host(10, fmt::format("h{}.test", i)));
    for (int j = 0; j < 30; ++j) {
      dns.add_address(hosts.back().host, fmt::format("10.0.{}.{}", i, j));
    }
  }
  dns.set_mx("example.com", hosts);
  find("example.com");
  const HopAnswer answer = next();
  EXPECT_EQ(answer.hops.size(), kMaxHops);
  EXPECT_LE(dns.queries().size(), 1 + kMaxHostsAsked);
  EXPECT_EQ(next().outcome, Outcome::end);

  for (const MxHost& h : hosts) {
    dns.set_addresses(h.host, {});
  }
  find("example.com");
  const std::size_t before = dns.queries().size();
  EXPECT_EQ(next().outcome, Outcome::permanent);
  EXPECT_EQ(dns.queries().size() - before, 1 + kMaxHostsAsked);
}

TEST_F(HopTest, NoEndpointComesTwice) {
  dns.set_mx("example.com",
             {host(10, "a.test"), host(10, "b.test"), host(20, "c.test"), host(30, "d.test")});
  for (const char* name : {"a.test", "b.test", "c.test"}) {
    dns.add_address(name, "192.0.2.1");
    dns.add_address(name, "::ffff:192.0.2.1");
  }
  dns.add_address("d.test", "192.0.2.4");
  find("example.com");
  EXPECT_EQ(texts(next()), Strings({"192.0.2.1:25"}));
  EXPECT_EQ(texts(next()), Strings({"192.0.2.4:25"}));
}

TEST_F(HopTest, ServersBehindOurselvesAreNotUsed) {
  dns.set_mx("example.com",
             {host(10, "a.test"), host(20, "us.test"), host(20, "b.test"), host(30, "c.test")});
  dns.add_address("a.test", "192.0.2.1");
  dns.add_address("us.test", "192.0.2.77");
  dns.add_address("us.test", "192.0.2.78");
  dns.add_address("b.test", "192.0.2.2");
  dns.add_address("c.test", "192.0.2.3");
  find(with_own("example.com", "192.0.2.78"));
  EXPECT_EQ(texts(next()), Strings({"192.0.2.1:25"}));
  EXPECT_EQ(next().outcome, Outcome::end);
}

TEST_F(HopTest, BeingTheBestServerIsALoop) {
  dns.set_mx("example.com", {host(10, "us.test"), host(10, "b.test"), host(20, "c.test")});
  dns.add_address("us.test", "192.0.2.77");
  dns.add_address("b.test", "192.0.2.2");
  dns.add_address("c.test", "192.0.2.3");
  find(with_own("example.com", "192.0.2.77"));
  const HopAnswer answer = next();
  EXPECT_EQ(answer.outcome, Outcome::permanent);
  EXPECT_EQ(answer.code, 554);
  EXPECT_EQ(answer.enhanced, "5.4.6");
  EXPECT_EQ(answer.text, "mail for example.com loops back to this server");
  // On another port it is another server.
  HopRequest other = with_own("example.com", "192.0.2.77");
  other.port = 2525;
  find(other);
  EXPECT_EQ(next().outcome, Outcome::hops);
}

TEST_F(HopTest, OurOwnNameIsALoopToo) {
  dns.set_mx("example.com", {host(10, "a.test"), host(20, "us.test"), host(30, "c.test")});
  dns.add_address("a.test", "192.0.2.1");
  dns.add_address("us.test", "203.0.113.1");  // another address, as behind NAT
  HopRequest request("example.com");
  request.own_names = {"US.test."};
  find(request);
  EXPECT_EQ(next().outcome, Outcome::hops);
  EXPECT_EQ(next().outcome, Outcome::end);
}

TEST_F(HopTest, ABetterServerInTroubleMakesALoopTemporary) {
  dns.set_mx("example.com", {host(10, "a.test"), host(20, "us.test")});
  dns.set_trouble("a.test", sim::SimDns::Trouble::servfail);
  dns.add_address("us.test", "192.0.2.77");
  find(with_own("example.com", "192.0.2.77"));
  EXPECT_EQ(next().outcome, Outcome::temporary);
}

TEST_F(HopTest, LiteralsNeedNoLookup) {
  find("[192.0.2.1]");
  EXPECT_EQ(texts(next()), Strings({"192.0.2.1:25"}));
  EXPECT_EQ(next().outcome, Outcome::end);
  HopRequest request("[IPv6:2001:db8::1]");
  request.port = 2525;
  find(request);
  EXPECT_EQ(texts(next()), Strings({"[2001:db8::1]:2525"}));
  find(with_own("[192.0.2.77]", "192.0.2.77"));
  EXPECT_EQ(next().enhanced, "5.4.6");
  find("[example.com]");
  const HopAnswer bad = next();
  EXPECT_EQ(bad.outcome, Outcome::permanent);
  EXPECT_EQ(bad.enhanced, "5.1.2");
  EXPECT_TRUE(dns.queries().empty());
}

TEST_F(HopTest, AGatewayIsItsAddressesAndOurOwnBusiness) {
  dns.set_mx("gw.test", {host(10, "a.test")});
  dns.add_address("gw.test", "10.0.0.1");
  HopRequest request("gw.test");
  request.use_mx = false;
  request.configured = true;
  request.port = 587;
  find(request);
  EXPECT_EQ(texts(next()), Strings({"10.0.0.1:587"}));
  EXPECT_EQ(dns.queries(), Strings({"A gw.test"}));
  dns.remove("gw.test");
  find(request);
  const HopAnswer gone = next();
  EXPECT_EQ(gone.outcome, Outcome::temporary);
  EXPECT_EQ(gone.enhanced, "4.3.5");
}

TEST_F(HopTest, AFamilyThatIsSwitchedOffIsNotUsed) {
  dns.add_address("example.com", "192.0.2.1");
  dns.add_address("example.com", "2001:db8::1");
  HopRequest request("example.com");
  request.families.use_ipv4 = false;
  find(request);
  EXPECT_EQ(texts(next()), Strings({"[2001:db8::1]:25"}));
  dns.set_addresses("example.com", {ip("192.0.2.1")});
  find(request);
  EXPECT_EQ(next().enhanced, "5.4.4");
}

TEST_F(HopTest, AllAtOnceStopsWhenThereIsEnough) {
  dns.set_mx("example.com", {host(10, "a.test"), host(20, "b.test"), host(30, "c.test")});
  dns.add_address("a.test", "192.0.2.1");
  dns.add_address("b.test", "192.0.2.2");
  dns.add_address("c.test", "192.0.2.3");
  HopRequest request("example.com");
  const auto two = world.run(next_hops(dns, random, request, 2)).value();
  EXPECT_EQ(texts(two), Strings({"192.0.2.1:25", "192.0.2.2:25"}));
  const auto all = world.run(next_hops(dns, random, request)).value();
  EXPECT_EQ(all.hops.size(), 3U);
  EXPECT_EQ(world.run(next_hops(dns, random, HopRequest("absent.test"))).value().outcome,
            Outcome::permanent);
}

}  // namespace
}  // namespace posthouse::net
