// The Blocking port in virtual time: a pool of `threads`, each job taking a delay by seed, at most
// `queue` jobs waiting. A job runs at the end of its delay, outside of every process; it does not
// run when its process died before. On the world's thread; outlived by no coroutine that uses it.
#pragma once

#include <cstddef>
#include <memory>

#include "net/ports.hpp"
#include "tests/sim/lib/world.hpp"

namespace posthouse::sim {

struct SimBlockingOptions {
  std::size_t threads = 1;
  std::size_t queue = 64;
  base::Duration delay_min{20};
  base::Duration delay_max{500};
};

class SimBlocking final : public net::Blocking {
 public:
  explicit SimBlocking(World& world, const SimBlockingOptions& options = {});
  [[nodiscard]] net::Task<bool> run(net::Job& job) override;
  // A disk that became slow, for jobs from now on.
  void set_delay(base::Duration low, base::Duration high);
  [[nodiscard]] std::size_t unfinished() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace posthouse::sim
