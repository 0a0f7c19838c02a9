// What an SMTP session asks of the house, over accounts, routing and queue, under the snapshot its
// connection began with. One object a connection, on the connection's shard.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "accounts/accounts.hpp"
#include "app/snapshot.hpp"
#include "base/disk.hpp"
#include "queue/body_writer.hpp"
#include "queue/manager.hpp"
#include "smtpd/ports.hpp"

namespace posthouse::app {

// Parts of the server that sessions use; all outlive them.
struct SmtpHouse {
  accounts::Accounts* accounts = nullptr;
  queue::Manager* queue = nullptr;      // on `owner`
  net::Blocking* large_pool = nullptr;  // writes large bodies
  base::Disk* disk = &base::system_disk();
  std::string large_directory;  // queue/large
  base::Random* random = nullptr;
  const base::Clock* clock = nullptr;
  net::Executor owner;
  // LIMIT: all bodies in memory together (docs/architecture.md).
  queue::BodyBudget budget{64ULL * 1024 * 1024};

  explicit SmtpHouse(net::Executor queue_owner) : owner(std::move(queue_owner)) {}
};

class SmtpServices final : public smtpd::RecipientOracle,
                           public smtpd::MailSink,
                           public smtpd::Authenticator {
 public:
  SmtpServices(SmtpHouse& house, std::shared_ptr<const Snapshot> snapshot)
      : house_(house), snapshot_(std::move(snapshot)) {}

  [[nodiscard]] net::Task<mail::Reply> verify(const smtpd::RcptQuery& query) override;

  [[nodiscard]] mail::Reply may_accept(std::uint64_t size) override;
  [[nodiscard]] base::MessageId new_id() override;
  [[nodiscard]] std::unique_ptr<smtpd::BodySink> new_body(const base::MessageId& id) override;
  [[nodiscard]] net::Task<mail::Reply> submit(smtpd::Submission submission) override;

  [[nodiscard]] net::Task<smtpd::AuthOutcome> verify(std::string user, base::Secret password,
                                                     std::string* canonical) override;

 private:
  // Routes with lookups answered by the accounts. `accepted`: the recipient was promised a place at
  // RCPT, so a user who vanished since then still gets the message.
  [[nodiscard]] forward::Resolution route(const mail::Address& rcpt, bool accepted) const;
  [[nodiscard]] std::vector<queue::Leaf> leaves_of(const std::vector<mail::Address>& rcpts) const;

  SmtpHouse& house_;
  std::shared_ptr<const Snapshot> snapshot_;
};

}  // namespace posthouse::app
