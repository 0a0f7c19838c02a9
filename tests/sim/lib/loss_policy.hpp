// Which pending items of a simulated disk survive a power failure (fault model: sim_disk.hpp).
// Values; made by the tests, resolved by SimDisk.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace posthouse::sim {

class LossPolicy {
 public:
  static LossPolicy none();                          // nothing pending survives
  static LossPolicy all();                           // everything survives
  static LossPolicy only(std::size_t item);          // one item survives, with what it needs
  static LossPolicy without(std::size_t item);       // one item is lost, with what needs it
  static LossPolicy random(std::uint64_t seed);      // each item by a coin
  static LossPolicy chosen(std::vector<bool> keep);  // item i survives when keep[i]; rest is lost

  // One flag an item, before the rules of names that depend on each other are applied.
  [[nodiscard]] std::vector<bool> wishes(std::size_t items) const;
  // A kept item drags in what it needs (`only`); otherwise a lost item drags down what needs it.
  [[nodiscard]] bool pulls_needs() const { return kind_ == Kind::only; }
  [[nodiscard]] std::string text() const;  // for failure messages

 private:
  enum class Kind : std::uint8_t { none, all, only, without, random, chosen };
  explicit LossPolicy(Kind kind) : kind_(kind) {}

  Kind kind_;
  std::uint64_t value_ = 0;
  std::vector<bool> keep_;
};

// The losses that docs/testing.md asks for: none kept, all kept, each alone lost, each alone kept
// and `random_subsets` subsets; every subset instead when there are at most `exhaustive` items.
// With more than `each_limit` items, "each alone" takes a sample by seed of that many.
struct LossPlan {
  std::size_t random_subsets = 200;
  std::size_t exhaustive = 6;
  std::size_t each_limit = 500;
  std::uint64_t seed = 1;
};
[[nodiscard]] std::vector<LossPolicy> loss_policies(std::size_t items, const LossPlan& plan = {});

}  // namespace posthouse::sim
