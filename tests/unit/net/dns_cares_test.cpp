// The resolver on c-ares against a DNS server in the test. Where a time-out has to pass it is
// short; nothing is measured.
#include "net/dns_cares.hpp"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <future>
#include <latch>

#include "base/text.hpp"
#include "dns_peer.hpp"
#include "support.hpp"

namespace posthouse::net {
namespace {

using namespace std::chrono_literals;
using test::AnswerBuilder;
using test::dns_address;
using test::dns_mx;
using test::dns_name;
using test::dns_soa;
using test::DnsPeer;
using test::DnsQuestion;
using Replies = std::vector<std::string>;
using MxResult = base::Result<Resolver::MxAnswer>;
using AddressResult = base::Result<Resolver::AddressAnswer>;

Replies servfail(const DnsQuestion& q) { return {AnswerBuilder(q.packet).rcode(2).text()}; }
Replies nothing(const DnsQuestion&) { return {}; }

Replies one_mx(const DnsQuestion& q) {
  return {AnswerBuilder(q.packet).add(q.name, DnsType::mx, 77, dns_mx(5, "mx." + q.name)).text()};
}

Replies one_address(const DnsQuestion& q) {
  AnswerBuilder builder(q.packet);
  builder.add(q.name, q.type, 77, dns_address(q.type == DnsType::a ? "192.0.2.1" : "2001:db8::1"));
  return {builder.text()};
}

struct DnsCaresTest : testing::Test {
  ~DnsCaresTest() override {
    shards.stop();
    resolver.reset();
  }

  // Long enough that no machine is too slow for it.
  void start(const std::vector<Endpoint>& servers, base::Duration time_out = 60s, int tries = 4) {
    CaresOptions options;
    options.servers = servers;
    options.time_out = time_out;
    options.tries = tries;
    resolver = std::move(CaresResolver::make(shards.executor(0), options).value());
    shards.run();
  }
  MxResult mx(const std::string& name) { return test::run_task(shards, 0, resolver->mx(name)); }
  AddressResult addresses(const std::string& name) {
    return test::run_task(shards, 0, resolver->addresses(name));
  }

  Shards shards{1};
  std::unique_ptr<CaresResolver> resolver;
};

std::vector<std::string> texts(const Resolver::AddressAnswer& answer) {
  std::vector<std::string> out;
  for (const IpAddress& address : answer.addresses) {
    out.push_back(address.text());
  }
  return out;
}

TEST_F(DnsCaresTest, FindsMailServersAndAddresses) {
  DnsPeer peer(
      [](const DnsQuestion& q) { return q.type == DnsType::mx ? one_mx(q) : one_address(q); });
  start({peer.endpoint()});
  const MxResult mail = mx("Example.COM.");
  ASSERT_TRUE(mail) << mail.error().message();
  ASSERT_EQ(mail->hosts.size(), 1U);
  EXPECT_EQ(mail->hosts[0].host, "mx.example.com");
  EXPECT_EQ(mail->hosts[0].preference, 5);
  EXPECT_EQ(mail->ttl_s, 77U);
  const AddressResult host = addresses("mx.example.com");
  ASSERT_TRUE(host) << host.error().message();
  EXPECT_EQ(texts(*host), std::vector<std::string>({"2001:db8::1", "192.0.2.1"}));
  EXPECT_EQ(resolver->in_flight(), 0U);
}

TEST_F(DnsCaresTest, NoNameAndNoRecordsAreAnswers) {
  DnsPeer peer([](const DnsQuestion& q) -> Replies {
    AnswerBuilder builder(q.packet);
    builder.rcode(q.name == "absent.test" ? 3 : 0)
        .add_authority("test", DnsType::soa, 60, dns_soa(60));
    return {builder.text()};
  });
  start({peer.endpoint()});
  const MxResult absent = mx("absent.test");
  ASSERT_TRUE(absent);
  EXPECT_FALSE(absent->exists);
  EXPECT_EQ(absent->ttl_s, 60U);
  const MxResult empty = mx("empty.test");
  ASSERT_TRUE(empty);
  EXPECT_TRUE(empty->exists);
  EXPECT_TRUE(empty->hosts.empty());
  EXPECT_FALSE(addresses("absent.test")->exists);
  EXPECT_TRUE(addresses("empty.test")->exists);
}

TEST_F(DnsCaresTest, ServerFailureIsTemporary) {
  DnsPeer peer([](const DnsQuestion& q) -> Replies {
    return {AnswerBuilder(q.packet).rcode(q.name == "refused.test" ? 5 : 2).text()};
  });
  start({peer.endpoint()});
  const MxResult failed = mx("broken.test");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, std::errc::io_error);
  EXPECT_EQ(failed.error().detail, "broken.test: SERVFAIL");
  EXPECT_EQ(failed.error().op, "dns MX");
  const AddressResult refused = addresses("refused.test");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().detail, "refused.test: REFUSED");
}

