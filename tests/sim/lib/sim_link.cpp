// Segments, ends, resets and deadlines of a simulated connection; see sim_link.hpp.
#include "tests/sim/lib/sim_link.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "base/digest.hpp"
#include "base/text.hpp"

namespace posthouse::sim {

namespace {

base::Duration draw(base::Random& random, base::Duration low, base::Duration high) {
  if (high <= low) return low;
  return low + base::Duration(random.below(static_cast<std::uint64_t>((high - low).count()) + 1));
}

}  // namespace

SimLink::SimLink(World& w, std::uint64_t number, const LinkProfile& p)
    : world(w),
      id(number),
      profile(p),
      random(w.make_random(fmt::format("link {}", number))),
      directions{Direction(w), Direction(w)} {}

bool SimLink::alive(int side) const {
  const Process* process = world.find_process(ends[static_cast<std::size_t>(side)].process);
  return process != nullptr && process->alive();
}

base::Error SimLink::gone(int side, std::string_view op) {
  const auto code = end(side).timed_out ? std::errc::timed_out : std::errc::operation_canceled;
  return peer_error(side, code, op);
}

base::Error SimLink::peer_error(int side, std::errc code, std::string_view op) {
  return base::Error(std::make_error_code(code), op, end(side).peer.text());
}

base::Duration SimLink::draw_latency() {
  return draw(random, profile.latency_min, profile.latency_max);
}

std::size_t SimLink::room(int side) {
  const Direction& direction = out(side);
  const std::size_t held = direction.on_the_way + direction.arrived.size();
  return profile.window > held ? profile.window - held : 0;
}

// Cuts `data` into segments and puts them on their way; a fault may end the direction inside.
void SimLink::send(int side, std::string_view data) {
  Direction& direction = out(side);
  while (!data.empty() && !direction.stalled) {
    std::size_t most = data.size();
    if (profile.max_segment != 0) most = std::min(most, profile.max_segment);
    // Half of the segments are everything there is: that is what a fast network does.
    std::size_t take =
        random.below(2) == 0 ? most : 1 + static_cast<std::size_t>(random.below(most));
    bool reset_here = false;
    for (const auto& limit : {direction.reset_at, direction.stall_at}) {
      if (limit && direction.sent + take >= *limit) {
        take = static_cast<std::size_t>(*limit > direction.sent ? *limit - direction.sent : 0);
        reset_here = limit == direction.reset_at;
        direction.stalled = true;
      }
    }
    base::Duration travel = draw_latency();
    if (profile.octets_per_second != 0) {
      travel += base::Duration(take * 1'000'000 / profile.octets_per_second);
    }
    direction.last_arrival = std::max(direction.last_arrival, world.now() + travel);
    direction.sent += take;
    direction.on_the_way += take;
    auto land = [self = shared_from_this(), side, segment = std::string(data.substr(0, take))] {
      self->arrive(side, segment);
    };
    world.at(direction.last_arrival, std::move(land));
    if (reset_here) {
      auto cut = [self = shared_from_this(), side] { self->reset(side); };
      world.at(direction.last_arrival, std::move(cut));
    }
    data.remove_prefix(take);
  }
  direction.on_the_way += data.size();  // swallowed by the stall; keeps its place in the window
}

void SimLink::arrive(int side, const std::string& segment) {
  Direction& direction = out(side);
  direction.on_the_way -= std::min(direction.on_the_way, segment.size());
  if (direction.broken || end(1 - side).closed) return;
  world.record("net", id * 2 + static_cast<std::uint64_t>(side), base::crc32c(segment));
  if (world.tracing()) {
    world.trace(fmt::format("  link {} {} {} octets: {}", id, side == 0 ? "C>" : "S>",
                            segment.size(), base::printable(segment, 120)));
  }
  direction.arrived += segment;
  direction.reader.wake();
}

void SimLink::send_end(int side) {
  Direction& direction = out(side);
  if (direction.ended) return;
  direction.ended = true;
  if (direction.stalled) return;
  direction.last_arrival = std::max(direction.last_arrival, world.now() + draw_latency());
  auto land = [self = shared_from_this(), side] {
    Direction& landed = self->out(side);
    landed.end_arrived = true;
    self->world.record("net end", self->id * 2 + static_cast<std::uint64_t>(side));
    landed.reader.wake();
  };
  world.at(direction.last_arrival, std::move(land));
}

void SimLink::break_peer(int side, base::Duration delay) {
  auto land = [self = shared_from_this(), side] {
    Direction& broken = self->out(side);
    broken.broken = true;  // what has arrived can still be read, as on Linux
    self->end(1 - side).peer_gone = true;
    self->world.record("net reset", self->id * 2 + static_cast<std::uint64_t>(side));
    self->wake_all(1 - side);
  };
  world.after(delay, std::move(land));
}

void SimLink::close(int side) {
  End& self = end(side);
  if (self.closed) return;
  self.closed = true;
  wake_all(side);
  const Process* process = world.find_process(self.process);
  const bool living = process == nullptr || process->alive();
  const bool killed = !living && process->death() == Death::killed;
  // The kernel says goodbye for a killed one: in order, or with a reset when something was unread.
  if (living || (killed && random.below(2) == 0)) {
    send_end(side);
    // The answer to anything the peer still sends, or waits to send.
    auto tell = [link = shared_from_this(), side] {
      link->end(1 - side).peer_gone = true;
      link->out(1 - side).writer.wake();
    };
    world.at(std::max(out(side).last_arrival, world.now() + draw_latency()), std::move(tell));
  } else if (killed) {
    break_peer(side, draw_latency());
  } else {
    break_peer(side, draw(random, std::chrono::seconds(1), std::chrono::seconds(60)));
  }
}

void SimLink::reset(int side) {
  for (const int one : {side, 1 - side}) {
    if (!out(one).broken) break_peer(one, base::Duration(0));
    out(one).ended = true;
    out(one).stalled = true;
  }
}

void SimLink::arm_deadline(int side, base::MonoTime when) {
  end(side).armed_for = when;
  auto fire = [self = shared_from_this(), side, when] {
    End& mine = self->end(side);
    if (mine.closed || mine.armed_for != when) return;
    mine.armed_for = base::MonoTime::max();
    if (self->world.now() < mine.deadline) {
      if (mine.deadline != base::MonoTime::max()) self->arm_deadline(side, mine.deadline);
      return;
    }
    mine.timed_out = true;
    self->world.record("deadline", self->id * 2 + static_cast<std::uint64_t>(side));
    self->close(side);
  };
  world.at(when, std::move(fire));
}

void SimLink::wake_all(int side) {
  in(side).reader.wake();
  out(side).writer.wake();
}

}  // namespace posthouse::sim
