// The whole house in virtual time: clients send and read at the same moments over slow and
// fragmented connections, the process is killed or the power fails in the middle, and in the end
// every promise made to a client is kept. The seed decides everything, and the same seed does it
// again: POSTHOUSE_SIM_SEED=SEED[:COUNT] runs that one (and those behind it) instead of the usual
// ones.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "tests/sim/house.hpp"
#include "tests/sim/house_clients.hpp"
#include "tests/sim/lib/plug.hpp"

namespace posthouse::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kAboveMemory = 140 * 1024;  // a body of that size gets a file of its own

enum class Accident { none, kill, power_cut };

struct Plot {
  std::uint64_t seed = 1;
  conf::MailboxFormat format = conf::MailboxFormat::maildir;
  Accident accident = Accident::none;
  std::size_t senders = 6;
  std::size_t mails = 5;  // of each sender
  std::size_t visits = 5;
};

struct Outcome {
  std::uint64_t hash = 0;
  std::uint64_t events = 0;
  std::size_t acknowledged = 0;
  std::size_t sent = 0;
  std::size_t in_mailboxes = 0;
  std::vector<std::string> broken;
};

HouseOptions options_of(const Plot& plot) {
  HouseOptions options;
  options.format = plot.format;
  options.users = {"ann", "bob", "cid", "dora"};
  return options;
}

class Theatre {
 public:
  explicit Theatre(const Plot& plot)
      : plot_(plot),
        options_(options_of(plot)),
        disk_(make_ground(options_, plot.seed)),
        world_(plot.seed),
        net_(world_),
        random_(world_.make_random("plot")),
        outside_(world_, net_) {
    base::set_log_level(base::LogLevel::error);
    outside_.patience = 20;
    open_house();
  }
  ~Theatre() {
    world_.shutdown();
    base::set_log_level(base::LogLevel::info);
  }
  Theatre(const Theatre&) = delete;
  Theatre& operator=(const Theatre&) = delete;

