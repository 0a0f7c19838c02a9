// The crash laboratory; see the header. Every case lives in worlds of its own; knowledge of what
// clients were promised is copied from one to the next.
#include "tests/crash/crash_lab.hpp"

#include <fmt/core.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <utility>

#include "base/log.hpp"
#include "tests/crash/days.hpp"
#include "tests/sim/lib/plug.hpp"

namespace posthouse::crash {
namespace {

using namespace std::chrono_literals;
using sim::Knowledge;
using sim::LossPolicy;
using sim::SimDisk;

constexpr base::Duration kDayLimit = 30min;
constexpr base::Duration kRestLimit = 12h;  // retries of deliveries come hours apart
constexpr base::Duration kSettle = 3s;      // a checkpoint and the lazy records behind it
constexpr base::Duration kBetweenLives = 10min;

std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {
  return (a + 0x9e3779b97f4a7c15ULL) * 0xbf58476d1ce4e5b9ULL ^ (b * 0x94d049bb133111ebULL);
}

// POSTHOUSE_CRASH=SCENARIO[:OPERATION[:CASE]] repeats a part of the suite and says more.
struct Only {
  std::string scenario;
  std::uint64_t operation = 0;
  std::uint64_t number = 0;

  static const Only& get() {
    static const Only only = [] {
      Only parsed;
      const char* text = std::getenv("POSTHOUSE_CRASH");
      if (text == nullptr) return parsed;
      std::string rest(text);
      const auto next = [&rest] {
        const std::size_t colon = rest.find(':');
        std::string word = rest.substr(0, colon);
        rest = colon == std::string::npos ? "" : rest.substr(colon + 1);
        return word;
      };
      parsed.scenario = next();
      parsed.operation = std::strtoull(next().c_str(), nullptr, 10);
      parsed.number = std::strtoull(next().c_str(), nullptr, 10);
      return parsed;
    }();
    return only;
  }
  [[nodiscard]] bool skips(const std::string& name) const {
    return !scenario.empty() && scenario != name;
  }
  [[nodiscard]] bool skips_operation(std::uint64_t n) const {
    return operation != 0 && operation != n;
  }
  [[nodiscard]] bool skips_case(std::uint64_t n) const { return number != 0 && number != n; }
  [[nodiscard]] bool talks() const { return operation != 0; }
};

// One world with a house on `disk`, and restarts of that house.
class Life {
 public:
  Life(const Scenario& scenario, SimDisk& disk, std::uint64_t seed, Knowledge known,
       unsigned number)
      : scenario_(scenario),
        disk_(disk),
        planted_(disk, scenario.plant),
        world_(seed),
        net_(world_),
        outside_(world_, net_) {
    world_.step_wall_clock(kBetweenLives * number);
    sim::LinkProfile profile;
    profile.latency_max = 500us;
    net_.set_profile(profile);
    outside_.known = std::move(known);
    open();
  }
  ~Life() {
    world_.shutdown();
    disk_.on_cut({});
    disk_.set_observer({});
    disk_.set_clock(nullptr);
    disk_.set_fault_hook({});
  }
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;

  void open() {
    house_ = std::make_unique<sim::House>(world_, net_, planted_, scenario_.options);
    sim::plug(world_, disk_, house_->process());
  }

  // The day, until clients have nothing more to do; a house that ended itself is opened again.
  void live_the_day() {
    outside_.patience = 5;
    bool over = false;
    world_.spawn(day_of(scenario_.day, &outside_, &over), "day");
    if (scenario_.day == Day::rolling) obstruct();
    const base::MonoTime end = world_.now() + kDayLimit;
    const auto pause = [&] { return over || (!house_->alive() && !disk_.cut()); };
    while (!over && world_.now() < end && world_.run_until_true(pause, end - world_.now())) {
      if (!over) reopen();
    }
    if (!disk_.cut()) world_.run_for(kSettle);
  }

  void reopen() {
    failures_.push_back(house_->failure());
    house_->kill();
    disk_.kill();
    world_.run_for(1s);
    open();
  }

  bool come_up() {
    const auto up = [this] { return house_->serving() || !house_->alive(); };
    world_.run_until_true(up, kRestLimit);
    return house_->serving();
  }

