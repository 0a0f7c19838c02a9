// A simulated house: the production objects of app/server.cpp (log spool, queue, local delivery,
// user file, SMTP and POP3 sessions), wired to simulated disk, time and network. One House is one
// life of one server process; the next life on the same disk is another House. Made by tests, on
// the world's thread.
//
// What is not the production part: threads (one executor, pools in virtual time), TLS (none), the
// file locks of other programs (nobody else is there), and syncfs (checkpoints sync file by file).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.hpp"
#include "conf/settings.hpp"
#include "queue/manager.hpp"
#include "tests/sim/lib/sim_disk.hpp"
#include "tests/sim/lib/sim_net.hpp"
#include "tests/sim/lib/world.hpp"

namespace posthouse::sim {

struct HouseOptions {
  conf::MailboxFormat format = conf::MailboxFormat::maildir;
  conf::DeliverySync sync = conf::DeliverySync::checkpoint;
  std::vector<std::string> users = {"ann", "bob"};  // at example.com, all with kHousePassword
  std::uint64_t segment_size = 256 * 1024;          // of the log; production has 64 MiB
  std::uint64_t min_log = 1ULL << 30U;              // a smaller log is not cleaned
  std::uint64_t min_space = 0;
  base::Duration work_min{20};  // of one job of a pool
  base::Duration work_max{500};
};

inline constexpr std::string_view kHousePassword = "secret";
[[nodiscard]] net::Endpoint smtp_endpoint();
[[nodiscard]] net::Endpoint pop3_endpoint();

// A disk as the installation leaves it: directories and user file, all durable.
[[nodiscard]] std::unique_ptr<SimDisk> make_ground(const HouseOptions& options, std::uint64_t seed);

class House {
 public:
  // Starts a process that recovers and then serves; nothing happens before the world runs. All
  // arguments must outlive the world's processes. The caller plugs the simulated disk behind `disk`
  // into process().
  House(World& world, SimNet& net, base::Disk& disk, const HouseOptions& options);

  [[nodiscard]] Process& process() { return *process_; }
  [[nodiscard]] bool alive() const { return process_->alive(); }
  [[nodiscard]] bool serving() const { return alive() && state_->serving; }
  // Why the process ended itself: recovery refused, or the log failed. Empty otherwise.
  [[nodiscard]] const std::string& failure() const { return state_->failure; }

  // Sudden death of the process; what the disk cached stays.
  void kill();
  // As SIGTERM: sessions finish, everything is hardened, the process ends. False when it does not
  // within `limit`. Runs the world.
  bool shut_down(base::Duration limit);

  // Serving, with nothing waiting for delivery or a checkpoint.
  [[nodiscard]] bool idle() const;
  // All zero when not serving.
  [[nodiscard]] queue::ManagerCounters counters() const;
  // The mailbox of a user, absolute.
  [[nodiscard]] std::string box_path(const std::string& user) const;

 private:
  struct State {
    bool serving = false;
    bool stopped = false;
    std::string failure;
  };
  struct Parts;
  static net::Task<> boot(Parts* parts);
  static net::Task<> stop(Parts* parts);

  World& world_;
  std::shared_ptr<State> state_;
  Process* process_;
  Parts* parts_;  // kept by the process: gone when it is dead
  std::vector<std::string> boxes_;
  HouseOptions options_;
};

}  // namespace posthouse::sim
