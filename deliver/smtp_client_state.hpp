// Private parts of the SMTP client: one transaction. Included by smtp_client*.cpp only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "deliver/smtp_client.hpp"

namespace posthouse::deliver {

inline constexpr std::size_t kMaxGroupOctets = 8192;  // LIMIT: commands sent before we listen; both
                                                      // sides' buffers hold it (RFC 2920 3.1)
inline constexpr std::size_t kWriteAhead = 65536;     // octets of a body gathered for one write
inline constexpr std::size_t kChunkOctets = 65536;    // size of a BDAT chunk
inline constexpr std::size_t kMaxChunksAhead = 8;     // LIMIT: chunks sent without an answer
inline constexpr std::uint64_t kEagerOctets = 32768;  // a message up to this goes with its envelope

enum class RcptState : std::uint8_t { unsent, sent, accepted, decided };

struct SmtpClient::Transaction {
  enum class Stage : std::uint8_t {
    check,       // nothing said yet
    converting,  // waiting for the 7-bit form
    mail,
    rcpts,
    all_rcpts,  // all RCPT commands are out
    data_sent,
    body,
    sent,  // the end of the body is out
    done,  // nothing more to say; over when nothing is outstanding
  };

  explicit Transaction(const ClientMessage& m)
      : message(&m),
        outcomes(m.rcpts.size()),
        states(m.rcpts.size(), RcptState::unsent),
        size(m.size),
        eight_bit(m.eight_bit) {}

  const ClientMessage* message;
  std::vector<RcptOutcome> outcomes;
  std::vector<RcptState> states;
  std::uint64_t size;
  std::size_t next = 0;         // recipient whose RCPT comes next
  std::size_t accepted = 0;     // RCPT commands answered with yes
  std::size_t outstanding = 0;  // answers that must come
  std::size_t chunks_outstanding = 0;
  std::string chunk;  // of BDAT, being gathered
  mail::LfToCrlf to_crlf;
  mail::DotEncoder dots{mail::LineEnd::lf};
  Stage stage = Stage::check;
  bool eight_bit;
  bool utf8 = false;  // goes with SMTPUTF8
  bool converted = false;
  bool eager = false;  // the body follows the envelope without waiting
  bool mail_answered = false;
  bool mail_accepted = false;
  bool refused = false;    // as a whole: there is no use in saying more
  bool last_sent = false;  // the peer may have the whole message
  bool reset_follows = false;
};

}  // namespace posthouse::deliver