  // True when nothing waits any more.
  bool rest() {
    const auto idle = [this] { return house_->idle() || !house_->alive(); };
    world_.run_until_true(idle, kRestLimit);
    world_.run_for(kSettle);
    return house_->idle();
  }

  // A house must do more than recover: it takes a message and lets everybody read.
  void visit_everybody() {
    const std::string& first = scenario_.options.users.front();
    std::vector<sim::Mail> mails;
    const std::string tag = fmt::format("probe-{}", outside_.known.ledger.messages());
    mails.push_back(sim::make_mail(tag, {first}, 400));
    const std::size_t before = outside_.known.ledger.acknowledged_count();
    world_.run(sim::send_mails(&outside_, std::move(mails), false), 1h);
    if (outside_.known.ledger.acknowledged_count() != before + 1) complain("no new mail is taken");
    world_.run_for(100ms);
    for (const std::string& user : scenario_.options.users) {
      const std::size_t visits = outside_.visits;
      world_.run(sim::visit(&outside_, sim::Visit(user, 0)), 1h);
      if (outside_.visits != visits + 1) complain("POP3 does not work for " + user);
    }
  }

  void complain(const std::string& what) { outside_.known.complaints.push_back(what); }
  std::vector<std::string> inspect(base::Disk& disk, bool tidy) {
    return sim::inspect(outside_.known, disk, *house_, scenario_.options, tidy);
  }

  [[nodiscard]] sim::World& world() { return world_; }
  [[nodiscard]] sim::House& house() { return *house_; }
  [[nodiscard]] Knowledge& known() { return outside_.known; }
  // Why houses ended themselves.
  [[nodiscard]] const std::vector<std::string>& failures() const { return failures_; }

 private:
  // One mailbox cannot be written for a while: its mail waits in the log.
  void obstruct() {
    const std::string box = house_->box_path(scenario_.options.users.back());
    const base::MonoTime end = world_.now() + 50s;  // before the first retry
    disk_.set_fault_hook([this, box, end](const sim::DiskOp& op) {
      sim::DiskFault fault;
      if (world_.now() < end && op.path.starts_with(box)) fault.error = EACCES;
      fault.short_by = 0;
      return fault;
    });
  }

  const Scenario& scenario_;
  SimDisk& disk_;
  PlantedDisk planted_;
  sim::World world_;
  sim::SimNet net_;
  sim::Outside outside_;
  std::unique_ptr<sim::House> house_;
  std::vector<std::string> failures_;
};

void append(std::vector<std::string>& to, const std::string& prefix,
            const std::vector<std::string>& sentences) {
  for (const std::string& sentence : sentences) to.push_back(prefix + sentence);
}

// Nothing of the queue's own is left over when all is delivered.
std::vector<std::string> leftovers(SimDisk& disk) {
  std::vector<std::string> out;
  for (const char* folder : {"/spool/queue/large", "/spool/queue/corrupt"}) {
    const auto names = disk.list(folder);
    if (!names) out.push_back(names.error().message());
    if (names && !names->empty()) {
      out.push_back(fmt::format("left over: {}/{}", folder, names->front()));
    }
  }
  return out;
}

// A life after the crash: recovery, use, rest; then all promises, also on what the next power
// failure would leave.
std::vector<std::string> recover_and_check(const Scenario& scenario, SimDisk& disk,
                                           const Knowledge& known, std::uint64_t seed) {
  Life life(scenario, disk, seed, known, 1);
  if (!life.come_up()) return {"recovery refused: " + life.house().failure()};
  life.visit_everybody();
  std::vector<std::string> broken;
  if (!life.rest()) {
    broken.push_back(fmt::format("not at rest: {} messages wait, {}",
                                 life.house().counters().messages, life.house().failure()));
  }
  const std::uint64_t live = life.house().counters().spool.live_bytes;
  if (broken.empty() && live != 0) broken.push_back("live records without a message");
  append(broken, "", life.world().failures());
  append(broken, "", leftovers(disk));
  life.house().kill();
  append(broken, "", life.inspect(disk, true));
  life.known().complaints.clear();  // told already
  const auto hard = disk.after_crash(LossPolicy::none());
  append(broken, "after one more power failure, at rest: ", life.inspect(*hard, false));
  return broken;
}

// The suite's loops, with the bookkeeping of cases and violations.
class Campaign {
 public:
  Campaign(const Scenario& scenario, const Effort& effort)
      : scenario_(scenario), effort_(effort), ground_(sim::make_ground(scenario.options, 1)) {
    ground_->set_sync_failure(scenario.sync_failure);
  }

