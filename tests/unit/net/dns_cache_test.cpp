// The DNS cache in virtual time, in front of the simulated resolver.
#include "net/dns_cache.hpp"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "tests/sim/lib/sim_dns.hpp"

namespace posthouse::net {
namespace {

using namespace std::chrono_literals;
using sim::SimDns;
using sim::World;

struct DnsCacheTest : testing::Test {
  ~DnsCacheTest() override { world.shutdown(); }

  void make_cache(const DnsCacheOptions& options = {}) {
    cache = std::make_unique<DnsCache>(world.executor(), dns, world.timer(), options);
  }
  base::Result<Resolver::MxAnswer> mx(const std::string& name) {
    return world.run(cache->mx(name)).value();
  }
  base::Result<Resolver::AddressAnswer> addresses(const std::string& name) {
    return world.run(cache->addresses(name)).value();
  }
  std::size_t asked() const { return dns.queries().size(); }

  World world{7};
  SimDns dns{world};
  std::unique_ptr<DnsCache> cache;
};

TEST_F(DnsCacheTest, AnswersLiveAsLongAsTheirTtl) {
  make_cache();
  dns.set_ttl(300);
  dns.add_mx("example.com", 10, "mx.example.com");
  ASSERT_EQ(mx("example.com")->hosts.size(), 1U);
  world.run_for(290s);
  const auto again = mx("Example.COM.");
  EXPECT_EQ(again->hosts[0].host, "mx.example.com");
  EXPECT_LE(again->ttl_s, 10U);
  EXPECT_EQ(asked(), 1U);
  world.run_for(11s);
  dns.set_mx("example.com", {});
  EXPECT_TRUE(mx("example.com")->hosts.empty());
  EXPECT_EQ(asked(), 2U);
}

TEST_F(DnsCacheTest, TypesAreKeptApart) {
  make_cache();
  dns.add_address("example.com", "192.0.2.1");
  EXPECT_TRUE(mx("example.com")->hosts.empty());
  EXPECT_EQ(addresses("example.com")->addresses.size(), 1U);
  EXPECT_EQ(addresses("example.com")->addresses.size(), 1U);
  EXPECT_EQ(asked(), 2U);
}

TEST_F(DnsCacheTest, NegativeAnswersLiveFiveMinutesAtMost) {
  make_cache();
  dns.set_ttl(86400);
  EXPECT_FALSE(mx("absent.test")->exists);
  world.run_for(299s);
  EXPECT_FALSE(mx("absent.test")->exists);
  EXPECT_EQ(asked(), 1U);
  world.run_for(2s);
  dns.add_mx("absent.test", 10, "mx.test");
  EXPECT_TRUE(mx("absent.test")->exists);
  EXPECT_EQ(asked(), 2U);
}

TEST_F(DnsCacheTest, TtlsAreKeptWithinTheirBounds) {
  make_cache();
  dns.set_latency(1ms, 1ms);
  dns.add_mx("example.com", 10, "mx.example.com");
  dns.set_ttl(0);
  static_cast<void>(mx("example.com"));
  static_cast<void>(mx("example.com"));
  EXPECT_EQ(asked(), 1U);  // a second
  world.run_for(1s);
  dns.set_ttl(0x7fffffff);
  static_cast<void>(mx("example.com"));
  EXPECT_EQ(asked(), 2U);
  world.run_for(24h);
  static_cast<void>(mx("example.com"));
  EXPECT_EQ(asked(), 3U);  // a day
}

TEST_F(DnsCacheTest, FailuresAreForgottenSoon) {
  make_cache();
  dns.set_trouble("broken.test", SimDns::Trouble::servfail);
  EXPECT_EQ(mx("broken.test").error().code, std::errc::io_error);
  EXPECT_EQ(mx("broken.test").error().detail, "broken.test: SERVFAIL");
  EXPECT_EQ(asked(), 1U);
  world.run_for(3s);
  dns.set_trouble("broken.test", SimDns::Trouble::none);
  dns.add_mx("broken.test", 1, "mx.test");
  EXPECT_TRUE(mx("broken.test"));
}

Task<> ask_mx(DnsCache* cache, std::string name, std::vector<std::string>* out) {
  const auto answer = co_await cache->mx(std::move(name));
  out->push_back(answer ? fmt::format("{}", answer->hosts.size()) : answer.error().detail);
}

TEST_F(DnsCacheTest, EqualQuestionsShareOneLookup) {
  make_cache();
  dns.add_mx("example.com", 10, "mx.example.com");
  dns.set_trouble("silent.test", SimDns::Trouble::timeout);
  std::vector<std::string> good;
  std::vector<std::string> bad;
  for (int i = 0; i < 20; ++i) {
    world.spawn(ask_mx(cache.get(), i % 2 == 0 ? "example.com" : "EXAMPLE.com", &good), "ask");
    world.spawn(ask_mx(cache.get(), "silent.test", &bad), "ask");
  }
  ASSERT_TRUE(world.run_until_idle());
  EXPECT_EQ(good, std::vector<std::string>(20, "1"));
  EXPECT_EQ(bad, std::vector<std::string>(20, "silent.test"));
  EXPECT_EQ(asked(), 2U);
  EXPECT_EQ(cache->counts().joined, 38U);
}

TEST_F(DnsCacheTest, TheOldestUnusedEntriesMakeRoom) {
  DnsCacheOptions options;
  options.max_entries = 3;
  make_cache(options);
  for (const char* name : {"a.test", "b.test", "c.test"}) {
    static_cast<void>(mx(name));
  }
  static_cast<void>(mx("a.test"));
  static_cast<void>(mx("d.test"));  // instead of b
  EXPECT_EQ(asked(), 4U);
  for (const char* name : {"a.test", "c.test", "d.test"}) {
    static_cast<void>(mx(name));
  }
  EXPECT_EQ(asked(), 4U);
  static_cast<void>(mx("b.test"));
  EXPECT_EQ(asked(), 5U);
  EXPECT_EQ(cache->counts().entries, 3U);
}

TEST_F(DnsCacheTest, MemoryIsBounded) {
  DnsCacheOptions options;
  options.max_octets = 50'000;
  make_cache(options);
  std::vector<MxHost> hosts;
  for (int i = 0; i < 64; ++i) {
    MxHost host;
    host.host = std::string(200, 'h') + std::to_string(i);
    hosts.push_back(host);
  }
  for (int i = 0; i < 50; ++i) {
    dns.set_mx(fmt::format("d{}.test", i), hosts);
    EXPECT_EQ(mx(fmt::format("d{}.test", i))->hosts.size(), 64U);
    EXPECT_LE(cache->counts().octets, 50'000U);
  }
  EXPECT_GE(cache->counts().entries, 1U);
  cache->clear();
  EXPECT_EQ(cache->counts().octets, 0U);
  EXPECT_EQ(cache->counts().entries, 0U);
}

TEST_F(DnsCacheTest, MayBeDestroyedWhileOthersWait) {
  make_cache();
  dns.add_mx("example.com", 10, "mx.example.com");
  std::vector<std::string> answers;
  for (int i = 0; i < 3; ++i) {
    world.spawn(ask_mx(cache.get(), "example.com", &answers), "ask");
  }
  world.run_for(base::Duration(10));
  cache.reset();
  ASSERT_TRUE(world.run_until_idle());
  EXPECT_EQ(answers, std::vector<std::string>(3, "1"));
}

TEST_F(DnsCacheTest, MayEndWithItsProcess) {
  make_cache();
  dns.set_trouble("silent.test", SimDns::Trouble::timeout);
  std::vector<std::string> answers;
  for (int i = 0; i < 3; ++i) {
    world.spawn(ask_mx(cache.get(), "silent.test", &answers), "ask");
  }
  world.run_for(1s);
  world.shutdown();
  EXPECT_TRUE(answers.empty());
}

class ThrowingResolver final : public Resolver {
 public:
  explicit ThrowingResolver(Timer& timer) : timer_(timer) {}
  Task<base::Result<MxAnswer>> mx(std::string) override {
    co_await timer_.sleep_until(timer_.clock().mono() + 1s);
    throw std::runtime_error("no memory");
  }
  Task<base::Result<AddressAnswer>> addresses(std::string) override { co_return AddressAnswer(); }

 private:
  Timer& timer_;
};

TEST_F(DnsCacheTest, AnExceptionReachesTheAskerAndFreesTheOthers) {
  ThrowingResolver inner(world.timer());
  cache = std::make_unique<DnsCache>(world.executor(), inner, world.timer());
  std::vector<std::string> answers;
  world.spawn(ask_mx(cache.get(), "x.test", &answers), "ask");
  world.spawn(ask_mx(cache.get(), "x.test", &answers), "ask");
  ASSERT_TRUE(world.run_until_idle());
  EXPECT_EQ(world.failures().size(), 1U);
  EXPECT_EQ(answers.size(), 1U);
}

}  // namespace
}  // namespace posthouse::net
