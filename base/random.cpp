// Owns the sources of randomness: the kernel's for production, a seeded one for simulation.
#include "base/random.hpp"

#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "base/assert.hpp"

namespace posthouse::base {

namespace {

class SystemRandom final : public Random {
 public:
  // Not buffered: a buffer would be handed out twice after a fork, and 16 octets cost 0.3 us.
  void fill(std::span<std::byte> out) override {
    while (!out.empty()) {
      const ssize_t got = ::getrandom(out.data(), out.size(), 0);
      if (got < 0) {
        PH_ASSERT(errno == EINTR, "the kernel gave no random octets");
        continue;
      }
      out = out.subspan(static_cast<std::size_t>(got));
    }
  }
};

}  // namespace

std::uint64_t Random::next_u64() {
  std::uint64_t value = 0;
  fill(std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

std::uint64_t Random::below(std::uint64_t bound) {
  PH_ASSERT(bound > 0, "Random::below needs a positive bound");
  // The first 2^64 mod bound values are refused, so that every remainder is equally likely.
  const std::uint64_t refused = (0 - bound) % bound;
  for (;;) {
    const std::uint64_t value = next_u64();
    if (value >= refused) {
      return value % bound;
    }
  }
}

Random& system_random() {
  static SystemRandom random;
  return random;
}

SeededRandom::SeededRandom(std::uint64_t seed) : state_{} {
  // splitmix64 spreads the seed; the all-zero state, which xoshiro never leaves, cannot arise.
  for (auto& word : state_) {
    seed += 0x9e3779b97f4a7c15ULL;
    std::uint64_t mixed = seed;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
    word = mixed ^ (mixed >> 31);
  }
}

std::uint64_t SeededRandom::step() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

void SeededRandom::fill(std::span<std::byte> out) {
  while (!out.empty()) {
    const std::uint64_t word = step();
    const std::size_t count = std::min(out.size(), sizeof word);
    std::memcpy(out.data(), &word, count);
    out = out.subspan(count);
  }
}

}  // namespace posthouse::base
