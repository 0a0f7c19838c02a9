// The cache of verified logins, in made-up time.
#include "accounts/verify_cache.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace posthouse::accounts {
namespace {

using std::chrono::seconds;

const base::MonoTime kStart{std::chrono::hours(1)};

VerifyCache::Login login(std::string_view user, std::string_view hash, std::string_view password) {
  VerifyCache::Login result;
  result.user = user;
  result.hash = hash;
  result.password = password;
  return result;
}

TEST(VerifyCache, KnowsTheExactLoginUntilItExpires) {
  base::SeededRandom random(1);
  VerifyCache cache(10, seconds(300), random);
  const auto bob = login("bob", "h1", "secret");
  EXPECT_FALSE(cache.knows(bob, kStart));
  cache.remember(bob, kStart);
  EXPECT_TRUE(cache.knows(bob, kStart));
  EXPECT_TRUE(cache.knows(bob, kStart + seconds(300) - base::Duration(1)));
  EXPECT_FALSE(cache.knows(login("bob", "h1", "Secret"), kStart));
  EXPECT_FALSE(cache.knows(login("bob", "h1", ""), kStart));
  EXPECT_FALSE(cache.knows(login("eve", "h1", "secret"), kStart));
  EXPECT_TRUE(cache.knows(bob, kStart)) << "a wrong guess must not throw the entry out";
  EXPECT_FALSE(cache.knows(bob, kStart + seconds(300)));
  EXPECT_EQ(cache.size(), 0U);
}

TEST(VerifyCache, AnotherHashOfTheUserDropsTheEntry) {
  base::SeededRandom random(1);
  VerifyCache cache(10, seconds(300), random);
  cache.remember(login("bob", "h1", "secret"), kStart);
  EXPECT_FALSE(cache.knows(login("bob", "h2", "secret"), kStart));
  EXPECT_FALSE(cache.knows(login("bob", "h1", "secret"), kStart));
}

TEST(VerifyCache, TheLeastRecentlyUsedGoes) {
  base::SeededRandom random(1);
  VerifyCache cache(2, seconds(300), random);
  const auto a = login("a", "h", "p"), b = login("b", "h", "p"), c = login("c", "h", "p");
  cache.remember(a, kStart);
  cache.remember(b, kStart);
  EXPECT_TRUE(cache.knows(a, kStart));
  cache.remember(c, kStart);
  EXPECT_TRUE(cache.knows(a, kStart));
  EXPECT_FALSE(cache.knows(b, kStart));
  EXPECT_TRUE(cache.knows(c, kStart));
  cache.remember(c, kStart);
  EXPECT_EQ(cache.size(), 2U);
}

TEST(VerifyCache, SizeZeroRemembersNothing) {
  base::SeededRandom random(1);
  VerifyCache cache(0, seconds(300), random);
  cache.remember(login("bob", "h", "p"), kStart);
  EXPECT_FALSE(cache.knows(login("bob", "h", "p"), kStart));
  EXPECT_EQ(cache.size(), 0U);
}

TEST(VerifyCache, ManyThreads) {
  base::SeededRandom random(1);
  VerifyCache cache(4, seconds(300), random);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      for (int i = 0; i < 2000; ++i) {
        const std::string user = "u" + std::to_string((t + i) % 8);
        const auto entry = login(user, "h", "p");
        if (!cache.knows(entry, kStart)) cache.remember(entry, kStart);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cache.size(), 4U);
}

}  // namespace
}  // namespace posthouse::accounts
