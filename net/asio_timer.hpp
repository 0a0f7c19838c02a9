// The Timer port on real time. Stateless: one object serves the coroutines of every shard, each
// resumed on its own executor.
#pragma once

#include "net/ports.hpp"

namespace posthouse::net {

class AsioTimer final : public Timer {
 public:
  [[nodiscard]] Task<> sleep_until(base::MonoTime when) override;
  [[nodiscard]] const base::Clock& clock() const override { return base::system_clock(); }
};

}  // namespace posthouse::net
