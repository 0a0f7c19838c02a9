// Carries out the steps of SMTP sessions on a stream: the coroutine of one connection, and the list
// of a shard's running sessions through which they are asked to stop. Everything here belongs to
// one shard's thread. app/ accepts the connection, fills ConnectionArgs and spawns serve().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "net/ports.hpp"
#include "smtpd/config.hpp"
#include "smtpd/ports.hpp"

namespace posthouse::smtpd {

// A running session as its shard sees it. Implemented in driver.cpp.
class RunningSession {
 public:
  RunningSession() = default;
  RunningSession(const RunningSession&) = delete;
  RunningSession& operator=(const RunningSession&) = delete;
  virtual void stop() = 0;   // 421 when idle, else after the transaction
  virtual void abort() = 0;  // closes the connection now

 protected:
  virtual ~RunningSession() = default;

 private:
  friend class Sessions;
  RunningSession* previous_ = nullptr;
  RunningSession* next_ = nullptr;
};

// The sessions of one shard. Must outlive them.
class Sessions {
 public:
  // `prefix` begins every session id of the log, so that shards do not share ids ("0-", "1-", …).
  explicit Sessions(std::string_view prefix = {}) : prefix_(prefix) {}
  ~Sessions();
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  // Idle sessions answer 421 4.3.2 and close; the others finish their transaction first. Sessions
  // that begin later are told the same at once. To be called on the shard's thread.
  void stop_all();
  // Ends what is left, for when the time for running transactions is over.
  void abort_all();
  [[nodiscard]] std::size_t size() const { return size_; }

  void add(RunningSession& session);
  void remove(RunningSession& session);
  [[nodiscard]] bool stopping() const { return stopping_; }
  [[nodiscard]] std::string next_id();

 private:
  std::string prefix_;
  std::uint64_t count_ = 0;
  std::size_t size_ = 0;
  bool stopping_ = false;
  RunningSession* first_ = nullptr;
};

// What sessions of a shard use together. All of it outlives them.
struct Services {
  RecipientOracle* oracle = nullptr;
  MailSink* sink = nullptr;
  Authenticator* authenticator = nullptr;
  net::Timer* timer = nullptr;
  Sessions* sessions = nullptr;
};

struct ConnectionArgs {
  std::unique_ptr<net::Stream> stream;
  std::shared_ptr<const SessionConfig> config;  // of the moment the connection came in
  std::shared_ptr<net::TlsServer> tls;          // needed for config->starttls and implicit_tls
  Services services;
  bool implicit_tls = false;  // port 465
  bool trusted = false;       // the client's address is in forward_from_ip

  ConnectionArgs(std::unique_ptr<net::Stream> s, std::shared_ptr<const SessionConfig> c,
                 const Services& shared)
      : stream(std::move(s)), config(std::move(c)), services(shared) {}
};

// Time-outs of the server. RFC 5321 4.5.3.2.7 asks for at least five minutes for a command; a block
// of a body gets the same. The clock of a command starts with the last reply, not with each octet.
inline constexpr std::chrono::minutes kCommandTimeout{5};
inline constexpr std::chrono::minutes kHandshakeTimeout{1};
// While a message is being stored; clients wait ten minutes (RFC 5321 4.5.3.2.6).
inline constexpr std::chrono::minutes kCommitTimeout{15};
inline constexpr std::chrono::seconds kFarewellTimeout{5};  // for the last reply before we close

// Runs one connection from greeting to close. Spawn it (net::spawn) on the shard that owns the
// stream. Returns when the connection is over; a message not answered yet was then not submitted,
// or its submission goes on and is answered nowhere (RFC 5321 4.2.5 lets the client send it again).
[[nodiscard]] net::Task<> serve(ConnectionArgs args);

}  // namespace posthouse::smtpd
