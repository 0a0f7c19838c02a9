// Addresses, endpoints and address lists: tables of texts and what they mean.
#include "net/address.hpp"

#include <gtest/gtest.h>

#include <rapidcheck.h>

namespace posthouse::net {
namespace {

TEST(IpAddress, FormatsAsRfc5952Says) {
  const struct {
    const char* in;
    const char* out;
  } table[] = {
      {"192.0.2.1", "192.0.2.1"},
      {"0.0.0.0", "0.0.0.0"},
      {"255.255.255.255", "255.255.255.255"},
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // 4.2.2: one group stays
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},           // 4.2.3: the longest run
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},     // 4.2.3: the first of equals
      {"2001:0db8::0001", "2001:db8::1"},                // 4.1: no leading zeros
      {"::ffff:192.0.2.1", "192.0.2.1"},
      {"::ffff:c000:201", "192.0.2.1"},
      {"::192.0.2.1", "::c000:201"},
      {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
      {"fe80::", "fe80::"},
  };
  for (const auto& row : table) {
    const auto address = IpAddress::parse(row.in);
    ASSERT_TRUE(address) << row.in;
    EXPECT_EQ(address->text(), row.out);
    EXPECT_EQ(IpAddress::parse(address->text()), address);
  }
}

TEST(IpAddress, RefusesWhatIsNoAddress) {
  for (const char* text : {"",
                           " ",
                           "1.2.3",
                           "1.2.3.4.5",
                           "256.1.1.1",
                           "1.2.3.04",
                           "1.2.3.4 ",
                           " 1.2.3.4",
                           "a.b.c.d",
                           ":",
                           ":::",
                           "1::2::3",
                           "12345::",
                           "1:2:3:4:5:6:7",
                           "1:2:3:4:5:6:7:8:9",
                           "[::1]",
                           "fe80::1%eth0",
                           "::g",
                           "1.2.3.4/8",
                           "IPv6:::1",
                           "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0", 8)));
}

TEST(IpAddress, MappedAndPlainIpv4AreEqual) {
  EXPECT_EQ(IpAddress::parse("::ffff:10.1.2.3"), IpAddress::parse("10.1.2.3"));
  EXPECT_EQ(*IpAddress::parse("10.1.2.3"), IpAddress::v4(0x0a010203));
  EXPECT_TRUE(IpAddress::parse("::ffff:10.1.2.3")->is_v4());
  EXPECT_FALSE(IpAddress::parse("::10.1.2.3")->is_v4());
  EXPECT_FALSE(IpAddress().is_v4());
}

