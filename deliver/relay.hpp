// The relay driver: carries messages to one next hop over one connection. Performs the steps of the
// SMTP client core (smtp_client.hpp) on a stream, asks its caller for messages and their octets,
// and reports each message as soon as its last answer is there. Runs on the executor of its caller,
// which is also the thread of all callbacks. Whatever happens, every message that next() gave comes
// back through finished() exactly once before relay() returns; messages that were not asked for
// have not been touched, and RelayReport::failure says what happened to the connection instead.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.hpp"
#include "base/result.hpp"
#include "deliver/smtp_client_types.hpp"
#include "net/ports.hpp"
#include "net/sasl.hpp"

namespace posthouse::deliver {

// The octets of one message, read from the beginning once.
class BodySource {
 public:
  virtual ~BodySource() = default;
  // The whole message, when it lies in memory: nothing else is called then. The view must live as
  // long as the source.
  [[nodiscard]] virtual std::optional<std::string_view> memory() { return std::nullopt; }
  // The next octets, at least one; empty at the end. The view lives until the next call.
  [[nodiscard]] virtual net::Task<base::Result<std::string_view>> read() = 0;
};

// What is to be carried: written by whoever calls relay().
class RelayWork {
 public:
  virtual ~RelayWork() = default;
  // The next message for this hop, nullptr when there is none now. It stays as it is until
  // finished() had it.
  [[nodiscard]] virtual const ClientMessage* next() = 0;
  // The octets of a message that next() gave, from the beginning; asked for again when recipients
  // need a second transaction.
  [[nodiscard]] virtual std::unique_ptr<BodySource> open_body(const ClientMessage& message) = 0;
  // The outcome of a message. The message may go away afterwards.
  virtual void finished(MessageResult result) = 0;
  // There was no message and nothing is outstanding. True: ask next() again. False: say QUIT. The
  // connection stays open and idle meanwhile.
  [[nodiscard]] virtual net::Task<bool> wait_for_more();
};

// One host at one address.
struct RelayHop {
  std::string host;  // name for TLS and logs; the address when there is no name
  net::Endpoint endpoint;
  ClientTls tls = ClientTls::may;
  bool implicit_tls = false;                                // TLS comes before the greeting
  std::shared_ptr<const net::SaslCredentials> credentials;  // of a gateway, or null
  bool auth_without_tls = false;  // else passwords go without TLS to loopback addresses only
};

struct RelayOptions {
  std::string helo_name = "localhost";
  ClientTimeouts timeouts;
  std::chrono::seconds connect_timeout{30};
  std::size_t max_convert = 16UL << 20U;  // LIMIT: octets of a message that is made 7-bit in memory
  bool use_chunking = true;
};

// Stops a running relay() from the same thread. May be destroyed after it only.
class RelayControl {
 public:
  void stop() { stopping_ = true; }  // what was begun is finished, nothing new is asked for
  void abort();                      // closes the connection now
  [[nodiscard]] bool stopping() const { return stopping_; }

 private:
  friend class RelaySession;
  net::Stream* stream_ = nullptr;
  bool stopping_ = false;
};

// What the relay uses; all of it outlives relay().
struct RelayServices {
  net::Dialer& dialer;
  net::Timer& timer;
  base::Random& random;
  std::shared_ptr<net::TlsClient> tls;  // null: no TLS is possible, "may" means none
  RelayServices(net::Dialer& d, net::Timer& t, base::Random& r, std::shared_ptr<net::TlsClient> c)
      : dialer(d), timer(t), random(r), tls(std::move(c)) {}
};

// How the connection was, and how it ended.
struct RelayReport {
  bool connected = false;
  bool ready = false;         // greeting, EHLO, TLS and AUTH succeeded
  std::size_t messages = 0;   // that got an outcome from the peer, or one of ours about them
  bool tls_given_up = false;  // an opportunistic handshake failed; a second connection went without
  std::optional<net::TlsInfo> tls;
  std::string peer_name;               // as the peer calls itself in its answer to EHLO
  net::Endpoint local;                 // our end
  std::optional<RcptOutcome> failure;  // empty when it ended with QUIT
};

// `work` and `control` (may be null) outlive the call.
struct RelayArgs {
  RelayHop hop;
  RelayOptions options;
  RelayServices services;
  RelayWork& work;
  RelayControl* control = nullptr;
  RelayArgs(RelayHop h, RelayOptions o, RelayServices s, RelayWork& w, RelayControl* c = nullptr)
      : hop(std::move(h)), options(std::move(o)), services(std::move(s)), work(w), control(c) {}
};
[[nodiscard]] net::Task<RelayReport> relay(RelayArgs args);

// A fixed list of messages in memory: the plain case, and an example of RelayWork.
struct RelayItem {
  ClientMessage message;
  std::shared_ptr<const std::string> text;
};
struct RelayListReport {
  RelayReport connection;
  // One for each item and recipient. An item that was never begun has the outcome of the
  // connection, or a deferred one with `untried` when that ended well.
  std::vector<std::vector<RcptOutcome>> outcomes;
};
struct RelayListArgs {
  RelayHop hop;
  RelayOptions options;
  RelayServices services;
  std::vector<RelayItem> items;
  RelayListArgs(RelayHop h, RelayOptions o, RelayServices s, std::vector<RelayItem> i)
      : hop(std::move(h)), options(std::move(o)), services(std::move(s)), items(std::move(i)) {}
};
[[nodiscard]] net::Task<RelayListReport> relay_list(RelayListArgs args);

}  // namespace posthouse::deliver
