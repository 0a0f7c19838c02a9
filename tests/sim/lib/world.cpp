// Virtual time, processes and the event loop of the simulator; see the header.
#include "tests/sim/lib/world.hpp"

#include <fmt/core.h>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>

#include <cstdio>
#include <cstdlib>

#include "base/assert.hpp"

namespace posthouse::sim {

namespace {

namespace asio = net::asio;

// Handlers run without virtual time moving; more than this is a loop that never waits.
constexpr std::uint64_t kMaxHandlersPerMoment = 20'000'000;

constexpr std::uint64_t kPrime = 0x100000001b3ULL;

std::uint64_t fnv(std::string_view text, std::uint64_t hash = 0xcbf29ce484222325ULL) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * kPrime;
  return hash;
}

template <class Handler>
class HandlerWaiter final : public Waiter {
 public:
  explicit HandlerWaiter(Handler&& handler) : handler_(std::move(handler)) {}
  void resume() override {
    const auto executor = asio::get_associated_executor(handler_);
    asio::post(executor, std::move(handler_));
  }

 private:
  Handler handler_;
};

}  // namespace

// Files the handler of a suspended coroutine under its process.
struct WaitInitiation {
  template <class Handler>
  void operator()(Handler handler, WaitSlot* slot) const {
    World& world = *slot->world_;
    Process& process = world.process_of(asio::get_associated_executor(handler));
    PH_ASSERT(!slot->waiting(), "two coroutines wait in one slot");
    slot->process_ = process.id();
    slot->waiter_ = world.next_waiter_++;
    process.waiters_.emplace(slot->waiter_,
                             std::make_unique<HandlerWaiter<Handler>>(std::move(handler)));
  }
};

class SimTimer final : public net::Timer {
 public:
  explicit SimTimer(World& world) : world_(world) {}

  net::Task<> sleep_until(base::MonoTime when) override {
    World& world = world_;
    auto slot = std::make_shared<WaitSlot>(world);
    // Timers of one moment have no order in production, so none is promised here.
    auto wake = [&world, slot] {
      if (!slot->waiting()) return;
      world.record("timer");
      slot->wake();
    };
    world.push_event(when, world.order_.next_u64() | 1U, std::move(wake));
    co_await slot->wait();
  }
  [[nodiscard]] const base::Clock& clock() const override { return world_.clock(); }

 private:
  World& world_;
};

base::WallTime SimClock::wall() const {
  constexpr base::WallTime kStart = std::chrono::sys_days(std::chrono::year(2026) / 1 / 1);
  return kStart + (now_ - base::MonoTime(std::chrono::hours(24))) + wall_step_;
}

Process::Process(std::uint64_t number, std::string process_name)
    : id_(number),
      name_(std::move(process_name)),
      context_(std::make_unique<asio::io_context>(1)) {}

Process::~Process() { bury(); }

// Order: suspended coroutines (they unwind through the context), the context with every handler in
// it, then the objects they pointed to.
void Process::bury() {
  alive_ = false;
  while (!waiters_.empty()) {
    const auto doomed = std::move(waiters_);
    waiters_.clear();
  }
  context_.reset();
  while (!kept_.empty()) kept_.pop_back();
}

net::Task<> WaitSlot::wait() {
  co_await asio::async_initiate<const net::UseTask, void()>(WaitInitiation(), net::use_task, this);
}

bool WaitSlot::waiting() const {
  const Process* process = waiter_ == 0 ? nullptr : world_->find_process(process_);
  return process != nullptr && process->alive_ && process->waiters_.count(waiter_) != 0;
}

void WaitSlot::wake() {
  if (waiter_ == 0 || world_->over_) return;
  const std::uint64_t waiter = std::exchange(waiter_, 0);
  for (const auto& process : world_->processes_) {
    if (process->id() != process_ || !process->alive_) continue;
    auto node = process->waiters_.extract(waiter);
    if (!node.empty()) node.mapped()->resume();
  }
}

bool World::Later::operator()(const Event& a, const Event& b) const {
  if (a.when != b.when) return a.when > b.when;
  if (a.tie != b.tie) return a.tie > b.tie;
  return a.sequence > b.sequence;
}

World::World(std::uint64_t seed)
    : seed_(seed),
      tracing_(std::getenv("POSTHOUSE_SIM_TRACE") != nullptr),
      random_(make_random("program")),
      order_(make_random("order")),
      timer_(std::make_unique<SimTimer>(*this)) {
  start_process("main");
}

World::~World() { shutdown(); }

void World::shutdown() {
  over_ = true;
  for (const auto& process : processes_) process->alive_ = false;
  for (std::size_t i = processes_.size(); i-- > 0;) processes_[i]->bury();
  heap_ = {};
}

base::SeededRandom World::make_random(std::string_view label) const {
  return base::SeededRandom(fnv(label) ^ (seed_ * 0x9e3779b97f4a7c15ULL));
}

Process& World::start_process(std::string name) {
  const std::uint64_t id = processes_.size() + 1;
  processes_.push_back(std::make_unique<Process>(id, std::move(name)));
  return *processes_.back();
}

