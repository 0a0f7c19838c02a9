// What a POP3 session asks of the house: the password from accounts/, the maildrop from mailbox/,
// deletions through the queue's log. One object a connection, on the connection's shard.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "accounts/accounts.hpp"
#include "app/local_delivery.hpp"
#include "app/maildrop_adapter.hpp"
#include "app/snapshot.hpp"
#include "pop3d/ports.hpp"
#include "queue/manager.hpp"

namespace posthouse::app {

// Parts of the server that sessions use; all outlive them.
struct PopHouse {
  accounts::Accounts* accounts = nullptr;
  queue::Manager* queue = nullptr;  // on `owner`
  LocalDelivery* local = nullptr;   // note_removal() on `owner`
  net::Blocking* mailbox_pool = nullptr;
  net::Executor owner;

  explicit PopHouse(net::Executor queue_owner) : owner(std::move(queue_owner)) {}
};

// Records removals in the queue's log before names are unlinked, and tells the queue when they are.
class RemovalLog final : public Removals {
 public:
  explicit RemovalLog(const PopHouse& house) : house_(house) {}
  [[nodiscard]] net::Task<base::Result<std::uint64_t>> record(
      std::string box, std::vector<std::string> keys) override;
  [[nodiscard]] net::Task<> done(std::string box, std::uint64_t number) override;

 private:
  const PopHouse& house_;
};

class PopServices final : public pop3d::Maildrops {
 public:
  PopServices(const PopHouse& house, std::shared_ptr<const Snapshot> snapshot)
      : house_(house), snapshot_(std::move(snapshot)), removals_(house) {}

  [[nodiscard]] net::Task<pop3d::LoginOutcome> login(
      std::string user, base::Secret password, std::unique_ptr<pop3d::Maildrop>* drop) override;

 private:
  [[nodiscard]] std::string box_of(const mail::Address& account) const;

  const PopHouse& house_;
  std::shared_ptr<const Snapshot> snapshot_;
  RemovalLog removals_;
};

}  // namespace posthouse::app
