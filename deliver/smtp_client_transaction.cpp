// One message on its way: MAIL, RCPT, DATA or BDAT, and the answers to them (RFC 5321 3.3, RFC
// 3030; order and groups RFC 2920). Part of SmtpClient, see smtp_client.hpp.
#include <algorithm>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "deliver/smtp_client.hpp"
#include "deliver/smtp_client_outcome.hpp"
#include "deliver/smtp_client_state.hpp"

namespace posthouse::deliver {

namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// Nothing that could end a command line or a path early may come into a command.
bool is_sendable(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

// A parameter value (RFC 5321 4.1.2 esmtp-value). What the server lets in is one; this is the last
// door before the wire.
bool is_parameter_value(std::string_view text) {
  return is_sendable(text) && text.find_first_of(" =") == std::string_view::npos;
}

}  // namespace

void SmtpClient::decide(Transaction& t, std::size_t index, const RcptOutcome& outcome) {
  if (t.states[index] == RcptState::decided) {
    return;
  }
  t.states[index] = RcptState::decided;
  t.outcomes[index] = outcome;
}

void SmtpClient::decide_all(Transaction& t, const RcptOutcome& outcome) {
  for (std::size_t i = 0; i < t.states.size(); ++i) {
    decide(t, i, outcome);
  }
}

// In lock-step one command at a time; else as many as a group may hold.
bool SmtpClient::may_send() const {
  return expected_.empty() || (pipelining() && group_octets_ < kMaxGroupOctets);
}

std::optional<ClientStep> SmtpClient::drive(Transaction& t) {
  using Stage = Transaction::Stage;
  switch (t.stage) {
    case Stage::check:
      check(t);
      return std::nullopt;
    case Stage::converting:
      return wait(Pending::convert, ClientStep::convert);
    case Stage::mail:
      if (!may_send()) {
        break;
      }
      send_mail(t);
      return std::nullopt;
    case Stage::rcpts:
      if (send_rcpts(t)) {
        return std::nullopt;
      }
      break;
    case Stage::all_rcpts:
      if (after_rcpts(t)) {
        return std::nullopt;
      }
      break;
    case Stage::body:
      return drive_body(t);
    case Stage::data_sent:
    case Stage::sent:
    case Stage::done:
      break;
  }
  PH_ASSERT(!expected_.empty(), "reading needs an answer that must come");
  return wait(Pending::read, ClientStep::read);
}

// What can be known before the first command: addresses, SMTPUTF8, SIZE, the need to convert.
void SmtpClient::check(Transaction& t) {
  using Stage = Transaction::Stage;
  const ClientMessage& m = *t.message;
  t.stage = Stage::done;
  if (!is_sendable(m.reverse_path.text())) {
    decide_all(t, own_outcome(Phase::mail, Scope::message, "5.1.7", "the sender's address is bad"));
    return;
  }
  for (std::size_t i = 0; i < m.rcpts.size(); ++i) {
    if (m.rcpts[i].address.empty() || !is_sendable(m.rcpts[i].address.text())) {
      decide(t, i, own_outcome(Phase::rcpt, Scope::recipient, "5.1.3", "the address is bad"));
    }
  }
  if (capabilities_.max_size != 0 && t.size > capabilities_.max_size) {
    // RFC 1870 6.2: no use in sending it.
    decide_all(t, own_outcome(Phase::mail, Scope::message, "5.3.4",
                              "the message of " + std::to_string(t.size) +
                                  " octets is larger than the peer takes (" +
                                  std::to_string(capabilities_.max_size) + ")"));
    return;
  }
  if (!check_utf8(t)) {
    return;
  }
  if (t.eight_bit && !capabilities_.eight_bit_mime && !t.converted) {
    t.stage = Stage::converting;  // RFC 6152 3
    return;
  }
  t.eager = pipelining() && chunking() && t.size != 0 && t.size <= kEagerOctets;
  t.stage = Stage::mail;
}

// RFC 6531 3.3: addresses or header beyond ASCII go to peers with SMTPUTF8 only. Domains are kept
// as A-labels, so a domain alone never needs it. False when nobody is left to send to.
bool SmtpClient::check_utf8(Transaction& t) {
  const ClientMessage& m = *t.message;
  const bool sender = !is_ascii(m.reverse_path.text());
  t.utf8 = m.utf8_header || sender;
  const bool offered = capabilities_.smtp_utf8;
  if (t.utf8 && !offered) {
    decide_all(t, own_outcome(Phase::mail, Scope::message, "5.6.7",
                              m.utf8_header ? "the header needs SMTPUTF8, which the peer lacks"
                                            : "the sender needs SMTPUTF8, which the peer lacks"));
    return false;
  }
  bool any = false;
  for (std::size_t i = 0; i < m.rcpts.size(); ++i) {
    if (t.states[i] == RcptState::decided) {
      continue;
    }
    const bool wants = !is_ascii(m.rcpts[i].address.text());
    if (wants && !offered) {
      decide(t, i,
             own_outcome(Phase::rcpt, Scope::recipient, "5.6.7",
                         "the address needs SMTPUTF8, which the peer lacks"));
      continue;
    }
    t.utf8 = t.utf8 || wants;
    any = true;
  }
  return any;
}

ClientStep SmtpClient::on_converted(std::uint64_t size) {
  PH_ASSERT(pending_ == Pending::convert, "no conversion was asked for");
  current_->converted = true;
  current_->eight_bit = false;
  current_->size = size;
  current_->stage = Transaction::Stage::check;  // the size is another one now
  return pump({});
}

ClientStep SmtpClient::on_not_convertible(std::string_view why) {
  PH_ASSERT(pending_ == Pending::convert, "no conversion was asked for");
  decide_all(*current_, own_outcome(Phase::mail, Scope::message, "5.6.1",
                                    "the peer takes 7-bit messages only: " + std::string(why)));
  current_->stage = Transaction::Stage::done;
  return pump({});
}

std::string SmtpClient::mail_command(const Transaction& t) const {
  const ClientMessage& m = *t.message;
  std::string line = "MAIL FROM:<" + m.reverse_path.text() + ">";
  if (capabilities_.size && t.size != 0) {
    line += " SIZE=" + std::to_string(t.size);
  }
  if (capabilities_.eight_bit_mime && (t.eight_bit || m.utf8_header)) {
    line += " BODY=8BITMIME";
  }
  if (t.utf8) {
    line += " SMTPUTF8";
  }
  if (capabilities_.dsn) {
    mail::DsnMail dsn = m.dsn;
    if (!is_parameter_value(dsn.envid)) {
      dsn.envid.clear();
    }
    line += mail::format_dsn_params(dsn);
  }
  return line;
}

std::string SmtpClient::rcpt_command(const Transaction& t, const ClientRcpt& rcpt) const {
  std::string line = "RCPT TO:<" + rcpt.address.text() + ">";
  if (capabilities_.dsn) {
    mail::DsnRcpt dsn = rcpt.dsn;
    if (!is_parameter_value(dsn.orcpt)) {
      dsn.orcpt.clear();
    }
    line += mail::format_dsn_params(dsn, t.utf8);
  }
  return line;
}

void SmtpClient::send_mail(Transaction& t) {
  // A peer that refuses the last chunk of the message before may keep that transaction open
  // (RFC 3030 2), and its answer is not here yet.
  const bool doubtful = finishing_ && chunking() && !finishing_->reset_follows;
  if (need_reset_ || doubtful) {
    need_reset_ = false;
    if (doubtful) {
      finishing_->reset_follows = true;
    }
    command("RSET", Expected{Kind::reset});
    return;
  }
  command(mail_command(t), Expected{Kind::mail, 0, &t});
  t.stage = Transaction::Stage::rcpts;
}

// True when the stage was left.
bool SmtpClient::send_rcpts(Transaction& t) {
  for (; t.next < t.states.size(); ++t.next) {
    if (t.refused) {
      t.stage = Transaction::Stage::done;
      return true;
    }
    if (t.states[t.next] == RcptState::decided) {
      continue;
    }
    if (!may_send()) {
      return false;
    }
    t.states[t.next] = RcptState::sent;
    command(rcpt_command(t, t.message->rcpts[t.next]),
            Expected{Kind::rcpt, static_cast<std::uint32_t>(t.next), &t});
  }
  t.stage = Transaction::Stage::all_rcpts;
  return true;
}

// True when the stage was left.
bool SmtpClient::after_rcpts(Transaction& t) {
  using Stage = Transaction::Stage;
  const bool answered = t.outstanding == 0;
  if (t.refused) {
    t.stage = Stage::done;
    return true;
  }
  if (answered && t.accepted == 0) {
    need_reset_ = true;  // the peer has a sender and nobody to send to
    t.stage = Stage::done;
    return true;
  }
  if (t.eager || (chunking() && answered)) {
    t.stage = Stage::body;
    return true;
  }
  if (chunking() || !may_send() || (!answered && !pipelining())) {
    return false;
  }
  command("DATA", Expected{Kind::data, 0, &t});  // RFC 2920 3.1: the last of its group
  t.stage = Stage::data_sent;
  return true;
}

std::optional<ClientStep> SmtpClient::drive_body(Transaction& t) {
  if (t.refused) {
    give_up_body(t);
    return std::nullopt;
  }
  if (output_.size() >= kWriteAhead) {
    return wait(Pending::write, ClientStep::write);
  }
  const std::size_t ahead = pipelining() ? kMaxChunksAhead : 1;
  if (t.chunks_outstanding >= ahead) {
    return wait(Pending::read, ClientStep::read);
  }
  return wait(Pending::body, ClientStep::need_body);
}

ClientStep SmtpClient::on_body(std::string_view piece, bool last) {
  PH_ASSERT(pending_ == Pending::body, "no body was asked for");
  Transaction& t = *current_;
  if (chunking()) {
    t.to_crlf.feed(piece, t.chunk);
    if (last || t.chunk.size() >= kChunkOctets) {
      flush_chunk(t, last);
    }
  } else {
    t.dots.feed(piece, output_);
    if (last) {
      t.dots.finish(output_);
      expected_.push_back(Expected{Kind::last, 0, &t});
      ++t.outstanding;
    }
  }
  if (last) {
    t.last_sent = true;
    t.stage = Transaction::Stage::sent;
  }
  return pump({});
}

// RFC 3030 2
void SmtpClient::flush_chunk(Transaction& t, bool last) {
  const std::string line = "BDAT " + std::to_string(t.chunk.size()) + (last ? " LAST" : "");
  command(line, Expected{last ? Kind::last : Kind::chunk, 0, &t});
  t.chunks_outstanding += last ? 0 : 1;
  output_ += t.chunk;
  t.chunk.clear();
}

ClientStep SmtpClient::on_body_failed(std::string_view why) {
  PH_ASSERT(pending_ == Pending::body, "no body was asked for");
  Transaction& t = *current_;
  RcptOutcome outcome = own_outcome(Phase::body, Scope::message, "4.3.0",
                                    "our copy of the message cannot be read: " + std::string(why));
  decide_all(t, outcome);
  if (chunking()) {
    t.refused = true;
  } else {
    // Only closing the connection keeps the peer from taking half a message for a whole one.
    outcome = own_outcome(Phase::body, Scope::host, "4.3.0",
                          "the connection was closed because another message could not be read");
    outcome.untried = true;
    fail_session(std::move(outcome), false);
  }
  return pump({});
}

void SmtpClient::give_up_body(Transaction& t) {
  need_reset_ = t.mail_accepted || !t.mail_answered;
  t.chunk.clear();
  t.stage = Transaction::Stage::done;
}

void SmtpClient::on_transaction_reply(const Expected& expected, const mail::Reply& reply) {
  Transaction& t = *expected.transaction;
  switch (expected.kind) {
    case Kind::mail:
      on_mail_reply(t, reply);
      break;
    case Kind::rcpt:
      on_rcpt_reply(t, expected.rcpt, reply);
      break;
    case Kind::data:
      on_data_reply(t, reply);
      break;
    case Kind::chunk:
      --t.chunks_outstanding;
      if (reply.code >= 400) {
        // RFC 3030 4.2: the whole transaction has failed.
        decide_all(t, outcome_of(reply, Phase::body, Scope::message));
        t.refused = true;
      }
      break;
    default:
      on_last_reply(t, reply);
      break;
  }
}

void SmtpClient::on_mail_reply(Transaction& t, const mail::Reply& reply) {
  t.mail_answered = true;
  ++answered_;
  t.mail_accepted = reply.code < 300;
  if (!t.mail_accepted) {
    decide_all(t, outcome_of(reply, Phase::mail, Scope::message));
    t.refused = true;
  }
}

void SmtpClient::on_rcpt_reply(Transaction& t, std::size_t index, const mail::Reply& reply) {
  if (t.states[index] == RcptState::decided) {
    return;  // with the sender, or by a chunk that failed
  }
  if (reply.code < 300) {
    t.states[index] = RcptState::accepted;
    ++t.accepted;
    return;
  }
  RcptOutcome outcome = outcome_of(reply, Phase::rcpt, Scope::recipient);
  const bool says_so = reply.enhanced.ends_with(".5.3");
  const bool likely = reply.enhanced.empty() && t.accepted != 0;
  if ((reply.code == 452 || reply.code == 552) && (says_so || likely)) {
    outcome = deferred(outcome);  // RFC 5321 4.5.3.1.10: 552 means 452 here
    outcome.too_many = true;
  }
  decide(t, index, outcome);
}

void SmtpClient::on_data_reply(Transaction& t, const mail::Reply& reply) {
  using Stage = Transaction::Stage;
  if (reply.code < 300) {
    ++t.outstanding;  // as if it had not come
    expected_.push_front(Expected{Kind::data, 0, &t});
    fail_protocol("the reply does not fit the command");
    return;
  }
  if (reply.code >= 400) {
    decide_all(t, outcome_of(reply, Phase::data, Scope::message));
    need_reset_ = t.mail_accepted;
    t.stage = Stage::done;
    return;
  }
  if (t.accepted != 0) {
    t.stage = Stage::body;
    return;
  }
  // RFC 2920 3.1: nobody was accepted and yet the peer waits for a message: an empty one.
  command(".", Expected{Kind::last, 0, &t});
  need_reset_ = true;
  t.stage = Stage::done;
}

void SmtpClient::on_last_reply(Transaction& t, const mail::Reply& reply) {
  RcptOutcome outcome = outcome_of(reply, Phase::final_reply, Scope::message);
  outcome.peer_does_dsn = reply.code < 300 && capabilities_.dsn;
  decide_all(t, outcome);
  if (chunking() && reply.code >= 400 && !t.reset_follows) {
    need_reset_ = true;
  }
  t.stage = Transaction::Stage::done;
}

void SmtpClient::break_off(Transaction& t, const RcptOutcome& why) {
  RcptOutcome outcome = why;
  // 421 says that nothing after it was looked at; any other end leaves it open.
  if (t.last_sent && why.code != 421) {
    outcome.phase = Phase::final_reply;
    outcome.perhaps_delivered = true;
    outcome.text += "; the whole message was sent, perhaps it was delivered";
  }
  // What ends a connection (a 5xx to RSET, say) is no verdict on the message that waits for it.
  outcome = deferred(outcome);
  outcome.untried = !t.mail_answered && answered_ != 0 && !outcome.perhaps_delivered;
  decide_all(t, outcome);
  t.outstanding = 0;
  t.stage = Transaction::Stage::done;
}

const ClientMessage& SmtpClient::body_message() const {
  PH_ASSERT(current_ != nullptr, "no message is being sent");
  return *current_->message;
}

MessageResult SmtpClient::take_result() {
  PH_ASSERT(finished_ != nullptr, "there is no result");
  MessageResult result;
  result.message = finished_->message;
  result.rcpts = std::move(finished_->outcomes);
  finished_.reset();
  return result;
}

}  // namespace posthouse::deliver
