// Wiring of the simulated house, after app/server.cpp and app/connections.cpp; see the header.
// After a failure of recovery or of the log the process ends, as the program does.
#include "tests/sim/house.hpp"

#include <cerrno>

#include "accounts/file_accounts.hpp"
#include "app/local_delivery.hpp"
#include "app/pop_services.hpp"
#include "app/smtp_services.hpp"
#include "app/snapshot.hpp"
#include "base/assert.hpp"
#include "conf/load.hpp"
#include "mailbox/lock.hpp"
#include "pop3d/driver.hpp"
#include "queue/log_spool.hpp"
#include "smtpd/driver.hpp"
#include "tests/sim/lib/sim_blocking.hpp"

namespace posthouse::sim {
namespace {

constexpr std::string_view kWorkPath = "/spool";
// crypt(5) of kHousePassword with the cheapest method that is accepted: thousands of houses log in.
constexpr std::string_view kHash =
    "$6$rounds=1000$housesalt$0Oh4XqgzxqJlgA5hM21xg2.cqVoULprGMpLNkjwafMroKH8iVErNHHU0wqp8."
    "S2nC40qoGLZNiqBJCpXkO0Q80";
// app/cmd_serve.cpp gives sessions that long to answer when the log has failed.
constexpr base::Duration kFailedGrace = std::chrono::milliseconds(500);
// As in app/server.cpp.
constexpr base::Duration kTransactionGrace = std::chrono::seconds(30);
constexpr base::Duration kIdlePoll = std::chrono::milliseconds(20);

net::Endpoint endpoint(std::uint16_t port) {
  net::Endpoint at;
  at.address = net::IpAddress::v4(0x7f000001);
  at.port = port;
  return at;
}

// The disk as one process sees it: when that is dead, destructors of its frames change nothing.
class ProcessDisk final : public base::Disk {
 public:
  ProcessDisk(base::Disk& disk, Process& process) : disk_(disk), process_(process) {}

  base::Result<std::unique_ptr<base::File>> open(const std::string& path,
                                                 base::OpenMode mode) override {
    if (!process_.alive()) return dead("open", path);
    return disk_.open(path, mode);
  }
  base::Result<> rename(const std::string& from, const std::string& to) override {
    if (!process_.alive()) return dead("rename", from);
    return disk_.rename(from, to);
  }
  base::Result<> link(const std::string& from, const std::string& to) override {
    if (!process_.alive()) return dead("link", from);
    return disk_.link(from, to);
  }
  base::Result<> remove(const std::string& path) override {
    if (!process_.alive()) return dead("remove", path);
    return disk_.remove(path);
  }
  base::Result<> make_dir(const std::string& path) override {
    if (!process_.alive()) return dead("make_dir", path);
    return disk_.make_dir(path);
  }
  base::Result<> remove_dir(const std::string& path) override {
    if (!process_.alive()) return dead("remove_dir", path);
    return disk_.remove_dir(path);
  }
  base::Result<std::vector<std::string>> list(const std::string& path) override {
    if (!process_.alive()) return dead("list", path);
    return disk_.list(path);
  }
  base::Result<base::FileInfo> stat(const std::string& path) override {
    if (!process_.alive()) return dead("stat", path);
    return disk_.stat(path);
  }
  base::Result<> sync_dir(const std::string& path) override {
    if (!process_.alive()) return dead("sync_dir", path);
    return disk_.sync_dir(path);
  }
  base::Result<std::uint64_t> free_space(const std::string& path) override {
    if (!process_.alive()) return dead("free_space", path);
    return disk_.free_space(path);
  }
  base::Result<std::unique_ptr<base::DiskLock>> lock(const std::string& path) override {
    if (!process_.alive()) return dead("lock", path);
    return disk_.lock(path);
  }

 private:
  static tl::unexpected<base::Error> dead(std::string_view operation, const std::string& path) {
    return base::fail_errno(EIO, operation, path);
  }