TEST_F(DnsCaresTest, SilenceIsATimeOut) {
  DnsPeer peer(nothing);
  start({peer.endpoint()}, 150ms, 2);
  const MxResult failed = mx("silent.test");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, std::errc::timed_out);
  EXPECT_EQ(failed.error().detail, "silent.test");
  EXPECT_EQ(peer.queries(), 2);
  EXPECT_EQ(addresses("silent.test").error().code, std::errc::timed_out);
}

TEST_F(DnsCaresTest, NoServerAtAllIsAnError) {
  Endpoint closed;
  {
    const DnsPeer peer(nothing);
    closed = peer.endpoint();
  }
  start({closed}, 1s, 1);
  EXPECT_FALSE(mx("example.com"));
}

TEST_F(DnsCaresTest, ALostQueryIsSentAgain) {
  DnsPeer peer([](const DnsQuestion& q) { return q.nth == 0 ? Replies() : one_mx(q); });
  start({peer.endpoint()}, 3s);
  ASSERT_TRUE(mx("example.com"));
  EXPECT_EQ(peer.queries(), 2);
}

TEST_F(DnsCaresTest, TheSecondServerHelpsOut) {
  for (const auto& first : {servfail, nothing}) {
    DnsPeer bad(first);
    DnsPeer good(one_mx);
    Shards own(1);
    CaresOptions options;
    options.servers = {bad.endpoint(), good.endpoint()};
    options.time_out = 3s;
    const auto lookups = std::move(CaresResolver::make(own.executor(0), options).value());
    own.run();
    const MxResult answer = test::run_task(own, 0, lookups->mx("example.com"));
    EXPECT_TRUE(answer) << answer.error().message();
    EXPECT_GE(bad.queries(), 1);
    own.stop();
  }
}

TEST_F(DnsCaresTest, HundredsOfMailServersComeByTcp) {
  DnsPeer peer([](const DnsQuestion& q) -> Replies {
    AnswerBuilder builder(q.packet);
    if (!q.tcp) {
      return {builder.truncated().text()};
    }
    for (unsigned i = 0; i < 800; ++i) {
      builder.add(q.name, DnsType::mx, 60, dns_mx(1000 - i, fmt::format("mx{}.test", 1000 - i)));
    }
    return {builder.text()};
  });
  start({peer.endpoint()});
  const MxResult answer = mx("example.com");
  ASSERT_TRUE(answer) << answer.error().message();
  ASSERT_EQ(answer->hosts.size(), 64U);
  for (const MxHost& host : answer->hosts) {
    EXPECT_LE(host.preference, 201 + 64);
  }
}

TEST_F(DnsCaresTest, AnOversizedDatagramIsAskedAgainByTcp) {
  DnsPeer peer([](const DnsQuestion& q) -> Replies {
    AnswerBuilder builder(q.packet);
    for (unsigned i = 0; i < 40; ++i) {
      builder.add(q.name, DnsType::mx, 60, dns_mx(i, fmt::format("mx{}.test", i)));
    }
    return {builder.text()};
  });
  start({peer.endpoint()});
  const MxResult answer = mx("example.com");
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->hosts.size(), 40U);
  EXPECT_EQ(peer.queries(), 2);
}