  Outcome play() {
    for (std::size_t i = 0; i < plot_.senders; ++i) world_.spawn(sender(i), "sender");
    for (std::size_t i = 0; i < options_.users.size(); ++i) world_.spawn(reader(i), "reader");
    running_ = plot_.senders + options_.users.size();
    if (plot_.accident != Accident::none) {
      world_.run_for(base::Duration(random_.below(4'000'000) + 200'000));
      accident();
    }
    const auto over = [this] { return running_ == 0 && house_->idle(); };
    Outcome outcome;
    if (!world_.run_until_true(over, 12h)) {
      outcome.broken.push_back(fmt::format("not at rest: {} clients, {} messages; {}", running_,
                                           house_->counters().messages, house_->failure()));
    }
    world_.run_for(3s);
    if (!house_->shut_down(1min)) outcome.broken.push_back("the house does not stop");
    finish(&outcome);
    return outcome;
  }

 private:
  void open_house() {
    house_ = std::make_unique<House>(world_, net_, *disk_, options_);
    plug(world_, *disk_, house_->process());
  }

  void accident() {
    if (plot_.accident == Accident::kill) {
      house_->kill();
      disk_->kill();
    } else {
      disk_->cut_now();
      disk_->crash(LossPolicy::random(random_.next_u64()));
    }
    world_.run_for(base::Duration(random_.below(3'000'000)));
    open_house();
  }

  void finish(Outcome* outcome) {
    outcome->hash = world_.hash();
    outcome->events = world_.events();
    Knowledge& known = outside_.known;
    outcome->sent = known.ledger.messages();
    outcome->acknowledged = known.ledger.acknowledged_count();
    // What a stopped house leaves is durable without its help.
    const auto after = disk_->after_crash(LossPolicy::none());
    for (base::Disk* disk :
         {static_cast<base::Disk*>(disk_.get()), static_cast<base::Disk*>(after.get())}) {
      const auto broken = inspect(known, *disk, *house_, options_, disk == disk_.get());
      outcome->broken.insert(outcome->broken.end(), broken.begin(), broken.end());
    }
    for (const std::string& user : options_.users) {
      outcome->in_mailboxes +=
          read_box(*disk_, options_.format, house_->box_path(user), false).messages.size();
    }
    for (const std::string& failure : world_.failures()) outcome->broken.push_back(failure);
  }

  net::Task<> pause(std::uint64_t most_ms) {
    const base::Duration time = std::chrono::milliseconds(random_.below(most_ms) + 1);
    co_await world_.timer().sleep_until(world_.now() + time);
  }

  // For the next connection. Segments of a few octets are for the tests of the sessions: here they
  // would cost most of the time.
  void draw_profile() {
    LinkProfile profile = LinkProfile::by_seed(random_);
    if (profile.max_segment != 0) profile.max_segment += 200;
    profile.window = std::max<std::size_t>(profile.window, 4096);
    net_.set_profile(profile);
  }

  std::vector<std::string> some_users() {
    std::vector<std::string> users;
    for (const std::string& user : options_.users) {
      if (random_.below(3) == 0) users.push_back(user);
    }
    if (users.empty()) users.push_back(options_.users[random_.below(options_.users.size())]);
    return users;
  }

  net::Task<> sender(std::size_t number) {
    std::size_t sent = 0;
    while (sent < plot_.mails) {
      co_await pause(1500);
      std::vector<Mail> mails;
      for (std::uint64_t left = random_.below(3) + 1; left > 0 && sent < plot_.mails; --left) {
        const bool large = number == 0 && sent == 1;
        const std::size_t size = (large ? kAboveMemory : 300) + random_.below(9000);
        mails.push_back(make_mail(fmt::format("m{}-{}", number, ++sent), some_users(), size));
      }
      const bool pipelined = random_.below(2) == 1;
      draw_profile();
      net::Task<> sending = send_mails(&outside_, std::move(mails), pipelined);
      co_await std::move(sending);
    }
    --running_;
  }

  net::Task<> reader(std::size_t number) {
    for (std::size_t i = 0; i < plot_.visits; ++i) {
      co_await pause(2500);
      draw_profile();
      Visit plan(options_.users[number], random_.below(4), random_.below(2) == 1);
      net::Task<> visiting = visit(&outside_, std::move(plan));
      co_await std::move(visiting);
    }
    --running_;
  }

  const Plot plot_;
  const HouseOptions options_;
  std::unique_ptr<SimDisk> disk_;
  World world_;
  SimNet net_;
  base::SeededRandom random_;
  Outside outside_;
  std::unique_ptr<House> house_;
  std::size_t running_ = 0;
};

Outcome run(const Plot& plot) {
  Theatre theatre(plot);
  return theatre.play();
}

// `count` seeds from `first`, or those of the environment.
std::vector<std::uint64_t> seeds(std::uint64_t first, std::uint64_t count) {
  if (const char* wanted = std::getenv("POSTHOUSE_SIM_SEED"); wanted != nullptr) {
    char* rest = nullptr;
    first = std::strtoull(wanted, &rest, 10);
    count = *rest == ':' ? std::strtoull(rest + 1, nullptr, 10) : 1;
  }
  std::vector<std::uint64_t> out;
  for (std::uint64_t i = 0; i < count; ++i) out.push_back(first + i);
  return out;
}

class SimHouse : public testing::TestWithParam<conf::MailboxFormat> {};

TEST_P(SimHouse, EverythingAcknowledgedIsDelivered) {
  for (const std::uint64_t seed : seeds(1, 3)) {
    Plot plot;
    plot.seed = seed;
    plot.format = GetParam();
    const Outcome outcome = run(plot);
    EXPECT_EQ(joined(outcome.broken), "") << "seed " << seed;
    EXPECT_EQ(outcome.sent, plot.senders * plot.mails) << "seed " << seed;
    EXPECT_EQ(outcome.acknowledged, outcome.sent) << "nothing went wrong; seed " << seed;
    EXPECT_GT(outcome.in_mailboxes, 0U) << "seed " << seed;
  }
}

TEST_P(SimHouse, KilledInTheMiddle) {
  for (const std::uint64_t seed : seeds(101, 4)) {
    Plot plot;
    plot.seed = seed;
    plot.format = GetParam();
    plot.accident = Accident::kill;
    EXPECT_EQ(joined(run(plot).broken), "") << "seed " << seed;
  }
}

TEST_P(SimHouse, PowerCutInTheMiddle) {
  for (const std::uint64_t seed : seeds(201, 5)) {
    Plot plot;
    plot.seed = seed;
    plot.format = GetParam();
    plot.accident = Accident::power_cut;
    EXPECT_EQ(joined(run(plot).broken), "") << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, SimHouse,
                         testing::Values(conf::MailboxFormat::maildir, conf::MailboxFormat::mbox),
                         [](const auto& format) {
                           return format.param == conf::MailboxFormat::mbox ? "mbox" : "maildir";
                         });

TEST(SimHouseSeeds, TheSameSeedGivesTheSameEvents) {
  std::set<std::uint64_t> hashes;
  for (const Accident accident : {Accident::none, Accident::power_cut}) {
    for (const std::uint64_t seed : seeds(1, 2)) {
      Plot plot;
      plot.seed = seed;
      plot.accident = accident;
      const Outcome first = run(plot);
      const Outcome second = run(plot);
      EXPECT_EQ(first.hash, second.hash) << "seed " << seed;
      EXPECT_EQ(first.events, second.events) << "seed " << seed;
      EXPECT_GT(first.events, 1000U) << "seed " << seed;
      EXPECT_TRUE(hashes.insert(first.hash).second) << "another seed did the same; seed " << seed;
    }
  }
}

}  // namespace
}  // namespace posthouse::sim