  Report cut_everywhere() {
    if (Only::get().skips(scenario_.name)) return {};
    learn_the_day();
    for (std::uint64_t n = effort_.first; n <= report_.operations && !given_up();
         n += effort_.step) {
      if (!Only::get().skips_operation(n)) cut(n);
    }
    return std::move(report_);
  }

  Report fail_everywhere(Failure failure) {
    if (Only::get().skips(scenario_.name)) return {};
    learn_the_day();
    for (std::uint64_t n = effort_.first; n <= report_.operations && !given_up();
         n += effort_.step) {
      if (!Only::get().skips_operation(n)) fail(n, failure);
    }
    return std::move(report_);
  }

 private:
  static constexpr std::uint64_t kDaySeed = 5;  // each day is the same until its cut

  [[nodiscard]] bool given_up() const { return report_.violations.size() >= effort_.give_up_after; }
  std::unique_ptr<SimDisk> fresh() const { return ground_->after_crash(LossPolicy::all()); }

  // An undisturbed day: how many operations it has, and that it is good.
  void learn_the_day() {
    const auto disk = fresh();
    Life life(scenario_, *disk, kDaySeed, Knowledge(), 0);
    life.live_the_day();
    report_.operations = disk->operations();
    report_.recycled = life.house().counters().spool.recycled;
    log_ = disk->log();
    if (scenario_.plant != Plant::none) return;
    std::vector<std::string> broken;
    if (!life.rest()) broken.push_back("not at rest");
    append(broken, "", life.world().failures());
    append(broken, "", life.inspect(*disk, true));
    if (life.known().ledger.acknowledged_count() != life.known().ledger.messages()) {
      broken.push_back("not everything is acknowledged");
    }
    note("undisturbed", broken);
  }

  void note(const std::string& what, const std::vector<std::string>& broken) {
    if (broken.empty()) return;
    std::string text = fmt::format("{}, {}:", scenario_.name, what);
    for (const std::string& sentence : broken) text += "\n    " + sentence;
    report_.violations.push_back(std::move(text));
  }

  std::string operation(std::uint64_t n) const {
    return fmt::format("{} ({})", n, n <= log_.size() ? log_[n - 1] : "behind the last");
  }

  void cut(std::uint64_t n) {
    const auto disk = fresh();
    disk->cut_at(n);
    Knowledge known;
    {
      Life life(scenario_, *disk, kDaySeed, Knowledge(), 0);
      life.live_the_day();
      known = life.known();
    }
    if (Only::get().talks()) {
      const auto items = disk->describe_pending();
      for (std::size_t i = 0; i < items.size(); ++i) fmt::print("item {}: {}\n", i, items[i]);
    }
    std::uint64_t number = 0;
    sim::LossPlan plan = effort_.losses;
    plan.seed = mixed(plan.seed, n);
    for (const LossPolicy& policy : sim::loss_policies(disk->pending_items(), plan)) {
      if (given_up()) return;
      if (Only::get().skips_case(++number)) continue;
      const std::string what =
          fmt::format("cut at {}, case {}, {}", operation(n), number, policy.text());
      one_case(*disk->after_crash(policy), known, mixed(n, number), what);
    }
  }

  void one_case(const SimDisk& after, const Knowledge& known, std::uint64_t seed,
                const std::string& what) {
    ++report_.cases;
    const auto disk = after.after_crash(LossPolicy::all());
    note(what, recover_and_check(scenario_, *disk, known, seed));
    if (effort_.again_every != 0 && report_.cases % effort_.again_every == 0) {
      cut_again(after, known, seed, what);
    }
  }

  // The power fails once more while the house recovers.
  void cut_again(const SimDisk& after, const Knowledge& known, std::uint64_t seed,
                 const std::string& what) {
    for (std::uint64_t m = 1 + seed % effort_.again_step; !given_up(); m += effort_.again_step) {
      const auto disk = after.after_crash(LossPolicy::all());
      disk->cut_at(m);
      Knowledge learned;
      {
        Life life(scenario_, *disk, seed, known, 1);
        if (life.come_up()) life.rest();
        learned = life.known();
      }
      if (!disk->cut()) return;
      const LossPolicy policies[] = {LossPolicy::none(), LossPolicy::all(),
                                     LossPolicy::random(mixed(seed, m))};
      for (const LossPolicy& policy : policies) {
        ++report_.cases;
        const auto left = disk->after_crash(policy);
        const std::string again = fmt::format("{}; and again at {}, {}", what, m, policy.text());
        note(again, recover_and_check(scenario_, *left, learned, mixed(seed, m)));
      }
    }
  }