TEST(IpAddress, KnowsLoopback) {
  for (const char* text : {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(IpAddress::parse(text)->is_loopback()) << text;
  }
  for (const char* text : {"128.0.0.1", "::", "::2", "1::1", "0.0.0.0"}) {
    EXPECT_FALSE(IpAddress::parse(text)->is_loopback()) << text;
  }
}

TEST(IpAddress, LiteralsAreThoseOfRfc5321) {
  EXPECT_EQ(IpAddress::parse("192.0.2.1")->smtp_literal(), "[192.0.2.1]");
  EXPECT_EQ(IpAddress::parse("2001:db8::1")->smtp_literal(), "[IPv6:2001:db8::1]");
}

TEST(IpAddress, EveryAddressSurvivesItsText) {
  EXPECT_TRUE(rc::check([](std::array<std::uint8_t, 16> bytes, std::uint16_t zeros) {
    for (std::size_t i = 0; i < 16; ++i) {
      if ((zeros >> i & 1) != 0) {
        bytes[i] = 0;
      }
    }
    const auto address = IpAddress::from_bytes(bytes);
    RC_ASSERT(IpAddress::parse(address.text()) == address);
  }));
}

TEST(Endpoint, TextPutsIpv6InBrackets) {
  Endpoint endpoint;
  endpoint.address = *IpAddress::parse("192.0.2.1");
  endpoint.port = 25;
  EXPECT_EQ(endpoint.text(), "192.0.2.1:25");
  endpoint.address = *IpAddress::parse("::1");
  EXPECT_EQ(endpoint.text(), "[::1]:25");
}

TEST(AddressSet, MatchesWhatItsItemsSay) {
  const struct {
    const char* list;
    const char* address;
    bool inside;
  } table[] = {
      {"127.0.0.1", "127.0.0.1", true},
      {"127.0.0.1", "127.0.0.2", false},
      {"127.0.0.1", "::ffff:127.0.0.1", true},
      {"10.0.0.0/8", "10.255.1.2", true},
      {"10.0.0.0/8", "11.0.0.0", false},
      {"10.1.2.3/8", "10.9.9.9", true},  // host bits are ignored
      {"192.0.2.128/25", "192.0.2.127", false},
      {"192.0.2.128/25", "192.0.2.128", true},
      {"192.0.2.1/32", "192.0.2.1", true},
      {"192.0.2.1/32", "192.0.2.0", false},
      {"0.0.0.0/0", "8.8.8.8", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"1.2.3.*", "1.2.3.255", true},
      {"1.2.3.*", "1.2.4.1", false},
      {"1.2.*", "1.2.200.7", true},
      {"1.2.*.*", "1.2.200.7", true},
      {"1.*", "2.1.1.1", false},
      {"::1", "::1", true},
      {"2001:db8::/32", "2001:db8:ffff::1", true},
      {"2001:db8::/32", "2001:db9::1", false},
      {"2001:db8::/127", "2001:db8::1", true},
      {"2001:db8::/127", "2001:db8::2", false},
      {"::/0", "2001:db8::1", true},
      {"::/0", "8.8.8.8", false},
      {"::ffff:10.0.0.0/104", "10.2.3.4", true},
      {"127.0.0.1, 10.0.0.0/8 ,1.2.3.*", "1.2.3.4", true},
      {"127.0.0.1,10.0.0.0/8", "192.0.2.1", false},
  };
  for (const auto& row : table) {
    std::string bad;
    const auto set = AddressSet::parse(row.list, &bad);
    ASSERT_TRUE(set) << row.list << ": " << bad;
    EXPECT_EQ(set->contains(*IpAddress::parse(row.address)), row.inside)
        << row.list << " " << row.address;
  }
}

TEST(AddressSet, NamesTheBadItem) {
  const struct {
    const char* list;
    const char* bad;
  } table[] = {
      {"", ""},
      {"127.0.0.1,", ""},
      {"127.0.0.1, nonsense", "nonsense"},
      {"10.0.0.0/33", "10.0.0.0/33"},
      {"10.0.0.0/", "10.0.0.0/"},
      {"10.0.0.0/-1", "10.0.0.0/-1"},
      {"::1/129", "::1/129"},
      {"1.2.3.*/24", "1.2.3.*/24"},
      {"1.*.3.4", "1.*.3.4"},
      {"1.2.3.4*", "1.2.3.4*"},
      {"1.2.300.*", "1.2.300.*"},
      {"1.2.3.4.*", "1.2.3.4.*"},
      {"*", "*"},
      {"*.1", "*.1"},
  };
  for (const auto& row : table) {
    std::string bad = "untouched";
    EXPECT_FALSE(AddressSet::parse(row.list, &bad)) << row.list;
    EXPECT_EQ(bad, row.bad);
  }
}

TEST(AddressSet, MergedSetsMatchEither) {
  auto set = *AddressSet::parse("127.0.0.1", nullptr);
  set.merge(*AddressSet::parse("::1", nullptr));
  EXPECT_TRUE(set.contains(*IpAddress::parse("127.0.0.1")));
  EXPECT_TRUE(set.contains(*IpAddress::parse("::1")));
  EXPECT_FALSE(set.contains(*IpAddress::parse("::2")));
  EXPECT_TRUE(AddressSet().empty());
  EXPECT_FALSE(AddressSet().contains(*IpAddress::parse("::1")));
}

}  // namespace
}  // namespace posthouse::net
