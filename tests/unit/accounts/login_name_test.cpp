// From login names to accounts.
#include "accounts/login_name.hpp"

#include <gtest/gtest.h>

namespace posthouse::accounts {
namespace {

LoginDomains domains() {
  LoginDomains result;
  result.main_domain = "test.example";
  result.host_domains = {"test.example", "mail.test.example"};
  result.virtuals.push_back({"@dom1", "one.example"});
  result.virtuals.push_back({"two.example", "two.example"});
  return result;
}

std::string login(std::string_view name) {
  const auto address = canonical_login(name, domains());
  return address ? address->text() : "(none)";
}

TEST(LoginName, Canonical) {
  EXPECT_EQ(login("bob"), "bob@test.example");
  EXPECT_EQ(login(" bob "), "bob@test.example");
  EXPECT_EQ(login("bob@test.example"), "bob@test.example");
  EXPECT_EQ(login("bob@Mail.Test.Example"), "bob@test.example");
  EXPECT_EQ(login("bob@dom1"), "bob@one.example");
  EXPECT_EQ(login("bob@DOM1"), "bob@one.example");
  EXPECT_EQ(login("bob@one.example"), "bob@one.example");
  EXPECT_EQ(login("bob@two.example"), "bob@two.example");
  EXPECT_EQ(login("bob@foreign.example"), "bob@foreign.example");
  EXPECT_EQ(login("\"a@b\"@dom1"), "\"a@b\"@one.example");
}

TEST(LoginName, NoAddress) {
  for (const char* name : {"", "@", "@test.example", "bob@", "a b", "bob@one@", "bob@dom1@x y"}) {
    EXPECT_EQ(login(name), "(none)") << name;
  }
}

}  // namespace
}  // namespace posthouse::accounts