TEST_F(DnsCaresTest, ForgedAndBrokenAnswersAreIgnored) {
  DnsPeer peer([](const DnsQuestion& q) -> Replies {
    const std::string right = one_mx(q).front();
    std::string wrong_id = AnswerBuilder(q.packet).rcode(3).text();
    wrong_id[0] = static_cast<char>(wrong_id[0] ^ 0x55);
    const std::string other = build_dns_query(0, "other.test", DnsType::mx);
    const std::string wrong_question =
        AnswerBuilder(right.substr(0, 12) + other.substr(12)).rcode(3).text();
    return {wrong_id, "x", std::string(), std::string(600, '\xff'), wrong_question, right};
  });
  start({peer.endpoint()});
  const MxResult answer = mx("example.com");
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_TRUE(answer->exists);
  EXPECT_EQ(answer->hosts.size(), 1U);
}

TEST_F(DnsCaresTest, AnAnswerCutShortIsTemporary) {
  DnsPeer peer([](const DnsQuestion& q) -> Replies {
    const std::string right = one_mx(q).front();
    return {right.substr(0, right.size() - 3)};
  });
  start({peer.endpoint()});
  const MxResult answer = mx("example.com");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().detail, "example.com: malformed answer");
}

TEST_F(DnsCaresTest, GarbageAloneIsATimeOut) {
  DnsPeer peer([](const DnsQuestion&) -> Replies { return {std::string(40, '\xee')}; });
  start({peer.endpoint()}, 150ms, 2);
  EXPECT_EQ(mx("example.com").error().code, std::errc::timed_out);
}

TEST_F(DnsCaresTest, AliasesAreFollowedAndLoopsAreTemporary) {
  DnsPeer peer([](const DnsQuestion& q) -> Replies {
    AnswerBuilder builder(q.packet);
    builder.add(q.name, DnsType::cname, 60, dns_name("b.test"));
    if (q.name == "loop.test") {
      builder.add("b.test", DnsType::cname, 60, dns_name(q.name));
    } else if (q.type == DnsType::a) {
      builder.add("b.test", DnsType::a, 60, dns_address("192.0.2.9"));
    }
    return {builder.text()};
  });
  start({peer.endpoint()});
  const AddressResult found = addresses("alias.test");
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(texts(*found), std::vector<std::string>({"192.0.2.9"}));
  const AddressResult loop = addresses("loop.test");
  ASSERT_FALSE(loop);
  EXPECT_EQ(loop.error().detail, "loop.test: alias loop");
}

TEST_F(DnsCaresTest, OneFamilyIsEnoughIfItHasAddresses) {
  DnsPeer peer([](const DnsQuestion& q) -> Replies {
    if (q.type == DnsType::aaaa) {
      return servfail(q);
    }
    return q.name == "v4.test" ? one_address(q) : Replies({AnswerBuilder(q.packet).text()});
  });
  start({peer.endpoint()});
  const AddressResult half = addresses("v4.test");
  ASSERT_TRUE(half) << half.error().message();
  EXPECT_EQ(half->addresses.size(), 1U);
  EXPECT_LE(half->ttl_s, 30U);
  const AddressResult unknown = addresses("none.test");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().detail, "none.test: SERVFAIL");
}

TEST_F(DnsCaresTest, ImpossibleNamesAndLocalhostAskNobody) {
  DnsPeer peer(servfail);
  start({peer.endpoint()});
  for (const std::string& name : {std::string(""), std::string("a..b"), std::string("a b"),
                                  std::string(70, 'x'), std::string("a\\046b.test")}) {
    EXPECT_FALSE(mx(name).value().exists) << name;
    EXPECT_FALSE(addresses(name).value().exists) << name;
  }
  EXPECT_EQ(texts(addresses("LocalHost.").value()), std::vector<std::string>({"127.0.0.1", "::1"}));
  EXPECT_EQ(peer.queries(), 0);
}

TEST_F(DnsCaresTest, AnswersMayComeInAnyOrder) {
  std::string held;
  DnsPeer peer([&held](const DnsQuestion& q) -> Replies {
    if (q.name == "first.test") {
      held = one_mx(q).front();
      return {};
    }
    return {one_mx(q).front(), held};
  });
  start({peer.endpoint()});
  auto first = std::async(std::launch::async, [this] { return mx("first.test"); });
  while (peer.queries() == 0) {
    std::this_thread::yield();
  }
  ASSERT_TRUE(mx("second.test"));
  const MxResult answer = first.get();
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->hosts[0].host, "mx.first.test");
}

