// Private to net/: a c-ares channel on Asio. Owns the channel, its sockets and its timer; used by
// dns_cares.cpp on the executor's thread. It is ended by its resolver or by the io_context,
// whichever goes first; coroutines keep what is left of it alive.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "net/dns_answer.hpp"
#include "net/dns_cares.hpp"
#include "net/signal.hpp"

struct ares_channeldata;

namespace posthouse::net {

// One question on its way; shared by the channel and the coroutine that asked.
struct DnsQuery {
  DnsQuery(const Executor& executor, std::string n, DnsType t)
      : done(executor), name(std::move(n)), type(t) {}
  Signal done;  // notified once `finished`
  std::string name;
  DnsType type;
  std::uint16_t id = 0;
  bool finished = false;
  int status = 0;             // of c-ares
  unsigned server_rcode = 0;  // the last refusal of a server: SERVFAIL, NOTIMP, REFUSED
  std::string packet;         // with ARES_SUCCESS
  CaresResolver::Channel* channel = nullptr;
};

class CaresResolver::Channel : public std::enable_shared_from_this<CaresResolver::Channel> {
 public:
  static base::Result<std::shared_ptr<Channel>> make(const Executor& executor,
                                                     const CaresOptions& options);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Sends a query, after waiting when too many are in flight. The name is normalized.
  [[nodiscard]] Task<std::shared_ptr<DnsQuery>> ask(std::string name, DnsType type);
  // Destroys the c-ares channel; queries in flight finish as cancelled. Idempotent.
  void end();
  [[nodiscard]] std::size_t in_flight() const { return pending_.size(); }

  struct Socket;
  struct Callbacks;  // what c-ares calls; dns_channel.cpp

 private:
  struct Clockwork;  // the timer

  explicit Channel(const Executor& executor);
  base::Result<> open(const CaresOptions& options);
  base::Result<> set_servers(const CaresOptions& options);
  [[nodiscard]] std::uint16_t unused_id() const;
  void finish(DnsQuery& query, int status);
  void process(int read_fd, int write_fd);
  void refresh();
  void watch(const std::shared_ptr<Socket>& socket, bool write);
  void on_ready(const std::shared_ptr<Socket>& socket, bool write);
  void arm_timer();
  void note_refusal(const void* data, std::size_t size);

  Executor executor_;
  ares_channeldata* ares_ = nullptr;
  bool ended_ = false;
  bool inside_ = false;  // c-ares is on the stack
  std::unique_ptr<Clockwork> clockwork_;
  std::map<int, std::shared_ptr<Socket>> sockets_;
  std::unordered_map<std::uint16_t, std::shared_ptr<DnsQuery>> pending_;
  Signal room_;
};

}  // namespace posthouse::net
