// The Resolver port from a table, in virtual time. Names compare without case and final dot; a name
// that no call mentioned does not exist. On the world's thread; outlived by no coroutine that uses
// it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "net/ports.hpp"
#include "tests/sim/lib/world.hpp"

namespace posthouse::sim {

class SimDns final : public net::Resolver {
 public:
  enum class Trouble : std::uint8_t {
    none,
    servfail,  // Error io_error, "SERVFAIL"
    timeout,   // Error timed_out, after time_out
  };

  explicit SimDns(World& world);
  [[nodiscard]] net::Task<base::Result<MxAnswer>> mx(std::string domain) override;
  [[nodiscard]] net::Task<base::Result<AddressAnswer>> addresses(std::string host) override;

  // The name exists from now on, with these records; the other type may stay empty.
  void set_mx(const std::string& domain, std::vector<net::MxHost> hosts);
  void add_mx(const std::string& domain, std::uint16_t preference, const std::string& host);
  void set_addresses(const std::string& host, std::vector<net::IpAddress> addresses);
  void add_address(const std::string& host, const std::string& address);  // A or AAAA by its form
  void remove(const std::string& name);
  void set_trouble(const std::string& name, Trouble trouble);

  void set_ttl(std::uint32_t seconds) { ttl_s_ = seconds; }
  void set_latency(base::Duration low, base::Duration high);
  void set_time_out(base::Duration time_out) { time_out_ = time_out; }
  // Names asked for so far, with "MX " or "A " before them.
  [[nodiscard]] const std::vector<std::string>& queries() const { return queries_; }

 private:
  struct Name {
    std::vector<net::MxHost> mx;
    std::vector<net::IpAddress> addresses;
  };
  static std::string key(const std::string& name);
  net::Task<base::Result<>> lookup(std::string what, std::string name);

  World& world_;
  base::SeededRandom random_;
  std::map<std::string, Name> names_;
  std::map<std::string, Trouble> troubles_;
  std::vector<std::string> queries_;
  std::uint32_t ttl_s_ = 300;
  base::Duration latency_min_ = std::chrono::microseconds(100);
  base::Duration latency_max_ = std::chrono::milliseconds(30);
  base::Duration time_out_ = std::chrono::seconds(30);
};

}  // namespace posthouse::sim
