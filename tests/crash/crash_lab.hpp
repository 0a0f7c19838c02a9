// The crash laboratory: runs a working day of a simulated house again and again, lets the power
// fail (or an operation fail) at each disk operation in turn, recovers on what each loss leaves,
// lets the new house come to rest, and checks every promise of the interface. See README.md here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/crash/planted_disk.hpp"
#include "tests/sim/house.hpp"
#include "tests/sim/house_clients.hpp"
#include "tests/sim/lib/loss_policy.hpp"

namespace posthouse::crash {

// What clients do before the lights go out.
enum class Day {
  letters,  // three messages (one large), fetched and deleted before and after a checkpoint, one
            // more
  rolling,  // many messages through small segments, some stuck for a minute: roll, clean, recycle
};

struct Scenario {
  std::string name;  // for failures and POSTHOUSE_CRASH
  sim::HouseOptions options;
  Day day = Day::letters;
  Plant plant = Plant::none;
  sim::SyncFailure sync_failure = sim::SyncFailure::by_seed;
};
[[nodiscard]] Scenario letters(const std::string& name, conf::MailboxFormat format,
                               conf::DeliverySync sync = conf::DeliverySync::checkpoint);
[[nodiscard]] Scenario rolling(conf::MailboxFormat format);

// How much is tried. A case is one recovery.
struct Effort {
  std::uint64_t first = 1;         // operation
  std::uint64_t step = 1;          // every step-th operation
  sim::LossPlan losses;            // after a cut; its seed is mixed with the operation's number
  std::uint64_t again_every = 0;   // 0: never; each n-th case is cut a second time, in its recovery
  std::uint64_t again_step = 7;    // every so many operations of that recovery
  std::size_t give_up_after = 10;  // violations
};

struct Report {
  std::uint64_t operations = 0;  // of the undisturbed day
  std::uint64_t recycled = 0;    // log segments, on that day
  std::uint64_t cases = 0;
  std::vector<std::string> violations;  // each names scenario, operation, losses and broken promise
  void add(const Report& other);
};

// The power fails at each chosen operation of the day.
[[nodiscard]] Report cut_everywhere(const Scenario& scenario, const Effort& effort);

// Each chosen operation fails instead; a program that ends itself is started again. Afterwards the
// power fails, too.
enum class Failure { io_error, no_space, short_write };
[[nodiscard]] Report fail_everywhere(const Scenario& scenario, const Effort& effort,
                                     Failure failure);

}  // namespace posthouse::crash
