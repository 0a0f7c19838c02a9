// Randomness port: ids, jitter and keys come from here, so a simulation can replay them by seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace posthouse::base {

class Random {
 public:
  virtual ~Random() = default;
  // Fills `out` with random octets. Production: the kernel's CSPRNG; safe from any thread.
  virtual void fill(std::span<std::byte> out) = 0;
  [[nodiscard]] std::uint64_t next_u64();
  // Uniform in [0, bound); bound must be positive.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound);
};

// getrandom(2); aborts if the kernel cannot deliver. Lives for the whole program.
[[nodiscard]] Random& system_random();

// Deterministic generator for tests and simulation (xoshiro256**); one thread only.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed);
  void fill(std::span<std::byte> out) override;

 private:
  std::uint64_t step();
  std::uint64_t state_[4];
};

}  // namespace posthouse::base
