// Password hashes: known vectors of each accepted method, everything else refused.
#include "accounts/hasher.hpp"

#include <gtest/gtest.h>

namespace posthouse::accounts {
namespace {

// crypt(5) hashes of "correct horse", made by libxcrypt 4.4.
constexpr const char* kAccepted[] = {
    "$y$j9T$abcdefghijklmnop$0Hi8KsZH/hAMRN9Bam6ce3nmi5QAIz3R/KeaXG/c7p9",
    "$y$j75$abcdefghijklmnop$1kKL1r02wT4HlcktLfzeoOHd1GFgv7Ay4JeEbqGj80B",
    "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
    "$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
    "$2a$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
    "$6$rounds=1000$saltsalt$4GMtaIz3E1AdDi2SmCokEW0ehi.HdxNDcL3fGE1XXuzvo6kbx7UOloZKONqEk5H3JrQA"
    "4NOfU8BmqFPrpGqwA1",
    "$6$saltsalt$hRM5XZ86KXEw9UOmjigeVqFgULtFB2sgpC9lXQDfMib3Zgw7mEiUvBJI2EplzfAqxL5Vvwp2scFtv/"
    "uamSo5z0",
};

// Right hashes of "correct horse" by methods that are too weak or not meant for this.
constexpr const char* kRefused[] = {
    "$5$saltsalt$myjXcpMpE2Ofk7fj9hqyNYSn6lmWG4Mqnjx.KIRRr4/",
    "$1$saltsalt$NuzA7WTAelpl95xgBGWN60",
    "abhfCpXqd4GrI",
    "$7$CU..../....abc$2JqLd5HROcvOjoXgJPPouTcWuTpItF8Uwpe0iaF5irA",
    "correct horse",
    "*correct horse",
    "",
    "!",
    "*0",
    "$y$",
    "$6$",
};

TEST(Hasher, KnownVectors) {
  for (const char* hash : kAccepted) {
    EXPECT_TRUE(is_accepted_hash(hash)) << hash;
    EXPECT_TRUE(verify_hash("correct horse", hash)) << hash;
    EXPECT_FALSE(verify_hash("correct hors", hash)) << hash;
    EXPECT_FALSE(verify_hash("", hash)) << hash;
  }
}

TEST(Hasher, OtherMethodsNeverMatch) {
  for (const char* hash : kRefused) {
    EXPECT_FALSE(is_accepted_hash(hash)) << hash;
    EXPECT_FALSE(verify_hash("correct horse", hash)) << hash;
  }
  // The right method with a broken setting.
  EXPECT_FALSE(verify_hash("correct horse", "$2b$99$abcdefghijklmnopqrstuu"));
  EXPECT_FALSE(verify_hash("correct horse", "$y$!!$$"));
}

TEST(Hasher, MakesYescryptWithFreshSalt) {
  base::SeededRandom random(7);
  const base::Secret password(std::string_view("pa\xc3\x9f wort"));
  const auto first = make_hash(password, random);
  const auto second = make_hash(password, random);
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(first->starts_with("$y$j9T$")) << *first;
  EXPECT_NE(*first, *second);
  EXPECT_EQ(first->find(':'), std::string::npos);
  EXPECT_TRUE(verify_hash(password.view(), *first));
  EXPECT_TRUE(verify_hash(password.view(), *second));
  EXPECT_FALSE(verify_hash("pass wort", *first));
}

TEST(Hasher, RefusesWhatCryptWouldCutShort) {
  base::SeededRandom random(7);
  const std::string with_nul("a\0b", 3);
  EXPECT_FALSE(make_hash(base::Secret(std::string_view(with_nul)), random));
  EXPECT_FALSE(make_hash(base::Secret(), random));
  EXPECT_FALSE(make_hash(base::Secret(std::string(512, 'x')), random));
  const auto longest = make_hash(base::Secret(std::string(511, 'x')), random);
  ASSERT_TRUE(longest);
  EXPECT_TRUE(verify_hash(std::string(511, 'x'), *longest));
  EXPECT_FALSE(verify_hash(std::string(512, 'x'), *longest));
  const auto a = make_hash(base::Secret(std::string_view("a")), random);
  ASSERT_TRUE(a);
  EXPECT_FALSE(verify_hash(with_nul, *a));
}

TEST(Hasher, DummyIsAFullPriceHashOfTheMethodWritten) {
  base::SeededRandom random(1);
  const auto real = make_hash(base::Secret(std::string_view("x")), random);
  ASSERT_TRUE(real);
  EXPECT_TRUE(is_accepted_hash(dummy_hash()));
  // Method, cost, and lengths of salt and hash are those of a real one.
  EXPECT_EQ(dummy_hash().substr(0, 7), std::string_view(*real).substr(0, 7));
  EXPECT_EQ(dummy_hash().size(), real->size());
  EXPECT_FALSE(verify_hash("", dummy_hash()));
}

}  // namespace
}  // namespace posthouse::accounts
