// What the driver tests share: a house of fakes in virtual time, and a stream that the test holds
// in its hand.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "smtpd/driver.hpp"
#include "tests/sim/lib/sim_net.hpp"
#include "tests/sim/lib/world.hpp"

namespace posthouse::smtpd::testing {

// alice and bob live here; every answer takes a little virtual time.
class House final : public RecipientOracle, public MailSink, public Authenticator {
 public:
  struct Stored {
    mail::Envelope envelope;
    std::vector<mail::Address> rcpts;
    std::string trace;
    std::string body;
    std::string id;
  };

  explicit House(sim::World& w) : world(w), sessions("t-") {}

  net::Task<mail::Reply> verify(const RcptQuery& query) override;
  mail::Reply may_accept(std::uint64_t size) override;
  base::MessageId new_id() override { return {++ids, 7}; }
  std::unique_ptr<BodySink> new_body(const base::MessageId& id) override;
  net::Task<mail::Reply> submit(Submission submission) override;
  net::Task<AuthOutcome> verify(std::string user, base::Secret password,
                                std::string* canonical) override;

  [[nodiscard]] Services services();
  [[nodiscard]] net::Task<> pause(base::Duration time);

  sim::World& world;
  Sessions sessions;
  std::shared_ptr<SessionConfig> config = std::make_shared<SessionConfig>();
  std::vector<Stored> stored;
  std::vector<std::uint64_t> asked_sizes;
  mail::Reply answer{250, "2.0.0", "queued"};
  base::Duration store_time = std::chrono::milliseconds(3);
  std::size_t in_memory = 128 * 1024;  // a body asks to wait beyond that
  std::uint64_t ids = 0;
  int bodies = 0;  // alive
  int bodies_begun = 0;
  int slow_appends = 0;
  int logins = 0;
};

// A stream without a network: the test gives octets, sees each write, and decides when it ends.
// Follows the contract of soft deadlines.
class HandStream final : public net::Stream {
 public:
  struct State {
    explicit State(sim::World& w) : world(w), slot(std::make_shared<sim::WaitSlot>(w)) {}
    sim::World& world;
    std::shared_ptr<sim::WaitSlot> slot;
    std::vector<std::string> input;   // pieces, each read by one read()
    std::vector<std::string> writes;  // one per write()
    bool eof = false;
    bool closed = false;
    bool tls = false;
    bool reading = false;
    bool fail_writes = false;
    base::MonoTime deadline = base::MonoTime::max();
    int deadlines = 0;
    net::Endpoint peer{net::IpAddress::v4(0x7f000001), 40000};
    net::Endpoint local{net::IpAddress::v4(0x7f000001), 25};

    void give(std::string piece) {
      input.push_back(std::move(piece));
      slot->wake();
    }
    [[nodiscard]] std::string written() const {
      std::string all;
      for (const std::string& piece : writes) {
        all += piece;
      }
      return all;
    }
  };

  explicit HandStream(std::shared_ptr<State> state) : state_(std::move(state)) {}
  net::Task<base::Result<std::string_view>> read() override;
  net::Task<base::Result<>> write(std::string_view data) override;
  net::Task<base::Result<net::TlsInfo>> start_tls(std::shared_ptr<net::TlsServer> server) override;
  void set_deadline(base::MonoTime when) override;
  void set_soft_deadline(base::MonoTime when) override { set_deadline(when); }
  void close() override;
  const net::Endpoint& peer() const override { return state_->peer; }
  const net::Endpoint& local() const override { return state_->local; }

 private:
  std::shared_ptr<State> state_;
  std::string buffer_;
};

}  // namespace posthouse::smtpd::testing
