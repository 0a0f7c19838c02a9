// Queries and answers octet by octet.
#include "net/dns_answer.hpp"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "dns_peer.hpp"

namespace posthouse::net {
namespace {

using Status = DnsAnswer::Status;
using test::AnswerBuilder;
using test::dns_address;
using test::dns_mx;
using test::dns_name;
using test::dns_soa;
using test::dns_u16;
using test::dns_u32;

const std::string kQuery = build_dns_query(0x1234, "example.com", DnsType::mx);
const std::string kQueryA = build_dns_query(0x1234, "example.com", DnsType::a);

DnsAnswer parse_mx(const AnswerBuilder& builder) {
  return parse_dns_answer(builder.text(), "example.com", DnsType::mx);
}
DnsAnswer parse_a(const AnswerBuilder& builder) {
  return parse_dns_answer(builder.text(), "example.com", DnsType::a);
}

TEST(DnsQuery, HasTheOctetsOfTheStandard) {
  EXPECT_EQ(build_dns_query(0xabcd, "mx.test", DnsType::mx),
            std::string("\xab\xcd\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
                        "\x02mx\x04test\x00\x00\x0f\x00\x01",
                        25));
}

TEST(DnsName, IsNormalizedOrRefused) {
  EXPECT_EQ(normalize_dns_name("Mail.Example.COM."), "mail.example.com");
  EXPECT_EQ(normalize_dns_name("_dmarc.xn--bcher-kva.example"), "_dmarc.xn--bcher-kva.example");
  EXPECT_EQ(normalize_dns_name("localhost"), "localhost");
  for (const std::string& bad :
       {std::string(), std::string("."), std::string("a..b"), std::string(".a"), std::string("a.."),
        std::string("a b"), std::string("a\\046b"), std::string("b\xc3\xbc"),
        std::string("a\0b", 3), std::string(64, 'a'), std::string("[192.0.2.1]")}) {
    EXPECT_FALSE(normalize_dns_name(bad)) << bad;
  }
  std::string longest;
  for (int i = 0; i < 126; ++i) {
    longest += "a.";
  }
  EXPECT_TRUE(normalize_dns_name(longest + "a"));    // 255 octets on the wire
  EXPECT_FALSE(normalize_dns_name(longest + "aa"));  // 256
}

TEST(DnsAnswer, MailServersComeAsReceived) {
  const auto answer =
      parse_mx(AnswerBuilder(kQuery)
                   .add("example.com", DnsType::mx, 300, dns_mx(20, "B.example.com"))
                   .add("EXAMPLE.com", DnsType::mx, 200, dns_mx(10, "a.example.com")));
  EXPECT_EQ(answer.status, Status::records);
  ASSERT_EQ(answer.hosts.size(), 2U);
  EXPECT_EQ(answer.hosts[0].host, "b.example.com");
  EXPECT_EQ(answer.hosts[0].preference, 20);
  EXPECT_EQ(answer.hosts[1].host, "a.example.com");
  EXPECT_EQ(answer.ttl_s, 200U);
}

TEST(DnsAnswer, AddressesOfBothFamilies) {
  const auto v4 =
      parse_a(AnswerBuilder(kQueryA).add("example.com", DnsType::a, 60, dns_address("192.0.2.7")));
  ASSERT_EQ(v4.addresses.size(), 1U);
  EXPECT_EQ(v4.addresses[0].text(), "192.0.2.7");
  const std::string query = build_dns_query(1, "example.com", DnsType::aaaa);
  const std::string packet =
      AnswerBuilder(query).add("example.com", DnsType::aaaa, 60, dns_address("2001:db8::7")).text();
  const auto v6 = parse_dns_answer(packet, "example.com", DnsType::aaaa);
  ASSERT_EQ(v6.addresses.size(), 1U);
  EXPECT_EQ(v6.addresses[0].text(), "2001:db8::7");
}

TEST(DnsAnswer, NullMxIsTheRoot) {
  const auto answer =
      parse_mx(AnswerBuilder(kQuery).add("example.com", DnsType::mx, 60, dns_mx(0, ".")));
  ASSERT_EQ(answer.hosts.size(), 1U);
  EXPECT_EQ(answer.hosts[0].host, ".");
}

TEST(DnsAnswer, StrangeOctetsInNamesAreEscaped) {
  const std::string host(
      "\x05"
      "a.b\0c"
      "\x03"
      "com"
      "\0",
      11);
  const auto answer =
      parse_mx(AnswerBuilder(kQuery).add("example.com", DnsType::mx, 60, dns_u16(1) + host));
  ASSERT_EQ(answer.hosts.size(), 1U);
  EXPECT_EQ(answer.hosts[0].host, "a\\046b\\000c.com");
  EXPECT_FALSE(normalize_dns_name(answer.hosts[0].host));
}

TEST(DnsAnswer, NothingAndNoNameAndTheirTimes) {
  const auto no_data =
      parse_mx(AnswerBuilder(kQuery).add_authority("com", DnsType::soa, 100, dns_soa(900)));
  EXPECT_EQ(no_data.status, Status::no_data);
  EXPECT_EQ(no_data.ttl_s, 100U);
  const auto no_name = parse_mx(
      AnswerBuilder(kQuery).rcode(3).add_authority("com", DnsType::soa, 5000, dns_soa(900)));
  EXPECT_EQ(no_name.status, Status::no_name);
  EXPECT_EQ(no_name.ttl_s, 900U);
  EXPECT_EQ(parse_mx(AnswerBuilder(kQuery)).ttl_s, 0U);
}

TEST(DnsAnswer, RefusalsHaveTheirNames) {
  EXPECT_EQ(parse_mx(AnswerBuilder(kQuery).rcode(2)).reason, "SERVFAIL");
  EXPECT_EQ(parse_mx(AnswerBuilder(kQuery).rcode(1)).reason, "FORMERR");
  EXPECT_EQ(parse_mx(AnswerBuilder(kQuery).rcode(5)).reason, "REFUSED");
  const auto odd = parse_mx(AnswerBuilder(kQuery).rcode(11));
  EXPECT_EQ(odd.status, Status::failed);
  EXPECT_EQ(odd.reason, "RCODE 11");
}

TEST(DnsAnswer, ATimeOverTheLimitIsZero) {
  const auto answer = parse_a(
      AnswerBuilder(kQueryA).add("example.com", DnsType::a, 0x80000000U, dns_address("192.0.2.7")));
  EXPECT_EQ(answer.ttl_s, 0U);
}

TEST(DnsAnswer, CompressionPointersAreFollowedBackwards) {
  // The owner points to the question, the host to the owner's tail.
  std::string packet = kQuery;
  packet[2] = '\x81';
  packet[3] = '\x80';
  packet[7] = '\x01';
  packet +=
      std::string("\xc0\x0c\x00\x0f\x00\x01\x00\x00\x00\x3c\x00\x07\x00\x05\x02mx\xc0\x0c", 19);
  const auto answer = parse_dns_answer(packet, "example.com", DnsType::mx);
  ASSERT_EQ(answer.status, Status::records);
  EXPECT_EQ(answer.hosts[0].host, "mx.example.com");
  EXPECT_EQ(answer.hosts[0].preference, 5);

  for (const char* target : {"\x2b", "\x2e", "\x2f", "\xff", "\x00", "\x0b"}) {
    std::string bad = packet;
    bad.back() = *target;  // the name itself, behind it, into the header
    EXPECT_EQ(parse_dns_answer(bad, "example.com", DnsType::mx).reason, "malformed answer");
  }
}

TEST(DnsAnswer, PointersThatPointAtEachOtherEnd) {
  std::string packet = kQuery;
  packet[2] = '\x81';
  packet[7] = '\x01';
  const std::size_t at = packet.size();
  packet += '\xc0';
  packet += static_cast<char>(at + 2);
  packet += '\xc0';
  packet += static_cast<char>(at);
  packet += std::string(20, '\0');
  EXPECT_EQ(parse_dns_answer(packet, "example.com", DnsType::mx).reason, "malformed answer");
}

TEST(DnsAnswer, EveryProperPrefixIsMalformed) {
  const std::string packet = AnswerBuilder(kQuery)
                                 .add("example.com", DnsType::cname, 60, dns_name("b.test"))
                                 .add("b.test", DnsType::mx, 60, dns_mx(10, "mx.b.test"))
                                 .text();
  ASSERT_EQ(parse_dns_answer(packet, "example.com", DnsType::mx).status, Status::records);
  for (std::size_t size = 0; size < packet.size(); ++size) {
    EXPECT_EQ(parse_dns_answer(packet.substr(0, size), "example.com", DnsType::mx).reason,
              "malformed answer")
        << size;
  }
}

TEST(DnsAnswer, OnlyTheAnswerToOurQuestionCounts) {
  const std::string packet =
      AnswerBuilder(kQuery).add("example.com", DnsType::mx, 60, dns_mx(10, "mx.b.test")).text();
  EXPECT_EQ(parse_dns_answer(packet, "example.org", DnsType::mx).reason, "malformed answer");
  EXPECT_EQ(parse_dns_answer(packet, "example.com", DnsType::a).reason, "malformed answer");
  EXPECT_EQ(parse_dns_answer(kQuery, "example.com", DnsType::mx).reason, "malformed answer");
  std::string other_class = packet;
  other_class[kQuery.size() - 1] = '\x03';
  EXPECT_EQ(parse_dns_answer(other_class, "example.com", DnsType::mx).reason, "malformed answer");
  EXPECT_EQ(parse_mx(AnswerBuilder(kQuery).truncated()).reason, "malformed answer");
  // Records of other names are not for us.
  const auto foreign =
      parse_mx(AnswerBuilder(kQuery).add("evil.test", DnsType::mx, 60, dns_mx(1, "mx.evil.test")));
  EXPECT_EQ(foreign.status, Status::no_data);
}

TEST(DnsAnswer, DataOfTheWrongLengthIsMalformed) {
  const auto mx = [](const std::string& data) {
    return parse_mx(AnswerBuilder(kQuery).add("example.com", DnsType::mx, 60, data)).reason;
  };
  EXPECT_EQ(mx(""), "malformed answer");
  EXPECT_EQ(mx(dns_u16(1)), "malformed answer");
  EXPECT_EQ(mx(dns_mx(1, "a.test") + "x"), "malformed answer");
  EXPECT_EQ(mx(dns_mx(1, "a.test").substr(0, 6)), "malformed answer");
  for (const std::string& data : {std::string(3, 'x'), std::string(5, 'x'), std::string()}) {
    EXPECT_EQ(parse_a(AnswerBuilder(kQueryA).add("example.com", DnsType::a, 60, data)).reason,
              "malformed answer");
  }
}

std::string alias_chain(int length, bool loop) {
  AnswerBuilder builder(kQueryA);
  std::string name = "example.com";
  for (int i = 0; i < length; ++i) {
    const std::string next = fmt::format("n{}.test", i);
    builder.add(name, DnsType::cname, static_cast<std::uint32_t>(1000 - i), dns_name(next));
    name = next;
  }
  if (loop) {
    builder.add(name, DnsType::cname, 60, dns_name("example.com"));
  } else {
    builder.add(name, DnsType::a, 5000, dns_address("192.0.2.1"));
  }
  return builder.text();
}

TEST(DnsAnswer, AliasChainsAreFollowedToALimit) {
  for (const int length : {1, 2, kMaxAliases}) {
    const auto answer = parse_dns_answer(alias_chain(length, false), "example.com", DnsType::a);
    EXPECT_EQ(answer.status, Status::records) << length;
    EXPECT_EQ(answer.ttl_s, static_cast<std::uint32_t>(1001 - length));
  }
  EXPECT_EQ(parse_dns_answer(alias_chain(kMaxAliases + 1, false), "example.com", DnsType::a).reason,
            "alias loop");
  EXPECT_EQ(parse_dns_answer(alias_chain(0, true), "example.com", DnsType::a).reason, "alias loop");
  EXPECT_EQ(parse_dns_answer(alias_chain(3, true), "example.com", DnsType::a).reason, "alias loop");
}

TEST(DnsAnswer, AnAliasWithoutTargetIsNothingOnlyIfTheServerRecursed) {
  const auto recursed = parse_a(AnswerBuilder(kQueryA)
                                    .add("example.com", DnsType::cname, 60, dns_name("b.test"))
                                    .add_authority("test", DnsType::soa, 600, dns_soa(600)));
  EXPECT_EQ(recursed.status, Status::no_data);
  EXPECT_EQ(recursed.ttl_s, 60U);
  const auto left_open = parse_a(AnswerBuilder(kQueryA).no_recursion().add(
      "example.com", DnsType::cname, 60, dns_name("b.test")));
  EXPECT_EQ(left_open.status, Status::failed);
  EXPECT_EQ(left_open.reason, "alias without its target");
}

TEST(DnsAnswer, TheBestOfTooManyMailServersAreKept) {
  AnswerBuilder builder(kQuery);
  for (unsigned i = 0; i < 900; ++i) {
    builder.add("example.com", DnsType::mx, 60, dns_mx(900 - i, fmt::format("h{}.test", 900 - i)));
  }
  const auto answer = parse_mx(builder);
  ASSERT_EQ(answer.hosts.size(), kMaxMxHosts);
  for (const MxHost& host : answer.hosts) {
    EXPECT_LE(host.preference, kMaxMxHosts);
  }
}

TEST(DnsAnswer, AddressesAreCapped) {
  AnswerBuilder builder(kQueryA);
  for (unsigned i = 0; i < 200; ++i) {
    builder.add("example.com", DnsType::a, 60, dns_address(fmt::format("192.0.2.{}", i)));
  }
  EXPECT_EQ(parse_a(builder).addresses.size(), kMaxAddresses);
}

RC_GTEST_PROP(DnsAnswer, ChangedOctetsNeverBreakTheLimits, ()) {
  AnswerBuilder builder(kQuery);
  builder.add("example.com", DnsType::cname, 60, dns_name("b.test"));
  for (unsigned i = 0; i < 5; ++i) {
    builder.add("b.test", DnsType::mx, 60, dns_mx(i, fmt::format("h{}.test", i)));
  }
  std::string packet = builder.text();
  const auto changes = *rc::gen::container<std::vector<std::pair<std::size_t, char>>>(
      rc::gen::pair(rc::gen::inRange<std::size_t>(0, packet.size()), rc::gen::arbitrary<char>()));
  for (const auto& [at, octet] : changes) {
    packet[at] = octet;
  }
  const auto answer = parse_dns_answer(packet, "example.com", DnsType::mx);
  RC_ASSERT(answer.hosts.size() <= 5U);
  RC_ASSERT((answer.status == Status::records) == !answer.hosts.empty());
  RC_ASSERT((answer.status == Status::failed) == !answer.reason.empty());
}

}  // namespace
}  // namespace posthouse::net
