// Mailbox names: DMail's table, the file name encoding, refusals, and that names never meet or
// leave.
#include "mailbox/naming.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>

namespace posthouse::mailbox {
namespace {

NameTable table_of(unsigned hash_spool, bool drop_prefix = true) {
  NameTable table;
  table.rules.hash_spool = hash_spool;
  table.rules.drop_prefix = drop_prefix;
  table.drop_path = "/var/mail";
  table.domains = {NameDomain{"", "in"}, NameDomain{"dom1", "in"},
                   NameDomain{"cc", "in/computers"}};
  return table;
}

std::string path(const NameTable& table, std::string_view user, const NameDomain& domain) {
  const auto result = mailbox_path(table, user, domain);
  return result ? *result : "refused: " + std::string(describe(result.error()));
}

TEST(Naming, DmailTable) {
  const NameTable plain = table_of(0);
  const NameTable one = table_of(1);
  const NameTable two = table_of(2);
  const NameDomain main{"", "in"};
  const NameDomain dom1{"dom1", "in"};
  const NameDomain computers{"cc", "in/computers"};
  EXPECT_EQ(path(plain, "bob", main), "in/bob");
  EXPECT_EQ(path(one, "bob", main), "in/v/bob");
  EXPECT_EQ(path(two, "bob", main), "in/b/o/bob");
  EXPECT_EQ(path(plain, "bob", dom1), "in/dom1_bob");
  EXPECT_EQ(path(one, "bob", dom1), "in/v/dom1_bob");
  EXPECT_EQ(path(two, "bob", dom1), "in/b/o/dom1_bob");
  EXPECT_EQ(path(plain, "sales", computers), "in/computers/cc_sales");
  EXPECT_EQ(path(one, "sales", computers), "in/computers/q/cc_sales");
  EXPECT_EQ(path(two, "sales", computers), "in/computers/s/a/cc_sales");
  EXPECT_EQ(path(plain, "x", main), "in/x");
  EXPECT_EQ(path(one, "x", main), "in/q/x");
  EXPECT_EQ(path(two, "x", main), "in/x/x/x");
  EXPECT_EQ(path(plain, "postmaster", main), "in/postmaster");
  EXPECT_EQ(path(one, "postmaster", main), "in/r/postmaster");
  EXPECT_EQ(path(two, "postmaster", main), "in/p/o/postmaster");

  const NameDomain own_dir{"dom1", "in/dom1"};
  for (const auto& [hash, expected] : std::map<unsigned, std::string>{
           {0, "in/dom1/bob"}, {1, "in/dom1/v/bob"}, {2, "in/dom1/b/o/bob"}}) {
    NameTable table = table_of(hash, false);
    table.domains = {main, own_dir};
    EXPECT_EQ(path(table, "bob", own_dir), expected);
  }
}

TEST(Naming, MainDomainInDropPathItselfGivesRelativePath) {
  NameTable table;
  table.drop_path = "/var/mail";
  table.domains = {NameDomain{"", ""}};
  EXPECT_EQ(path(table, "bob", table.domains[0]), "bob");
  table.rules.hash_spool = 2;
  EXPECT_EQ(path(table, "bob", table.domains[0]), "b/o/bob");
}

TEST(Naming, EncodesEverythingOutsideThePlainSet) {
  EXPECT_EQ(encode_file_name("bob.smith+tag=x_y-z"), "bob.smith+tag=x_y-z");
  EXPECT_EQ(encode_file_name("."), "%2E");
  EXPECT_EQ(encode_file_name(".."), "%2E.");
  EXPECT_EQ(encode_file_name("a/b\\c%d e"), "a%2Fb%5Cc%25d%20e");
  EXPECT_EQ(encode_file_name("Bob"), "%42ob");
  EXPECT_EQ(encode_file_name("j\xc3\xb6rg"), "j%C3%B6rg");
  EXPECT_EQ(encode_file_name(std::string_view("\0", 1)), "%00");
}

TEST(Naming, RefusesReservedEndingsAndNothing) {
  const NameTable table = table_of(0);
  for (const char* user : {"bob.fwd", "bob.rsp", "bob.idx", "bob.lock", "x.lock"}) {
    EXPECT_EQ(mailbox_path(table, user, table.domains[0]).error(), NameRefusal::reserved) << user;
  }
  EXPECT_TRUE(mailbox_path(table, "bob.locks", table.domains[0]));
  EXPECT_EQ(mailbox_path(table, "", table.domains[0]).error(), NameRefusal::empty);
  EXPECT_EQ(mailbox_path(table, std::string(241, 'a'), table.domains[0]).error(),
            NameRefusal::too_long);
}

TEST(Naming, RefusesConfiguredDirectories) {
  NameTable table = table_of(0);
  table.directories = {"/var/mail/in/queue", "in/deep/below"};
  for (const char* user : {"computers", "queue", "deep"}) {
    EXPECT_EQ(mailbox_path(table, user, table.domains[0]).error(), NameRefusal::directory) << user;
  }
  EXPECT_TRUE(mailbox_path(table, "below", table.domains[0]));
  // A hash directory that is another domain's directory.
  NameTable hashed = table_of(1);
  hashed.domains.push_back(NameDomain{"l", "in/l"});
  EXPECT_EQ(mailbox_path(hashed, "s", hashed.domains[0]).error(), NameRefusal::directory);
}

TEST(Naming, RefusesNamesOfAnotherDomain) {
  NameTable table = table_of(0);
  EXPECT_EQ(mailbox_path(table, "dom1_bob", table.domains[0]).error(), NameRefusal::other_domain);
  EXPECT_TRUE(mailbox_path(table, "dom1bob", table.domains[0]));
  EXPECT_TRUE(mailbox_path(table, "cc_sales", table.domains[0]));  // cc has its own directory
  table.domains.push_back(NameDomain{"dom1_x", "in"});
  EXPECT_EQ(mailbox_path(table, "x_bob", NameDomain{"dom1", "in"}).error(),
            NameRefusal::other_domain);
  EXPECT_EQ(path(table, "bob", NameDomain{"dom1_x", "in"}), "in/dom1_x_bob");
}

TEST(Naming, DomainsThatWouldShareMailboxesAreFound) {
  NameTable table = table_of(0);
  EXPECT_TRUE(domains_collide(table, NameDomain{"a", "in"}, NameDomain{"a", "/var/mail//in/"}));
  EXPECT_FALSE(domains_collide(table, NameDomain{"a", "in"}, NameDomain{"b", "in"}));
  table.rules.drop_prefix = false;
  EXPECT_TRUE(domains_collide(table, NameDomain{"a", "in"}, NameDomain{"b", "in"}));
}

// Local parts made of the characters that could do harm.
rc::Gen<std::string> local_part() {
  return rc::gen::resize(12, rc::gen::container<std::string>(
                                 rc::gen::elementOf(std::string("ab1._-/%~\\ \x01\xc3\n"))));
}

TEST(Naming, PropertyNeverLeavesItsDirectory) {
  EXPECT_TRUE(rc::check([] {
    NameTable table = table_of(*rc::gen::inRange(0u, 3u), *rc::gen::arbitrary<bool>());
    const NameDomain domain = *rc::gen::elementOf(table.domains);
    const auto result = mailbox_path(table, *local_part(), domain);
    if (!result) return;
    RC_ASSERT(result->starts_with(domain.drop_dir + "/"));
    std::string_view rest = *result;
    rest.remove_prefix(domain.drop_dir.size() + 1);
    std::size_t parts = 1;
    for (std::size_t at = rest.find('/'); at != rest.npos; at = rest.find('/')) {
      RC_ASSERT(at == 1u);  // a hash directory: one letter, digit or '_'
      RC_ASSERT(rest[0] != '.');
      rest.remove_prefix(2);
      ++parts;
    }
    RC_ASSERT(parts == table.rules.hash_spool + 1);
    RC_ASSERT(!rest.empty() && rest[0] != '.');
    RC_ASSERT(rest.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._+-=%ABCDEF") ==
              rest.npos);
  }));
}

TEST(Naming, PropertyDifferentAddressesGetDifferentFiles) {
  EXPECT_TRUE(rc::check([] {
    NameTable table;
    table.drop_path = "/d";
    table.rules.hash_spool = *rc::gen::inRange(0u, 3u);
    table.domains = {NameDomain{"", "in"}, NameDomain{"a", "in"}, NameDomain{"a_b", "in"},
                     NameDomain{"b", "in/a"}, NameDomain{"1", "in/1/b"}};
    const NameDomain one = *rc::gen::elementOf(table.domains);
    const NameDomain two = *rc::gen::elementOf(table.domains);
    const std::string first = *local_part();
    const std::string second = *local_part();
    RC_PRE(first != second || one.prefix != two.prefix);
    const auto a = mailbox_path(table, first, one);
    const auto b = mailbox_path(table, second, two);
    if (!a || !b) return;
    RC_ASSERT(*a != *b);
    // Nor does one mailbox lie inside the other.
    RC_ASSERT(!a->starts_with(*b + "/") && !b->starts_with(*a + "/"));
  }));
}

}  // namespace
}  // namespace posthouse::mailbox