const Process* World::find_process(std::uint64_t id) const {
  return id >= 1 && id <= processes_.size() ? processes_[id - 1].get() : nullptr;
}

Process& World::process_of(const net::Executor& executor) {
  for (const auto& process : processes_) {
    if (process->context_.get() == &executor.context()) return *process;
  }
  PH_ASSERT(false, "a simulated object is used on an executor from outside its world");
}

void World::kill(Process& process, Death death) {
  if (!process.alive_) return;
  process.alive_ = false;
  process.death_ = death;
  record(death == Death::killed ? "kill" : "power", process.id());
  if (busy_) {
    death_pending_ = true;
  } else {
    process.bury();
  }
}

void World::bury_dead() {
  busy_ = false;
  if (!std::exchange(death_pending_, false)) return;
  for (const auto& process : processes_) {
    if (!process->alive_ && process->context_) process->bury();
  }
}

void World::fail_task(const std::string& name, const std::exception_ptr& failure) {
  std::string reason = "unknown exception";
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& e) {
    reason = e.what();
  } catch (...) {
  }
  failures_.push_back(fmt::format("task {}: {}", name, reason));
  record("failure", failures_.back());
}

void World::spawn(Process& process, net::Task<> task, std::string name) {
  if (!process.alive_) return;
  auto ended = [this, name = std::move(name)](const std::exception_ptr& failure) {
    if (failure) fail_task(name, failure);
  };
  asio::co_spawn(process.executor(), std::move(task), std::move(ended));
}

bool World::run(net::Task<> task, base::Duration limit) {
  const auto done = std::make_shared<bool>(false);
  const auto failed = std::make_shared<bool>(false);
  asio::co_spawn(executor(), std::move(task),
                 [this, done, failed](const std::exception_ptr& failure) {
                   *done = true;
                   *failed = failure != nullptr;
                   if (failure) fail_task("run", failure);
                 });
  return run_until_true([done] { return *done; }, limit) && !*failed;
}

void World::push_event(base::MonoTime when, std::uint64_t tie, std::function<void()> action) {
  if (over_) return;
  Event event;
  event.when = std::max(when, now());
  event.tie = tie;
  event.sequence = next_sequence_++;
  event.action = std::move(action);
  heap_.push(std::move(event));
}

void World::at(base::MonoTime when, std::function<void()> action) {
  push_event(when, 0, std::move(action));
}

void World::after(base::Duration delay, std::function<void()> action) {
  push_event(now() + delay, 0, std::move(action));
}

void World::drain() {
  PH_ASSERT(!busy_, "a handler of the world runs the world");
  std::uint64_t handlers = 0;
  for (bool progress = true; progress;) {
    progress = false;
    // By index: a handler may start a process.
    for (std::size_t i = 0; i < processes_.size(); ++i) {
      Process& process = *processes_[i];
      if (!process.alive_) continue;
      process.context_->restart();
      for (bool ready = true; ready && process.alive_;) {
        busy_ = true;
        ready = process.context_->poll_one() > 0;
        bury_dead();
        progress = progress || ready;
        PH_ASSERT(++handlers < kMaxHandlersPerMoment, "coroutines run without ever waiting");
      }
    }
  }
}

// Fires the next event not later than `limit`, or returns false.
bool World::step(base::MonoTime limit) {
  drain();
  if (over_ || heap_.empty() || heap_.top().when > limit) return false;
  // priority_queue has no way to move out its top; the copy of the order fields is what it needs.
  Event event = std::move(const_cast<Event&>(heap_.top()));
  heap_.pop();
  clock_.now_ = event.when;
  busy_ = true;
  event.action();
  bury_dead();
  drain();
  return true;
}

void World::run_until(base::MonoTime when) {
  while (step(when)) {
  }
  clock_.now_ = std::max(clock_.now_, when);
}

bool World::run_until_idle(base::Duration limit) {
  const base::MonoTime end = now() + limit;
  while (step(end)) {
  }
  if (heap_.empty()) return true;
  clock_.now_ = std::max(clock_.now_, end);
  return false;
}

bool World::run_until_true(const std::function<bool()>& done, base::Duration limit) {
  const base::MonoTime end = now() + limit;
  drain();
  while (!done()) {
    if (!step(end)) return done();
  }
  return true;
}

void World::mix(std::uint64_t value) {
  hash_ = (hash_ ^ value) * 0x9e3779b97f4a7c15ULL;
  hash_ ^= hash_ >> 29U;
}

void World::hash_event(std::string_view kind) {
  ++events_;
  mix(fnv(kind));
  mix(static_cast<std::uint64_t>(now().time_since_epoch().count()));
}

void World::record(std::string_view kind, std::uint64_t a, std::uint64_t b) {
  hash_event(kind);
  mix(a);
  mix(b);
  if (tracing_) trace(fmt::format("{} {} {}", kind, a, b));
}

void World::record(std::string_view kind, std::string_view text) {
  hash_event(kind);
  mix(fnv(text));
  if (tracing_) trace(fmt::format("{} {}", kind, text));
}

void World::trace(std::string_view text) const {
  if (tracing_) fmt::print(stderr, "{} {}\n", base::format_rfc3339(clock_.wall()), text);
}

}  // namespace posthouse::sim