  base::Disk& disk_;
  Process& process_;
};

class NoFileLocks final : public mailbox::FileLocks {
 public:
  base::Result<std::unique_ptr<Held>> try_lock(const std::string&) override {
    return std::unique_ptr<Held>();
  }
};

std::shared_ptr<const conf::Settings> make_settings(const HouseOptions& options) {
  const bool mbox = options.format == conf::MailboxFormat::mbox;
  const bool always = options.sync == conf::DeliverySync::always;
  std::string text = "host_name mx.example.com\nhost_domain example.com\npop_cleartext true\n";
  text += "work_path " + std::string(kWorkPath) + "\n";
  text += "mailbox_format " + std::string(mbox ? "mbox" : "maildir") + "\n";
  text += "delivery_sync " + std::string(always ? "always" : "checkpoint") + "\n";
  conf::Environment environment;
  environment.fqdn = "mx.example.com";
  const conf::Loaded loaded = conf::load_text(text, "/etc/dmail.conf", environment);
  PH_ASSERT(loaded.ok(), "the configuration of the simulated house is good");
  auto settings = std::make_shared<conf::Settings>(*loaded.settings);
  settings->min_space = options.min_space;
  return settings;
}

SimBlockingOptions pool(const HouseOptions& house, std::size_t threads, std::size_t waiting) {
  SimBlockingOptions options;
  options.threads = threads;
  options.queue = waiting;
  options.delay_min = house.work_min;
  options.delay_max = house.work_max;
  return options;
}

}  // namespace

net::Endpoint smtp_endpoint() { return endpoint(25); }
net::Endpoint pop3_endpoint() { return endpoint(110); }

std::unique_ptr<SimDisk> make_ground(const HouseOptions& options, std::uint64_t seed) {
  auto disk = std::make_unique<SimDisk>(seed);
  const auto settings = make_settings(options);
  for (const std::string& path : {settings->work_path, settings->drop_path}) {
    const auto made = base::make_dirs(*disk, path);
    PH_ASSERT(made.has_value(), "a fresh disk takes directories");
  }
  std::string users;
  for (const std::string& user : options.users) {
    users += user + "@example.com:" + std::string(kHash) + ":\n";
  }
  const auto written = base::replace_file(*disk, settings->user_file, users);
  PH_ASSERT(written.has_value(), "a fresh disk takes a file");
  return disk->after_crash(LossPolicy::none());
}

// In the order of app::Server::State; members die in reverse.
struct House::Parts {
  Parts(World& w, SimNet& n, base::Disk& d, const HouseOptions& options, Process& p,
        std::shared_ptr<State> shared)
      : world(w),
        net(n),
        process(p),
        disk(d, p),
        state(std::move(shared)),
        log_pool(w, pool(options, 1, 16)),
        large_pool(w, pool(options, 1, 4096)),
        box_pool(w, pool(options, 2, 8192)),
        sync_pool(w, pool(options, 4, 4096)),
        hash_pool(w, pool(options, 1, 64)),
        smtp_house(p.executor()),
        pop_house(p.executor()) {
    auto built = app::build_snapshot(make_settings(options));
    PH_ASSERT(built.has_value(), "the snapshot of the simulated house is good");
    snapshot = *std::move(built);
    make_queue(options);
    make_accounts();
    wire();
  }

  void make_queue(const HouseOptions& options) {
    const conf::Settings& settings = *snapshot->settings;
    queue::LogSpoolOptions spool_options;
    spool_options.directory = settings.work_path + "/queue";
    spool_options.segment_size = options.segment_size;
    spool_options.min_log = options.min_log;
    const queue::LogSpoolDeps deps{process.executor(), disk, world.timer(), log_pool, large_pool};
    spool = std::make_unique<queue::LogSpool>(deps, spool_options);
    spool->set_on_fatal([this](const base::Error& error) {
      fail("the log failed: " + error.message(), kFailedGrace);
    });
    const app::LocalDelivery::Parts parts{disk, file_locks, box_pool, sync_pool, nullptr};
    local = std::make_unique<app::LocalDelivery>(parts, settings);
    queue::ManagerOptions manager_options;
    manager_options.min_space = settings.min_space;
    const queue::QueueParts queue_parts{process.executor(), *spool, *local, world.timer()};
    manager = std::make_unique<queue::Manager>(queue_parts, manager_options);
  }

  void make_accounts() {
    accounts::FileAccounts::Ports ports;
    ports.disk = &disk;
    ports.clock = &world.clock();
    ports.random = &world.random();
    ports.hashing = &hash_pool;
    accounts::FileAccounts::Options options;
    options.path = snapshot->settings->user_file;
    options.cache_entries = snapshot->settings->authent_cache;
    users = std::make_unique<accounts::FileAccounts>(ports, options);
  }

  void wire() {
    smtp_house.accounts = users.get();
    smtp_house.queue = manager.get();
    smtp_house.large_pool = &large_pool;
    smtp_house.disk = &disk;
    smtp_house.large_directory = snapshot->settings->work_path + "/queue/large";
    smtp_house.random = &world.random();
    smtp_house.clock = &world.clock();
    pop_house.accounts = users.get();
    pop_house.queue = manager.get();
    pop_house.local = local.get();
    pop_house.mailbox_pool = &box_pool;
  }

  // The process ends itself after `grace`.
  void fail(const std::string& why, base::Duration grace) {
    state->failure = why;
    state->serving = false;
    world.record("house failed", why);
    auto end = [&w = world, &p = process] { w.kill(p); };
    world.after(grace, end);
  }

  void serve() {
    state->serving = true;
    net.listen(process, smtp_endpoint(), [this](std::unique_ptr<SimStream> stream) {
      world.spawn(process, run_smtp(this, std::move(stream)), "smtpd");
    });
    net.listen(process, pop3_endpoint(), [this](std::unique_ptr<SimStream> stream) {
      world.spawn(process, run_pop3(this, std::move(stream)), "pop3d");
    });
  }

