// One simulated connection: two directions and what each end knows. Shared by the two streams, the
// operations suspended on them and the segments on their way. Private to sim_link.cpp,
// sim_stream.cpp and sim_net.cpp.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "base/random.hpp"
#include "tests/sim/lib/sim_net.hpp"
#include "tests/sim/lib/world.hpp"

namespace posthouse::sim {

// Octets from one end to the other.
struct Direction {
  explicit Direction(World& world) : reader(world), writer(world) {}
  std::string arrived;            // not yet read
  std::size_t on_the_way = 0;     // octets
  std::uint64_t sent = 0;         // octets accepted from the writer
  base::MonoTime last_arrival{};  // segments do not overtake each other
  bool ended = false;             // the writer will send no more
  bool end_arrived = false;       // ... and the reader knows
  bool broken = false;            // the reader gets connection_reset
  bool stalled = false;           // nothing arrives any more
  std::optional<std::uint64_t> reset_at, stall_at;
  WaitSlot reader, writer;
};

struct End {
  std::uint64_t process = 0;
  net::Endpoint local, peer;
  bool closed = false;
  bool timed_out = false;
  bool peer_gone = false;  // our writes fail with connection_reset
  bool tls = false;
  std::string cipher;  // read, not yet a whole record
  std::string plain;   // decrypted, not yet read
  base::MonoTime deadline = base::MonoTime::max();
  base::MonoTime armed_for = base::MonoTime::max();
  std::size_t slow_octets = 0;  // 0: reads at full speed
  base::Duration slow_pause{0};
};

// Sides: 0 is the client, 1 the server. A side writes out(side) and reads in(side).
struct SimLink : std::enable_shared_from_this<SimLink> {
  SimLink(World& w, std::uint64_t number, const LinkProfile& p);

  [[nodiscard]] Direction& out(int side) { return directions[static_cast<std::size_t>(side)]; }
  [[nodiscard]] Direction& in(int side) { return directions[static_cast<std::size_t>(1 - side)]; }
  [[nodiscard]] End& end(int side) { return ends[static_cast<std::size_t>(side)]; }
  [[nodiscard]] bool alive(int side) const;
  [[nodiscard]] base::Error gone(int side, std::string_view op);
  [[nodiscard]] base::Error peer_error(int side, std::errc code, std::string_view op);

  // Octets that out(side) takes now.
  [[nodiscard]] std::size_t room(int side);
  void send(int side, std::string_view data);
  void send_end(int side);
  void arrive(int side, const std::string& segment);
  // The peer of `side` hears, after a delay, that this side is gone.
  void break_peer(int side, base::Duration delay);
  void close(int side);
  void reset(int side);
  void arm_deadline(int side, base::MonoTime when);
  void wake_all(int side);
  [[nodiscard]] base::Duration draw_latency();

  World& world;
  std::uint64_t id;
  LinkProfile profile;
  base::SeededRandom random;
  std::array<Direction, 2> directions;
  std::array<End, 2> ends;
};

}  // namespace posthouse::sim
