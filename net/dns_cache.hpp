// A Resolver that remembers what another one answered, for as long as DNS allows, and lets equal
// questions of the same moment share one lookup. Owned by app/, one for each executor that asks;
// all calls on that thread. Coroutines that wait in it may outlive it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "net/ports.hpp"

namespace posthouse::net {

struct DnsCacheOptions {
  std::size_t max_entries = 20'000;
  std::size_t max_octets = 16UL * 1024 * 1024;  // names and records, roughly
  std::chrono::seconds min_ttl{1};
  std::chrono::seconds max_ttl{24 * 3600};
  std::chrono::seconds max_negative_ttl{300};  // no such name, no such record (RFC 2308 5)
  // Errors; long enough that a burst of mail asks once, short enough for the next retry.
  std::chrono::seconds failure_ttl{3};
};

class DnsCache final : public Resolver {
 public:
  // `inner` and `timer` must outlive the coroutines that are suspended in lookups.
  DnsCache(const Executor& executor, Resolver& inner, Timer& timer, DnsCacheOptions options = {});
  ~DnsCache() override;
  DnsCache(const DnsCache&) = delete;
  DnsCache& operator=(const DnsCache&) = delete;

  // As the inner resolver; ttl_s is what is left of it.
  [[nodiscard]] Task<base::Result<MxAnswer>> mx(std::string domain) override;
  [[nodiscard]] Task<base::Result<AddressAnswer>> addresses(std::string host) override;

  // Forgets everything; lookups in flight go on.
  void clear();

  struct Counts {
    std::size_t entries = 0;
    std::size_t octets = 0;
    std::uint64_t hits = 0;
    std::uint64_t joined = 0;  // waited for another's lookup
    std::uint64_t misses = 0;
  };
  [[nodiscard]] Counts counts() const;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace posthouse::net
