// Listeners, connecting, and the faults that new connections get; see sim_net.hpp.
#include "tests/sim/lib/sim_net.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "tests/sim/lib/sim_link.hpp"

namespace posthouse::sim {

using base::Result;

struct SimNet::State {
  explicit State(World& w) : world(w), random(w.make_random("network")) {}

  struct Listener {
    std::uint64_t process = 0;
    AcceptHandler accept;
  };

  World& world;
  base::SeededRandom random;
  std::map<net::Endpoint, Listener> listeners;
  std::set<net::Endpoint> refused, blackholed;
  std::optional<LinkProfile> profile;
  LinkFaults faults;
  std::optional<LinkFaults> next_faults;
  std::vector<std::weak_ptr<SimLink>> links;
  std::uint64_t made = 0;
  std::uint16_t next_port = 40000;

  // The listener for `at`, or nullptr: none, dead, or refused.
  Listener* find(const net::Endpoint& at) {
    if (refused.count(at) != 0) return nullptr;
    auto found = listeners.find(at);
    if (found == listeners.end()) {
      net::Endpoint any;
      any.port = at.port;
      found = listeners.find(any);
    }
    if (found == listeners.end()) return nullptr;
    const Process* process = world.find_process(found->second.process);
    return process != nullptr && process->alive() ? &found->second : nullptr;
  }

  std::shared_ptr<SimLink> make_link(std::uint64_t client, std::uint64_t server) {
    auto link =
        std::make_shared<SimLink>(world, ++made, profile ? *profile : LinkProfile::by_seed(random));
    const LinkFaults chosen = next_faults ? *next_faults : faults;
    next_faults.reset();
    link->out(0).reset_at = chosen.reset_to_server;
    link->out(0).stall_at = chosen.stall_to_server;
    link->out(1).reset_at = chosen.reset_to_client;
    link->out(1).stall_at = chosen.stall_to_client;
    link->end(0).process = client;
    link->end(1).process = server;
    std::erase_if(links, [](const std::weak_ptr<SimLink>& old) { return old.expired(); });
    links.push_back(link);
    return link;
  }

  void set_addresses(SimLink& link, const net::Endpoint& client, const net::Endpoint& server) {
    net::Endpoint from = client;
    if (from.port == 0) from.port = next_port++;
    link.end(0).local = link.end(1).peer = from;
    link.end(0).peer = link.end(1).local = server;
  }
};

namespace {

// What a connecting coroutine and the events it waits for share.
struct Dial {
  explicit Dial(World& world) : slot(world) {}
  WaitSlot slot;
  bool done = false;
  std::unique_ptr<SimStream> stream;
};

}  // namespace

LinkProfile LinkProfile::by_seed(base::Random& random) {
  constexpr std::size_t kWindows[] = {1024, 4096, 16 * 1024, 64 * 1024, 256 * 1024};
  LinkProfile profile;
  profile.latency_min = base::Duration(10 + random.below(1000));
  profile.latency_max = profile.latency_min + base::Duration(random.below(50'000));
  profile.max_segment = random.below(4) == 0 ? 1 + random.below(64) : 0;
  profile.window = kWindows[random.below(std::size(kWindows))];
  return profile;
}

SimNet::SimNet(World& world) : state_(std::make_shared<State>(world)) {}
SimNet::~SimNet() = default;

void SimNet::listen(Process& process, const net::Endpoint& at, AcceptHandler accept) {
  State::Listener listener;
  listener.process = process.id();
  listener.accept = std::move(accept);
  state_->listeners[at] = std::move(listener);
}

void SimNet::unlisten(const net::Endpoint& at) { state_->listeners.erase(at); }

std::pair<std::unique_ptr<SimStream>, std::unique_ptr<SimStream>> SimNet::pair(Process& client,
                                                                               Process& server) {
  const auto link = state_->make_link(client.id(), server.id());
  net::Endpoint from, to;
  from.address = net::IpAddress::v4(0xc0000201);  // 192.0.2.1, RFC 5737
  to.address = net::IpAddress::v4(0xc0000202);
  to.port = 25;
  state_->set_addresses(*link, from, to);
  return {std::make_unique<SimStream>(link, 0), std::make_unique<SimStream>(link, 1)};
}

net::Task<Result<std::unique_ptr<SimStream>>> SimNet::connect(net::Endpoint to, net::Endpoint from,
                                                              base::Duration patience) {
  const auto state = state_;
  World& world = state->world;
  const std::uint64_t client = world.process_of(co_await net::asio::this_coro::executor).id();
  const auto dial = std::make_shared<Dial>(world);
  const auto answer = [dial] {
    dial->done = true;
    dial->slot.wake();
  };
  const auto arrive = [state, dial, answer, client, to, from, &world] {
    State::Listener* listener = state->find(to);
    if (dial->done) return;  // gave up
    world.record("connect", to.text());
    if (listener != nullptr) {
      const auto link = state->make_link(client, listener->process);
      state->set_addresses(*link, from, to);
      dial->stream = std::make_unique<SimStream>(link, 0);
      const AcceptHandler accept = listener->accept;  // it may listen or unlisten
      accept(std::make_unique<SimStream>(link, 1));
    }
    world.after(base::Duration(10 + state->random.below(2000)), answer);
  };
  world.at(world.now() + patience, answer);
  if (state->blackholed.count(to) == 0) {
    world.after(base::Duration(10 + state->random.below(2000)), arrive);
  }
  const base::MonoTime give_up = world.now() + patience;
  co_await dial->slot.wait();
  if (dial->stream) co_return std::move(dial->stream);
  const auto code = world.now() >= give_up ? std::errc::timed_out : std::errc::connection_refused;
  co_return base::fail(code, "connect", to.text());
}

net::Task<Result<std::unique_ptr<net::Stream>>> SimDialer::dial(net::Endpoint to,
                                                                base::MonoTime deadline) {
  Attempt attempt;
  attempt.to = to;
  attempt.at = world_.now();
  attempts_.push_back(attempt);
  // Never is a century here, so that the sum does not overflow.
  const base::MonoTime end = std::min(deadline, world_.now() + std::chrono::hours(24 * 36500));
  const base::Duration patience = std::max(end - world_.now(), base::Duration(0));
  auto connected = co_await network_.connect(to, from_, patience);
  if (!connected) co_return tl::unexpected(connected.error());
  std::unique_ptr<net::Stream> stream = std::move(*connected);
  co_return std::move(stream);
}

void SimNet::set_profile(const LinkProfile& profile) { state_->profile = profile; }
void SimNet::set_faults(const LinkFaults& faults) { state_->faults = faults; }
void SimNet::set_next_faults(const LinkFaults& faults) { state_->next_faults = faults; }

void SimNet::refuse(const net::Endpoint& at, bool on) {
  if (on) {
    state_->refused.insert(at);
  } else {
    state_->refused.erase(at);
  }
}

void SimNet::blackhole(const net::Endpoint& at, bool on) {
  if (on) {
    state_->blackholed.insert(at);
  } else {
    state_->blackholed.erase(at);
  }
}

void SimNet::reset_all() {
  for (const auto& weak : state_->links) {
    if (const auto link = weak.lock()) link->reset(0);
  }
}

std::size_t SimNet::open_connections() const {
  return static_cast<std::size_t>(std::count_if(
      state_->links.begin(), state_->links.end(), [](const std::weak_ptr<SimLink>& weak) {
        const auto link = weak.lock();
        return link && !(link->end(0).closed && link->end(1).closed);
      }));
}

}  // namespace posthouse::sim