Task<> count_lookup(Resolver* resolver, std::string name, int* good, std::latch* done) {
  const MxResult answer = co_await resolver->mx(name);
  if (answer && answer->hosts.size() == 1 && answer->hosts[0].host == "mx." + name) {
    ++*good;
  }
  done->count_down();
}

TEST_F(DnsCaresTest, ManyLookupsAtATimeAllEnd) {
  DnsPeer peer(one_mx);
  // The burst overflows the server's socket, and what is lost is asked again after two seconds.
  start({peer.endpoint()}, 30s);
  constexpr int kMany = 2500;
  int good = 0;
  std::latch done(kMany);
  shards.post(0, [&] {
    for (int i = 0; i < kMany; ++i) {
      spawn(shards.executor(0),
            count_lookup(resolver.get(), fmt::format("d{}.test", i), &good, &done), "lookup");
    }
  });
  done.wait();
  EXPECT_EQ(good, kMany);
}

Task<> note_error(Resolver* resolver, std::promise<std::error_code>* out) {
  const AddressResult answer = co_await resolver->addresses("silent.test");
  out->set_value(answer ? std::error_code() : answer.error().code);
}

TEST_F(DnsCaresTest, DestroyingTheResolverEndsItsLookups) {
  DnsPeer peer(nothing);
  start({peer.endpoint()});
  std::promise<std::error_code> ended;
  spawn(shards.executor(0), note_error(resolver.get(), &ended), "lookup");
  while (peer.queries() < 2) {
    std::this_thread::yield();
  }
  shards.post(0, [this] { resolver.reset(); });
  EXPECT_EQ(ended.get_future().get(), std::errc::operation_canceled);
}

struct Alive {
  explicit Alive(int* c) : count(c) { ++*count; }
  Alive(const Alive&) = delete;
  Alive& operator=(const Alive&) = delete;
  ~Alive() { --*count; }
  int* count;
};

Task<> look_up_forever(Resolver* resolver, int* alive) {
  const Alive guard(alive);
  const MxResult answer = co_await resolver->mx("silent.test");
  ADD_FAILURE() << "nobody answers: " << answer.has_value();
}

// By UDP, and by TCP half-way through an answer.
TEST(DnsCaresEnd, TheLoopMayGoFirst) {
  for (const bool tcp : {false, true}) {
    std::atomic<bool> reached = false;
    DnsPeer peer([&](const DnsQuestion& q) -> Replies {
      reached = q.tcp == tcp;
      return tcp && !q.tcp ? Replies({AnswerBuilder(q.packet).truncated().text()}) : Replies();
    });
    int alive = 0;
    CaresOptions options;
    options.servers = {peer.endpoint()};
    std::unique_ptr<CaresResolver> resolver;
    {
      Shards shards(1);
      resolver = std::move(CaresResolver::make(shards.executor(0), options).value());
      spawn(shards.executor(0), look_up_forever(resolver.get(), &alive), "lookup");
      shards.run();
      while (!reached) {
        std::this_thread::yield();
      }
      shards.stop();
      EXPECT_EQ(alive, 1);
    }
    EXPECT_EQ(alive, 0);
    EXPECT_EQ(resolver->in_flight(), 0U);
  }
}

TEST(DnsCaresEnd, TheResolverMayGoBeforeTheStoppedLoop) {
  DnsPeer peer(nothing);
  int alive = 0;
  CaresOptions options;
  options.servers = {peer.endpoint()};
  {
    Shards shards(1);
    auto resolver = std::move(CaresResolver::make(shards.executor(0), options).value());
    spawn(shards.executor(0), look_up_forever(resolver.get(), &alive), "lookup");
    shards.run();
    while (peer.queries() == 0) {
      std::this_thread::yield();
    }
    shards.stop();
    resolver.reset();
  }
  EXPECT_EQ(alive, 0);
}

TEST(DnsCaresEnd, TheSystemsServersAreTheDefault) {
  Shards shards(1);
  EXPECT_TRUE(CaresResolver::make(shards.executor(0), CaresOptions()));
}

}  // namespace
}  // namespace posthouse::net
