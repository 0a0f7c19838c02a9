// The table of answers with its least-recently-used order, and the lookups in flight.
#include "net/dns_cache.hpp"

#include <algorithm>
#include <list>
#include <optional>
#include <unordered_map>
#include <variant>

#include "base/text.hpp"
#include "net/signal.hpp"

namespace posthouse::net {

using base::MonoTime;
using base::Result;

namespace {

using MxResult = Result<Resolver::MxAnswer>;
using AddressResult = Result<Resolver::AddressAnswer>;
using Value = std::variant<MxResult, AddressResult>;

std::size_t size_of(const Resolver::MxAnswer& answer) {
  std::size_t size = 0;
  for (const MxHost& host : answer.hosts) {
    size += sizeof host + host.host.size();
  }
  return size;
}
std::size_t size_of(const Resolver::AddressAnswer& answer) {
  return answer.addresses.size() * sizeof(IpAddress);
}
bool is_negative(const Resolver::MxAnswer& answer) { return answer.hosts.empty(); }
bool is_negative(const Resolver::AddressAnswer& answer) { return answer.addresses.empty(); }

template <class Answer>
std::size_t size_of(const Result<Answer>& result) {
  // What a node of the list and of the table take besides.
  constexpr std::size_t kOverhead = 300;
  return kOverhead +
         (result ? size_of(*result) : result.error().op.size() + result.error().detail.size());
}

// "MX example.com": names compare without case and final dot.
std::string key_of(std::string_view type, std::string_view name) {
  if (name.ends_with('.')) {
    name.remove_suffix(1);
  }
  return std::string(type) + ' ' + base::to_lower(name);
}

struct Entry {
  std::string key;
  Value value;
  MonoTime expires;
  std::size_t size = 0;
};

// A lookup in flight: the first asker runs it, the others wait.
struct Flight {
  explicit Flight(const Executor& executor) : done(executor) {}
  Signal done;
  std::optional<Value> value;
};

}  // namespace

struct DnsCache::State {
  State(const Executor& e, Resolver& i, Timer& t, DnsCacheOptions o)
      : executor(e), inner(i), timer(t), options(o) {}

  // nullptr: unknown or expired.
  const Entry* find(const std::string& key) {
    const auto found = table.find(key);
    if (found == table.end()) {
      return nullptr;
    }
    if (found->second->expires <= timer.clock().mono()) {
      erase(found->second);
      return nullptr;
    }
    entries.splice(entries.begin(), entries, found->second);
    return &entries.front();
  }

  void erase(std::list<Entry>::iterator entry) {
    octets -= entry->size;
    table.erase(entry->key);
    entries.erase(entry);
  }

  template <class Answer>
  std::chrono::seconds life_of(const Result<Answer>& result) const {
    if (!result) {
      return options.failure_ttl;
    }
    const auto longest = is_negative(*result) ? options.max_negative_ttl : options.max_ttl;
    return std::clamp(std::chrono::seconds(result->ttl_s), options.min_ttl,
                      std::max(options.min_ttl, longest));
  }

  template <class Answer>
  void store(const std::string& key, const Result<Answer>& result) {
    if (const auto old = table.find(key); old != table.end()) {
      erase(old->second);
    }
    Entry entry;
    entry.key = key;
    entry.value = result;
    entry.expires = timer.clock().mono() + life_of(result);
    entry.size = 2 * key.size() + size_of(result);
    octets += entry.size;
    entries.push_front(std::move(entry));
    table[key] = entries.begin();
    while (!entries.empty() &&
           (entries.size() > options.max_entries || octets > options.max_octets)) {
      erase(std::prev(entries.end()));
    }
  }

  Executor executor;
  Resolver& inner;
  Timer& timer;
  DnsCacheOptions options;
  std::list<Entry> entries;  // most recently used first
  std::unordered_map<std::string, std::list<Entry>::iterator> table;
  std::unordered_map<std::string, std::shared_ptr<Flight>> flights;
  std::size_t octets = 0;
  std::uint64_t hits = 0;
  std::uint64_t joined = 0;
  std::uint64_t misses = 0;
};

namespace {

using StatePtr = std::shared_ptr<DnsCache::State>;

// Lands a flight even if its lookup throws or is destroyed: those who wait get an error.
class Landing {
 public:
  Landing(StatePtr state, std::string key, std::shared_ptr<Flight> flight)
      : state_(std::move(state)), key_(std::move(key)), flight_(std::move(flight)) {}
  Landing(const Landing&) = delete;
  Landing& operator=(const Landing&) = delete;
  ~Landing() {
    state_->flights.erase(key_);
    flight_->done.notify_all();
  }

 private:
  StatePtr state_;
  std::string key_;
  std::shared_ptr<Flight> flight_;
};

template <class Answer>
Result<Answer> from_entry(const Entry& entry, MonoTime now) {
  Result<Answer> result = std::get<Result<Answer>>(entry.value);
  if (result) {
    const auto left = std::chrono::duration_cast<std::chrono::seconds>(entry.expires - now);
    result->ttl_s = static_cast<std::uint32_t>(std::max<std::int64_t>(left.count(), 1));
  }
  return result;
}

template <class Answer>
Task<Result<Answer>> join(std::shared_ptr<Flight> flight, std::string key) {
  co_await flight->done.wait();
  if (flight->value) {
    co_return std::get<Result<Answer>>(*flight->value);
  }
  co_return base::fail(std::errc::operation_canceled, "dns", key);
}

Task<MxResult> ask(Resolver& inner, std::string name, const MxResult*) {
  return inner.mx(std::move(name));
}
Task<AddressResult> ask(Resolver& inner, std::string name, const AddressResult*) {
  return inner.addresses(std::move(name));
}

template <class Answer>
Task<Result<Answer>> look_up(StatePtr state, std::string key, std::string name) {
  if (const Entry* entry = state->find(key); entry != nullptr) {
    ++state->hits;
    co_return from_entry<Answer>(*entry, state->timer.clock().mono());
  }
  if (const auto found = state->flights.find(key); found != state->flights.end()) {
    ++state->joined;
    const auto flight = found->second;
    co_return co_await join<Answer>(flight, key);
  }
  ++state->misses;
  const auto flight = std::make_shared<Flight>(state->executor);
  state->flights[key] = flight;
  const Landing landing(state, key, flight);
  const Result<Answer>* const type = nullptr;
  Result<Answer> result = co_await ask(state->inner, std::move(name), type);
  state->store(key, result);
  flight->value = result;
  co_return result;
}

}  // namespace

DnsCache::DnsCache(const Executor& executor, Resolver& inner, Timer& timer, DnsCacheOptions options)
    : state_(std::make_shared<State>(executor, inner, timer, options)) {}

DnsCache::~DnsCache() = default;

Task<MxResult> DnsCache::mx(std::string domain) {
  std::string key = key_of("MX", domain);
  return look_up<MxAnswer>(state_, std::move(key), std::move(domain));
}

Task<AddressResult> DnsCache::addresses(std::string host) {
  std::string key = key_of("A", host);
  return look_up<AddressAnswer>(state_, std::move(key), std::move(host));
}

void DnsCache::clear() {
  state_->table.clear();
  state_->entries.clear();
  state_->octets = 0;
}

DnsCache::Counts DnsCache::counts() const {
  Counts counts;
  counts.entries = state_->entries.size();
  counts.octets = state_->octets;
  counts.hits = state_->hits;
  counts.joined = state_->joined;
  counts.misses = state_->misses;
  return counts;
}

}  // namespace posthouse::net
