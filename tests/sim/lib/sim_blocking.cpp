// Virtual pool threads; see the header.
#include "tests/sim/lib/sim_blocking.hpp"

#include <algorithm>
#include <vector>

#include "base/assert.hpp"

namespace posthouse::sim {

struct SimBlocking::State {
  State(World& w, const SimBlockingOptions& o)
      : world(w), options(o), random(w.make_random("blocking")), free_at(o.threads) {}
  World& world;
  SimBlockingOptions options;
  base::SeededRandom random;
  std::vector<base::MonoTime> free_at;  // one a thread
  std::size_t unfinished = 0;
};

SimBlocking::SimBlocking(World& world, const SimBlockingOptions& options)
    : state_(std::make_shared<State>(world, options)) {
  PH_ASSERT(options.threads > 0, "a pool without threads");
}

net::Task<bool> SimBlocking::run(net::Job& job) {
  const auto state = state_;
  if (state->unfinished >= state->options.threads + state->options.queue) co_return false;
  World& world = state->world;
  const auto thread = std::min_element(state->free_at.begin(), state->free_at.end());
  const auto spread =
      static_cast<std::uint64_t>((state->options.delay_max - state->options.delay_min).count());
  const base::Duration work =
      state->options.delay_min + base::Duration(state->random.below(spread + 1));
  *thread = std::max(*thread, world.now()) + work;
  ++state->unfinished;
  const auto slot = std::make_shared<WaitSlot>(world);
  // The job lives in the frame of its waiter: no waiter, no job.
  auto finish = [state, slot, &job, &world] {
    --state->unfinished;
    if (!slot->waiting()) return;
    world.record("job");
    job.execute();
    slot->wake();
  };
  world.at(*thread, std::move(finish));
  co_await slot->wait();
  co_return true;
}

void SimBlocking::set_delay(base::Duration low, base::Duration high) {
  state_->options.delay_min = low;
  state_->options.delay_max = std::max(low, high);
}

std::size_t SimBlocking::unfinished() const { return state_->unfinished; }

}  // namespace posthouse::sim
