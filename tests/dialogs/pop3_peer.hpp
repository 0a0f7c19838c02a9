// The POP3 session core as the server of a dialogue, with a maildrop in memory that answers at once
// and reports what it saw as events. One thread.
//
// Options of a dialogue: `tls: on|available|off` [available], `client: IP` [127.0.0.1],
// `message: TEXT` (repeat; escapes as in raw lines, CRLF line ends, message n has the UIDL uid-n),
// `login: down|busy`, `remove: down`. Events: `login NAME`, `slept SECONDS`, `removed NUMBERS`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pop3d/session.hpp"
#include "tests/dialogs/dialog.hpp"

namespace posthouse::dialogs {

class Pop3Peer final : public Peer {
 public:
  explicit Pop3Peer(const Dialog& dialog);

  void send(std::string_view octets) override;
  std::string take_output() override;
  [[nodiscard]] bool closed() const override { return step_ == pop3d::Step::Kind::close; }
  void start_tls() override;
  void trigger(const std::string& what) override;
  std::vector<std::string> take_events() override;

  // The names that may stand in braces in POP3 dialogues.
  [[nodiscard]] static Variables variables();

 private:
  static pop3d::SessionOptions options(const Dialog& dialog);
  void go_on();
  bool perform(const pop3d::Step& step);
  void login();
  void fetch(const pop3d::Step& step);
  void remove();

  const Dialog& dialog_;
  pop3d::Session session_;
  pop3d::Step::Kind step_ = pop3d::Step::Kind::read;
  std::vector<std::string> wires_;
  std::vector<pop3d::Listing> listing_;
  std::string output_;
  std::vector<std::string> events_;
};

}  // namespace posthouse::dialogs
