// The simulated world: virtual time, a seed, the order of everything that happens, and the
// simulated processes that production coroutines run in. Made by a test and used on its thread
// alone. A world never sleeps and reads no real clock: the same seed gives the same event hash.
//
// Life of a test: World, then SimDisk / SimNet / SimDns, then production objects; spawn coroutines;
// run_*(). Production objects that coroutines point to must outlive those coroutines: call
// shutdown() (or kill()) before they go, or hand them to Process::keep().
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.hpp"
#include "base/time.hpp"
#include "net/ports.hpp"
#include "net/task.hpp"

namespace posthouse::sim {

class World;

// Virtual time: wall() is 2026-01-01T00:00:00Z plus what has passed, mono() one day plus that.
class SimClock final : public base::Clock {
 public:
  [[nodiscard]] base::WallTime wall() const override;
  [[nodiscard]] base::MonoTime mono() const override { return now_; }

 private:
  friend class World;
  base::MonoTime now_{std::chrono::hours(24)};
  base::Duration wall_step_{0};
};

// A suspended coroutine, owned by its process.
class Waiter {
 public:
  virtual ~Waiter() = default;
  virtual void resume() = 0;
};

// Why a process ended; decides what its network peers see (sim_net.hpp).
enum class Death : std::uint8_t { killed, power_cut };

// One simulated process: an io_context and the coroutines suspended in simulated waits. Dies as a
// whole: no handler runs any more, then its frames are destroyed, then what keep() was given.
class Process {
 public:
  Process(std::uint64_t number, std::string process_name);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] net::Executor executor() { return context_->get_executor(); }
  [[nodiscard]] bool alive() const { return alive_; }
  [[nodiscard]] Death death() const { return death_; }  // meaningful when dead
  [[nodiscard]] std::uint64_t id() const { return id_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  // Destroyed in reverse order, after the coroutines of the process.
  void keep(std::shared_ptr<void> object) { kept_.push_back(std::move(object)); }

 private:
  friend class World;
  friend class WaitSlot;
  friend struct WaitInitiation;
  void bury();

  std::uint64_t id_;
  std::string name_;
  bool alive_ = true;
  Death death_ = Death::killed;
  std::unique_ptr<net::asio::io_context> context_;
  std::map<std::uint64_t, std::unique_ptr<Waiter>> waiters_;
  std::vector<std::shared_ptr<void>> kept_;
};

// A place where one coroutine at a time can wait. Hold it by shared_ptr when events wake it.
class WaitSlot {
 public:
  explicit WaitSlot(World& world) : world_(&world) {}
  // Suspends until wake(). A waiter whose process dies is destroyed instead.
  [[nodiscard]] net::Task<> wait();
  // Resumes the waiter through a post on its executor; nothing is remembered without one.
  void wake();
  [[nodiscard]] bool waiting() const;

 private:
  friend struct WaitInitiation;
  World* world_;
  std::uint64_t process_ = 0;
  std::uint64_t waiter_ = 0;
};

class World {
 public:
  explicit World(std::uint64_t seed);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  [[nodiscard]] std::uint64_t seed() const { return seed_; }
  [[nodiscard]] const SimClock& clock() const { return clock_; }
  [[nodiscard]] base::MonoTime now() const { return clock_.mono(); }
  [[nodiscard]] net::Timer& timer() { return *timer_; }
  // Randomness of the code under test.
  [[nodiscard]] base::Random& random() { return random_; }
  // An own stream of random numbers, so that one part's draws do not shift another's.
  [[nodiscard]] base::SeededRandom make_random(std::string_view label) const;

  // The first process; more can be started, killed and replaced while the world goes on.
  [[nodiscard]] Process& main() { return *processes_.front(); }
  [[nodiscard]] net::Executor executor() { return main().executor(); }
  Process& start_process(std::string name);
  // While the world runs: the current handler or event returns, nothing the dead process still does
  // is seen by others, and its frames are destroyed before anything else happens. Otherwise they
  // are destroyed at once. The Process object stays, dead, until the world ends.
  void kill(Process& process, Death death = Death::killed);
  // Kills all processes; idempotent; the destructor does it too.
  void shutdown();
  [[nodiscard]] const Process* find_process(std::uint64_t id) const;
  // The process of an executor; aborts on an executor from outside the world.
  [[nodiscard]] Process& process_of(const net::Executor& executor);

