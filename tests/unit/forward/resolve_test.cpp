// The stages of routing that exist: local domain, user lookup, postmaster.
#include "forward/resolve.hpp"

#include <gtest/gtest.h>

namespace posthouse::forward {
namespace {

conf::Settings house() {
  conf::Settings settings;
  settings.host_domain = {"example.org", "example.net"};
  settings.drop_path = "/drop";
  settings.sysadmin = "postmaster@example.org";
  conf::VirtualDomain club;
  club.prefix = "cc";
  club.suffix = "club";
  club.domain = "club.example";
  club.drop_dir = "/drop/club";
  settings.vdomain.push_back(club);
  return settings;
}

Tables tables_of(const conf::Settings& settings) {
  return Tables(std::make_shared<const conf::Settings>(settings));
}

mail::Address address(const char* text) { return mail::parse_address(text).value(); }

Lookups with(const char* user, UserState state) {
  Lookups lookups;
  lookups.users[address(user).key()] = state;
  return lookups;
}

TEST(Resolve, UserOfMainDomainNeedsALookupFirst) {
  const Tables tables = tables_of(house());
  const auto first = resolve(tables, address("Bob@Example.Org"), {});
  ASSERT_EQ(first.needs.size(), 1u);
  EXPECT_EQ(first.needs[0].key(), "bob@example.org");
  EXPECT_FALSE(first.refusal);
  EXPECT_TRUE(first.targets.empty());
  const auto second =
      resolve(tables, address("Bob@Example.Org"), with("bob@example.org", UserState::exists));
  ASSERT_EQ(second.targets.size(), 1u);
  EXPECT_EQ(second.targets[0].account.key(), "bob@example.org");
  EXPECT_EQ(second.targets[0].domain, 0u);
  EXPECT_FALSE(second.trace.empty());
}

TEST(Resolve, SecondHostDomainSharesTheUsersOfTheFirst) {
  const auto got = resolve(tables_of(house()), address("bob@example.net"),
                           with("bob@example.org", UserState::exists));
  ASSERT_EQ(got.targets.size(), 1u);
  EXPECT_EQ(got.targets[0].account.domain, "example.org");
}

TEST(Resolve, VirtualDomainHasUsersOfItsOwn) {
  const auto got = resolve(tables_of(house()), address("bob@club.example"),
                           with("bob@club.example", UserState::exists));
  ASSERT_EQ(got.targets.size(), 1u);
  EXPECT_EQ(got.targets[0].domain, 1u);
  EXPECT_EQ(tables_of(house()).domains()[1].prefix, "cc");
}

TEST(Resolve, RefusalsHaveTheirCodes) {
  const Tables tables = tables_of(house());
  const auto missing =
      resolve(tables, address("no@example.org"), with("no@example.org", UserState::missing));
  ASSERT_TRUE(missing.refusal);
  EXPECT_EQ(missing.refusal->code, 550);
  EXPECT_EQ(missing.refusal->enhanced, "5.1.1");
  const auto foreign = resolve(tables, address("x@elsewhere.test"), {});
  ASSERT_TRUE(foreign.refusal);
  EXPECT_EQ(foreign.refusal->code, 550);
  EXPECT_EQ(foreign.refusal->enhanced, "5.7.1");
  const auto trouble =
      resolve(tables, address("bob@example.org"), with("bob@example.org", UserState::unavailable));
  ASSERT_TRUE(trouble.refusal);
  EXPECT_EQ(trouble.refusal->code, 451);
  EXPECT_EQ(trouble.refusal->enhanced, "4.3.0");
}

struct PostmasterCase {
  const char* sysadmin;
  const char* lookup;  // user the lookups know, with `state`
  UserState state;
  const char* expect;  // target account
};

class Postmaster : public testing::TestWithParam<PostmasterCase> {};

TEST_P(Postmaster, IsAlwaysAccepted) {
  conf::Settings settings = house();
  settings.sysadmin = GetParam().sysadmin;
  for (const char* spelling :
       {"postmaster@example.org", "PostMaster@example.net", "postmaster@club.example", ""}) {
    mail::Address rcpt;
    rcpt.local = "Postmaster";  // the bare form of RFC 5321 4.5.1
    if (*spelling != '\0') rcpt = address(spelling);
    const auto got = resolve(tables_of(settings), rcpt, with(GetParam().lookup, GetParam().state));
    EXPECT_FALSE(got.refusal) << spelling;
    ASSERT_EQ(got.targets.size(), 1u) << spelling;
    EXPECT_EQ(got.targets[0].account.text(), GetParam().expect) << spelling;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sysadmin, Postmaster,
    testing::Values(PostmasterCase{"bob@example.net", "bob@example.org", UserState::exists,
                                   "bob@example.org"},
                    PostmasterCase{"amy@club.example", "amy@club.example", UserState::exists,
                                   "amy@club.example"},
                    PostmasterCase{"bob@example.org", "bob@example.org", UserState::missing,
                                   "postmaster@example.org"},
                    PostmasterCase{"me@elsewhere.test", "x@example.org", UserState::exists,
                                   "postmaster@example.org"},
                    PostmasterCase{"postmaster@example.org", "x@example.org", UserState::exists,
                                   "postmaster@example.org"}));

TEST(Resolve, PostmasterWaitsWhenTheLookupIsOutOfOrder) {
  conf::Settings settings = house();
  settings.sysadmin = "bob@example.org";
  const auto got = resolve(tables_of(settings), address("postmaster@example.org"),
                           with("bob@example.org", UserState::unavailable));
  ASSERT_TRUE(got.refusal);
  EXPECT_EQ(got.refusal->code, 451);
}

}  // namespace
}  // namespace posthouse::forward