  static net::Task<> run_smtp(Parts* parts, std::unique_ptr<SimStream> stream) {
    app::SmtpServices services(parts->smtp_house, parts->snapshot);
    smtpd::Services shared;
    shared.oracle = &services;
    shared.sink = &services;
    shared.authenticator = &services;
    shared.timer = &parts->world.timer();
    shared.sessions = &parts->sessions;
    const std::shared_ptr<const smtpd::SessionConfig> config(parts->snapshot,
                                                             &parts->snapshot->smtp);
    const bool trusted = parts->snapshot->trusted.contains(stream->peer().address);
    smtpd::ConnectionArgs args(std::move(stream), config, shared);
    args.trusted = trusted;
    net::Task<> serving = smtpd::serve(std::move(args));
    co_await std::move(serving);
  }

  static net::Task<> run_pop3(Parts* parts, std::shared_ptr<SimStream> stream) {
    app::PopServices services(parts->pop_house, parts->snapshot);
    pop3d::ConnectionArgs args;
    args.stream = std::move(stream);
    args.maildrops = &services;
    args.timer = &parts->world.timer();
    args.cleartext_passwords = parts->snapshot->settings->pop_cleartext;
    args.id = "p";
    net::Task<> serving = pop3d::serve(std::move(args));
    co_await std::move(serving);
  }

  World& world;
  SimNet& net;
  Process& process;
  ProcessDisk disk;
  std::shared_ptr<State> state;
  std::shared_ptr<const app::Snapshot> snapshot;
  SimBlocking log_pool, large_pool, box_pool, sync_pool, hash_pool;
  NoFileLocks file_locks;
  std::unique_ptr<queue::LogSpool> spool;
  std::unique_ptr<app::LocalDelivery> local;
  std::unique_ptr<queue::Manager> manager;
  std::unique_ptr<accounts::FileAccounts> users;
  app::SmtpHouse smtp_house;
  app::PopHouse pop_house;
  smtpd::Sessions sessions;
};

House::House(World& world, SimNet& net, base::Disk& disk, const HouseOptions& options)
    : world_(world),
      state_(std::make_shared<State>()),
      process_(&world.start_process("house")),
      parts_(nullptr),
      options_(options) {
  auto parts = std::make_shared<Parts>(world, net, disk, options, *process_, state_);
  parts_ = parts.get();
  for (const std::string& user : options_.users) {
    forward::LocalTarget target;
    const auto address = mail::parse_address(user + "@example.com");
    PH_ASSERT(address.has_value(), "users of the simulated house have addresses");
    target.account = *address;
    target.domain = parts_->snapshot->tables->find_domain("example.com").value_or(0);
    const auto box = parts_->snapshot->box_of(target);
    PH_ASSERT(box.has_value(), "users of the simulated house have mailboxes");
    boxes_.push_back(*box);
  }
  process_->keep(std::move(parts));
  world_.spawn(*process_, boot(parts_), "boot");
}

net::Task<> House::boot(Parts* parts) {
  net::Task<base::Result<>> recovering = parts->manager->recover();
  const base::Result<> recovered = co_await std::move(recovering);
  if (recovered) {
    parts->serve();
  } else {
    parts->fail("recovery: " + recovered.error().message(), base::Duration(0));
  }
}

net::Task<> House::stop(Parts* parts) {
  parts->net.unlisten(smtp_endpoint());
  parts->net.unlisten(pop3_endpoint());
  parts->sessions.stop_all();
  net::Timer& timer = parts->world.timer();
  const base::MonoTime last = parts->world.now() + kTransactionGrace;
  while (parts->sessions.size() > 0 && parts->world.now() < last) {
    co_await timer.sleep_until(parts->world.now() + kIdlePoll);
  }
  parts->sessions.abort_all();
  net::Task<> draining = parts->manager->drain();
  co_await std::move(draining);
  net::Task<> stopping = parts->spool->stop();
  co_await std::move(stopping);
  parts->state->stopped = true;
}

void House::kill() { world_.kill(*process_); }

bool House::shut_down(base::Duration limit) {
  if (!serving()) return false;
  world_.spawn(*process_, stop(parts_), "stop");
  const auto stopped = [state = state_] { return state->stopped; };
  const bool in_time = world_.run_until_true(stopped, limit);
  kill();
  return in_time;
}

bool House::idle() const {
  return serving() && parts_->manager->counters().messages == 0 &&
         parts_->local->dirty_files() == 0;
}

queue::ManagerCounters House::counters() const {
  return serving() ? parts_->manager->counters() : queue::ManagerCounters();
}

std::string House::box_path(const std::string& user) const {
  for (std::size_t i = 0; i < boxes_.size(); ++i) {
    if (options_.users[i] == user) return boxes_[i];
  }
  PH_ASSERT(false, "the house does not know this user");
}

}  // namespace posthouse::sim