  void fail(std::uint64_t n, Failure failure) {
    const auto disk = fresh();
    // Names that were forgotten but are still seen cannot be hardened by any program, short of
    // giving them anew; the log does that (recovery copies it), mailboxes do not. README.md,
    // "Limits".
    if (log_[n - 1].starts_with("sync_dir /spool/drop")) {
      disk->set_dir_sync_failure(sim::DirSyncFailure::keeps);
    }
    std::string kind;
    switch (failure) {
      case Failure::io_error:
        disk->fail_at(n, EIO);
        kind = "EIO";
        break;
      case Failure::no_space:
        disk->fail_at(n, ENOSPC);
        kind = "ENOSPC";
        break;
      case Failure::short_write:
        disk->short_write_at(n, n * 37 % 1000, ENOSPC);
        kind = "short write";
        break;
    }
    const std::string what = fmt::format("{} at {}", kind, operation(n));
    Knowledge known;
    std::vector<std::string> broken;
    {
      Life life(scenario_, *disk, kDaySeed, Knowledge(), 0);
      life.live_the_day();
      if (Only::get().talks()) {
        for (const std::string& reason : life.failures()) fmt::print("ended: {}\n", reason);
      }
      known = life.known();
      append(broken, "", life.world().failures());
    }
    ++report_.cases;
    note(what, broken);
    // First the process alone is started again, then everything not flushed is gone.
    const auto lost = disk->after_crash(LossPolicy::none());
    const auto half = disk->after_crash(LossPolicy::random(n));
    disk->kill();
    note(what + ", then a restart", recover_and_check(scenario_, *disk, known, mixed(n, 1)));
    one_case(*lost, known, mixed(n, 2), what + ", then a power failure that keeps nothing");
    one_case(*half, known, mixed(n, 3), what + ", then a power failure that keeps some");
  }

  const Scenario scenario_;
  const Effort effort_;
  std::unique_ptr<SimDisk> ground_;
  std::vector<std::string> log_;
  Report report_;
};

// The production code reports each crash and fault in the log; by the thousand that would be noise.
class QuietLog {
 public:
  QuietLog() {
    if (Only::get().talks()) return;
    base::set_log_level(base::LogLevel::error);
    base::set_log_capture([](std::string_view) {});
  }
  ~QuietLog() {
    base::set_log_capture({});
    base::set_log_level(base::LogLevel::info);
  }
  QuietLog(const QuietLog&) = delete;
  QuietLog& operator=(const QuietLog&) = delete;
};

}  // namespace

Scenario letters(const std::string& name, conf::MailboxFormat format, conf::DeliverySync sync) {
  Scenario scenario;
  scenario.name = name;
  scenario.options.format = format;
  scenario.options.sync = sync;
  scenario.options.segment_size = 64 * 1024;  // less to fill with zeros at each start
  return scenario;
}

Scenario rolling(conf::MailboxFormat format) {
  Scenario scenario;
  scenario.name = format == conf::MailboxFormat::mbox ? "rolling-mbox" : "rolling";
  scenario.day = Day::rolling;
  scenario.options.format = format;
  scenario.options.users = {"ann", "bob", "cid"};
  scenario.options.segment_size = 64 * 1024;
  scenario.options.min_log = 3 * 64 * 1024;
  return scenario;
}

void Report::add(const Report& other) {
  operations += other.operations;
  cases += other.cases;
  violations.insert(violations.end(), other.violations.begin(), other.violations.end());
}

Report cut_everywhere(const Scenario& scenario, const Effort& effort) {
  const QuietLog quiet;
  return Campaign(scenario, effort).cut_everywhere();
}

Report fail_everywhere(const Scenario& scenario, const Effort& effort, Failure failure) {
  const QuietLog quiet;
  return Campaign(scenario, effort).fail_everywhere(failure);
}

}  // namespace posthouse::crash
