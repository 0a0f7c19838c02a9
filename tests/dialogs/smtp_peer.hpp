// The SMTP session core as the server of a dialogue, with a small house around it: users, mailboxes
// and a queue that answer at once and report what they saw as events. Options: README.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "smtpd/session.hpp"
#include "tests/dialogs/dialog.hpp"

namespace posthouse::dialogs {

class SmtpPeer final : public Peer {
 public:
  explicit SmtpPeer(const Dialog& dialog);

  void send(std::string_view octets) override;
  std::string take_output() override;
  [[nodiscard]] bool closed() const override { return step_ == smtpd::Step::close; }
  void start_tls() override;
  void trigger(const std::string& what) override;
  std::vector<std::string> take_events() override;

  [[nodiscard]] bool wants_tls() const { return step_ == smtpd::Step::start_tls; }
  // The names that may stand in braces in SMTP dialogues.
  [[nodiscard]] static Variables variables();

 private:
  static smtpd::SessionConfig make_config(const Dialog& dialog);
  static smtpd::PeerInfo make_peer(const Dialog& dialog);
  void perform(smtpd::Step step);
  smtpd::Step perform_one(smtpd::Step step);
  [[nodiscard]] mail::Reply space_reply(bool at_data) const;
  [[nodiscard]] mail::Reply rcpt_reply() const;
  smtpd::Step check_password();
  smtpd::Step store();

  const Dialog& dialog_;
  smtpd::SessionConfig config_;
  smtpd::Session session_;
  smtpd::Step step_ = smtpd::Step::read;
  std::string output_;
  std::string body_;
  bool body_open_ = false;
  std::vector<std::string> events_;
};

}  // namespace posthouse::dialogs
