// A DNS server for tests: UDP and TCP on one loopback port, in a thread of its own, which sends
// exactly the octets that its handler makes up; and the builder for such octets.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "net/address.hpp"
#include "net/dns_answer.hpp"
#include "net/socket_fd.hpp"

namespace posthouse::net::test {

std::string dns_u16(unsigned value);
std::string dns_u32(std::uint32_t value);
std::string dns_name(std::string_view name);  // uncompressed; "." is the root
std::string dns_mx(unsigned preference, std::string_view host);
std::string dns_address(std::string_view address);
// An SOA's data with this minimum.
std::string dns_soa(std::uint32_t minimum);

// An answer to `query`: its id and question, then records.
class AnswerBuilder {
 public:
  explicit AnswerBuilder(std::string_view query);
  AnswerBuilder& rcode(unsigned value);
  AnswerBuilder& truncated();
  AnswerBuilder& no_recursion();
  // RDATA as it is.
  AnswerBuilder& add(std::string_view owner, DnsType type, std::uint32_t ttl,
                     std::string_view data);
  AnswerBuilder& add_authority(std::string_view owner, DnsType type, std::uint32_t ttl,
                               std::string_view data);
  [[nodiscard]] std::string text() const;

 private:
  std::string id_;
  std::string question_;
  unsigned flags_ = 0x8180;  // an answer, recursion desired and available
  unsigned answers_ = 0;
  unsigned authorities_ = 0;
  std::string records_;
  std::string authority_;
};

struct DnsQuestion {
  std::string packet;
  std::string name;
  DnsType type = DnsType::a;
  bool tcp = false;
  int nth = 0;  // how often this question came before, by this transport
};

class DnsPeer {
 public:
  // Called on the server's thread; each text is sent as one message.
  using Handler = std::function<std::vector<std::string>(const DnsQuestion& question)>;
  explicit DnsPeer(Handler handler);
  ~DnsPeer();
  DnsPeer(const DnsPeer&) = delete;
  DnsPeer& operator=(const DnsPeer&) = delete;

  [[nodiscard]] Endpoint endpoint() const { return endpoint_; }
  [[nodiscard]] int queries() const { return queries_; }

 private:
  void run();
  void serve_udp();
  void serve_tcp();
  std::vector<std::string> ask(std::string_view packet, bool tcp);

  Handler handler_;
  Endpoint endpoint_;
  UniqueFd udp_;
  UniqueFd tcp_;
  UniqueFd wake_read_;
  UniqueFd wake_write_;
  std::map<std::string, int> counts_;
  std::atomic<int> queries_ = 0;
  std::thread thread_;
};

}  // namespace posthouse::net::test
