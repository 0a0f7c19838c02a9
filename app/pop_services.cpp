// Logins and removals of POP3 sessions; on the session's shard, hopping to the queue's owner.
#include "app/pop_services.hpp"

#include "base/log.hpp"

namespace posthouse::app {
namespace {

net::Task<> note_done(const PopHouse* house, std::string box, std::uint64_t number) {
  house->local->note_removal(box);
  house->queue->removal_done(number);
  co_return;
}

}  // namespace

net::Task<base::Result<std::uint64_t>> RemovalLog::record(std::string box,
                                                          std::vector<std::string> keys) {
  auto recording = house_.queue->remove_from_box(std::move(box), std::move(keys));
  return net::run_on(house_.owner, std::move(recording));
}

net::Task<> RemovalLog::done(std::string box, std::uint64_t number) {
  return net::run_on(house_.owner, note_done(&house_, std::move(box), number));
}

std::string PopServices::box_of(const mail::Address& account) const {
  const auto domain = snapshot_->tables->find_domain(account.domain);
  if (!domain) return {};
  auto box = snapshot_->box_of(forward::LocalTarget{account, *domain});
  return box ? *std::move(box) : std::string();
}

net::Task<pop3d::LoginOutcome> PopServices::login(std::string user, base::Secret password,
                                                  std::unique_ptr<pop3d::Maildrop>* drop) {
  const auto account = accounts::canonical_login(user, snapshot_->logins);
  if (!account) co_return pop3d::LoginOutcome::refused;
  auto verifying = house_.accounts->verify(*account, std::move(password));
  const accounts::Verdict verdict = co_await std::move(verifying);
  if (verdict == accounts::Verdict::refused) co_return pop3d::LoginOutcome::refused;
  if (verdict == accounts::Verdict::unavailable) co_return pop3d::LoginOutcome::unavailable;
  const std::string box = box_of(*account);
  if (box.empty()) {
    base::log_event(base::LogLevel::error, "app", "-", "user without a mailbox",
                    {{"user", account->text()}});
    co_return pop3d::LoginOutcome::unavailable;
  }
  auto opening = open_maildrop(house_.local->store(), *house_.mailbox_pool, removals_, box);
  auto opened = co_await std::move(opening);
  if (opened) {
    *drop = *std::move(opened);
    co_return pop3d::LoginOutcome::ok;
  }
  if (opened.error().code == std::errc::device_or_resource_busy) {
    co_return pop3d::LoginOutcome::in_use;
  }
  base::log_event(base::LogLevel::error, "app", "-",
                  "cannot open a maildrop: " + opened.error().message(),
                  {{"user", account->text()}});
  co_return pop3d::LoginOutcome::unavailable;
}

}  // namespace posthouse::app