  // Starts a coroutine. An exception that leaves it is kept in failures().
  void spawn(net::Task<> task, std::string name) {
    spawn(main(), std::move(task), std::move(name));
  }
  void spawn(Process& process, net::Task<> task, std::string name);
  [[nodiscard]] const std::vector<std::string>& failures() const { return failures_; }

  // Does `action` at `when` (now, if that has passed) outside of every process; actions of one
  // moment happen in the order of their registration.
  void at(base::MonoTime when, std::function<void()> action);
  void after(base::Duration delay, std::function<void()> action);

  // Running. All of them drain what is ready before and after; virtual time only moves here.
  void run_until(base::MonoTime when);
  void run_for(base::Duration duration) { run_until(now() + duration); }
  // True when nothing is left to happen, false when `limit` of virtual time passed before that.
  bool run_until_idle(base::Duration limit = std::chrono::hours(24));
  // True as soon as done() holds (asked after each event).
  bool run_until_true(const std::function<bool()>& done, base::Duration limit);
  // Runs one coroutine of the main process to its end and returns its result; nullopt when it threw
  // (see failures()) or `limit` passed.
  template <class T>
  std::optional<T> run(net::Task<T> task, base::Duration limit = std::chrono::hours(1));
  // The same without a result: true when it ended.
  bool run(net::Task<> task, base::Duration limit = std::chrono::hours(1));

  // The wall clock jumps (NTP, an administrator); monotonic time does not.
  void step_wall_clock(base::Duration by) { clock_.wall_step_ += by; }

  // Every simulated event is recorded: kind, virtual time and a small payload go into the hash.
  // With POSTHOUSE_SIM_TRACE set, each is also printed to standard error.
  void record(std::string_view kind, std::uint64_t a = 0, std::uint64_t b = 0);
  void record(std::string_view kind, std::string_view text);
  // Only printed: what helps a reader and costs too much to make for every event.
  [[nodiscard]] bool tracing() const { return tracing_; }
  void trace(std::string_view text) const;
  [[nodiscard]] std::uint64_t hash() const { return hash_; }
  [[nodiscard]] std::uint64_t events() const { return events_; }

 private:
  friend class WaitSlot;
  friend struct WaitInitiation;
  friend class SimTimer;

  struct Event {
    base::MonoTime when;
    std::uint64_t tie = 0;  // sleepers of one moment wake in an order by seed
    std::uint64_t sequence = 0;
    std::function<void()> action;
  };
  struct Later {
    bool operator()(const Event& a, const Event& b) const;
  };

  void push_event(base::MonoTime when, std::uint64_t tie, std::function<void()> action);
  bool step(base::MonoTime limit);
  void drain();
  void bury_dead();
  void fail_task(const std::string& name, const std::exception_ptr& failure);
  void mix(std::uint64_t value);
  void hash_event(std::string_view kind);

  std::uint64_t seed_;
  bool tracing_;
  bool over_ = false;
  SimClock clock_;
  base::SeededRandom random_;
  base::SeededRandom order_;
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
  std::uint64_t events_ = 0;
  std::uint64_t next_sequence_ = 1;
  std::uint64_t next_waiter_ = 1;
  bool busy_ = false;           // inside a handler or an event
  bool death_pending_ = false;  // a process died there and is not buried yet
  std::vector<std::string> failures_;
  std::unique_ptr<net::Timer> timer_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::priority_queue<Event, std::vector<Event>, Later> heap_;
};

template <class T>
std::optional<T> World::run(net::Task<T> task, base::Duration limit) {
  struct State {
    bool done = false;
    std::optional<T> value;
  };
  auto state = std::make_shared<State>();
  net::asio::co_spawn(executor(), std::move(task),
                      [this, state](std::exception_ptr failure, T value) {
                        state->done = true;
                        if (failure) {
                          fail_task("run", failure);
                        } else {
                          state->value.emplace(std::move(value));
                        }
                      });
  run_until_true([state] { return state->done; }, limit);
  return std::move(state->value);
}

}  // namespace posthouse::sim
