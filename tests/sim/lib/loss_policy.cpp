// Enumeration of the losses of a power failure; see the header.
#include "tests/sim/lib/loss_policy.hpp"

#include <fmt/core.h>

#include "base/random.hpp"

namespace posthouse::sim {

LossPolicy LossPolicy::none() { return LossPolicy(Kind::none); }
LossPolicy LossPolicy::all() { return LossPolicy(Kind::all); }

LossPolicy LossPolicy::only(std::size_t item) {
  LossPolicy policy(Kind::only);
  policy.value_ = item;
  return policy;
}

LossPolicy LossPolicy::without(std::size_t item) {
  LossPolicy policy(Kind::without);
  policy.value_ = item;
  return policy;
}

LossPolicy LossPolicy::random(std::uint64_t seed) {
  LossPolicy policy(Kind::random);
  policy.value_ = seed;
  return policy;
}

LossPolicy LossPolicy::chosen(std::vector<bool> keep) {
  LossPolicy policy(Kind::chosen);
  policy.keep_ = std::move(keep);
  return policy;
}

std::vector<bool> LossPolicy::wishes(std::size_t items) const {
  std::vector<bool> keep(items, kind_ == Kind::all || kind_ == Kind::without);
  switch (kind_) {
    case Kind::none:
    case Kind::all:
      break;
    case Kind::only:
    case Kind::without:
      if (value_ < items) keep[value_] = kind_ == Kind::only;
      break;
    case Kind::random: {
      base::SeededRandom coin(value_);
      for (std::size_t i = 0; i < items; ++i) keep[i] = coin.below(2) == 1;
      break;
    }
    case Kind::chosen:
      for (std::size_t i = 0; i < items && i < keep_.size(); ++i) keep[i] = keep_[i];
      break;
  }
  return keep;
}

std::string LossPolicy::text() const {
  switch (kind_) {
    case Kind::none:
      return "keep none";
    case Kind::all:
      return "keep all";
    case Kind::only:
      return fmt::format("keep only item {}", value_);
    case Kind::without:
      return fmt::format("lose only item {}", value_);
    case Kind::random:
      return fmt::format("random subset, seed {}", value_);
    case Kind::chosen:
      break;
  }
  std::string bits;
  for (const bool bit : keep_) bits += bit ? '1' : '0';
  return "keep items " + bits;
}

std::vector<LossPolicy> loss_policies(std::size_t items, const LossPlan& plan) {
  std::vector<LossPolicy> out;
  if (items <= plan.exhaustive && items < 20) {
    for (std::uint64_t mask = 0; mask < (std::uint64_t{1} << items); ++mask) {
      std::vector<bool> keep(items);
      for (std::size_t i = 0; i < items; ++i) keep[i] = ((mask >> i) & 1U) != 0;
      out.push_back(LossPolicy::chosen(std::move(keep)));
    }
    return out;
  }
  out.push_back(LossPolicy::none());
  out.push_back(LossPolicy::all());
  base::SeededRandom choice(plan.seed);
  const bool sample = items > plan.each_limit;
  const std::size_t each = sample ? plan.each_limit : items;
  for (std::size_t i = 0; i < each; ++i) {
    const std::size_t item = sample ? static_cast<std::size_t>(choice.below(items)) : i;
    out.push_back(LossPolicy::without(item));
    out.push_back(LossPolicy::only(item));
  }
  for (std::size_t i = 0; i < plan.random_subsets; ++i) {
    out.push_back(LossPolicy::random(choice.next_u64()));
  }
  return out;
}

}  // namespace posthouse::sim
