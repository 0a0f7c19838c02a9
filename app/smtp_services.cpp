// Recipients, bodies, submission and logins of SMTP sessions; on the session's shard.
#include "app/smtp_services.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/text.hpp"

namespace posthouse::app {
namespace {

forward::UserState to_state(accounts::Lookup lookup) {
  switch (lookup) {
    case accounts::Lookup::exists:
      return forward::UserState::exists;
    case accounts::Lookup::missing:
      return forward::UserState::missing;
    case accounts::Lookup::unavailable:
      break;
  }
  return forward::UserState::unavailable;
}

mail::Reply stored_reply(const base::Result<>& stored, const std::string& id) {
  if (stored) return mail::Reply(250, "2.0.0", "queued as " + id);
  if (stored.error().code == std::errc::no_space_on_device) {
    return mail::Reply(452, "4.3.1", "no space left, try again later");
  }
  // Local trouble is never answered 5xx (docs/testing.md).
  return mail::Reply(451, "4.3.0", "cannot store the message now, try again later");
}

}  // namespace

forward::Resolution SmtpServices::route(const mail::Address& rcpt, bool accepted) const {
  forward::Lookups lookups;
  forward::Resolution resolution = forward::resolve(*snapshot_->tables, rcpt, lookups);
  // Each call may ask for one more user (a postmaster leads to sysadmin).
  for (int round = 0; !resolution.needs.empty() && round < 4; ++round) {
    for (const auto& need : resolution.needs) {
      lookups.users[need.key()] = to_state(house_.accounts->lookup(need));
    }
    resolution = forward::resolve(*snapshot_->tables, rcpt, lookups);
  }
  if (accepted && resolution.refusal) {
    for (auto& [key, state] : lookups.users) state = forward::UserState::exists;
    resolution = forward::resolve(*snapshot_->tables, rcpt, lookups);
  }
  return resolution;
}

net::Task<mail::Reply> SmtpServices::verify(const smtpd::RcptQuery& query) {
  forward::Resolution resolution = route(query.rcpt, false);
  if (resolution.refusal) co_return std::move(*resolution.refusal);
  for (const auto& target : resolution.targets) {
    const auto box = snapshot_->box_of(target);
    if (box) continue;
    base::log_event(base::LogLevel::error, "app", "-",
                    "user without a mailbox: " + std::string(mailbox::describe(box.error())),
                    {{"user", target.account.text()}});
    co_return mail::Reply(451, "4.3.0", "this user's mailbox has no usable name, try again later");
  }
  co_return mail::Reply(250, "2.1.5", "recipient ok");
}

mail::Reply SmtpServices::may_accept(std::uint64_t size) {
  if (house_.queue->may_accept(size) == queue::Admission::ok)
    return mail::Reply(250, "2.0.0", "ok");
  return mail::Reply(452, "4.3.1", "no space left, try again later");
}

base::MessageId SmtpServices::new_id() {
  return base::new_message_id(house_.clock->wall(), *house_.random);
}

namespace {

// The queue's body writer behind the session's interface.
class Body final : public smtpd::BodySink {
 public:
  Body(SmtpHouse& house, const base::MessageId& id)
      : writer_(queue::BodyWriterDeps{*house.disk, *house.large_pool, house.budget}, options(house),
                id) {}
  net::Task<> append(std::string& chunk) override { return writer_.append(chunk); }
  bool try_append(std::string_view chunk) override { return writer_.try_append(chunk); }
  queue::BodyWriter& writer() { return writer_; }

 private:
  static queue::BodyWriterOptions options(const SmtpHouse& house) {
    queue::BodyWriterOptions options;
    options.large_directory = house.large_directory;
    return options;
  }

  queue::BodyWriter writer_;
};

}  // namespace

std::unique_ptr<smtpd::BodySink> SmtpServices::new_body(const base::MessageId& id) {
  return std::make_unique<Body>(house_, id);
}

std::vector<queue::Leaf> SmtpServices::leaves_of(const std::vector<mail::Address>& rcpts) const {
  std::vector<queue::Leaf> leaves;
  for (const auto& rcpt : rcpts) {
    for (const auto& target : route(rcpt, true).targets) {
      auto box = snapshot_->box_of(target);
      if (!box) continue;  // refused at RCPT
      // One copy for each mailbox, however many recipients lead to it.
      const bool known = std::any_of(leaves.begin(), leaves.end(),
                                     [&](const queue::Leaf& leaf) { return leaf.box == *box; });
      if (known) continue;
      queue::Leaf leaf;
      leaf.number = static_cast<std::uint32_t>(leaves.size());
      leaf.rcpt = rcpt;
      leaf.target = target.account;
      leaf.box = *std::move(box);
      leaves.push_back(std::move(leaf));
    }
  }
  return leaves;
}

net::Task<mail::Reply> SmtpServices::submit(smtpd::Submission submission) {
  auto& writer = static_cast<Body&>(*submission.body).writer();
  net::Task<base::Result<queue::Content>> finishing = writer.finish(std::move(submission.trace));
  base::Result<queue::Content> content = co_await std::move(finishing);
  const std::string id = base::format_message_id(submission.id);
  if (!content) co_return stored_reply(tl::unexpected(content.error()), id);
  queue::Message message;
  message.id = submission.id;
  message.arrival = house_.clock->wall();
  message.leaves = leaves_of(submission.rcpts);
  message.envelope = std::move(submission.envelope);
  message.content = *std::move(content);
  net::Task<base::Result<>> storing = house_.queue->submit(std::move(message));
  net::Task<base::Result<>> on_owner = net::run_on(house_.owner, std::move(storing));
  const base::Result<> stored = co_await std::move(on_owner);
  co_return stored_reply(stored, id);
}

net::Task<smtpd::AuthOutcome> SmtpServices::verify(std::string user, base::Secret password,
                                                   std::string* canonical) {
  const auto address = accounts::canonical_login(user, snapshot_->logins);
  if (!address) co_return smtpd::AuthOutcome::refused;
  net::Task<accounts::Verdict> verifying = house_.accounts->verify(*address, std::move(password));
  const accounts::Verdict verdict = co_await std::move(verifying);
  switch (verdict) {
    case accounts::Verdict::accepted:
      *canonical = address->text();
      co_return smtpd::AuthOutcome::accepted;
    case accounts::Verdict::refused:
      co_return smtpd::AuthOutcome::refused;
    case accounts::Verdict::unavailable:
      break;
  }
  co_return smtpd::AuthOutcome::unavailable;
}

}  // namespace posthouse::app
