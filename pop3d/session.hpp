// The POP3 server's protocol as a state machine (RFC 1939, 2449, 2595, 3206, 5034): octets and
// results go in, replies and the next step come out. It owns the state of one connection and does
// no I/O, reads no clock and starts no thread; the driver (pop3d/driver.hpp) or a test performs the
// steps it names. One thread. There is no error to recover from: whatever a client sends ends in a
// reply or in Step::Kind::close.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.hpp"
#include "base/time.hpp"
#include "mail/dot_decoder.hpp"
#include "pop3d/listing.hpp"

namespace posthouse::pop3d {

// LIMIT: octets of one command line with its line end (RFC 2449 4).
inline constexpr std::size_t kMaxCommandLine = 255;
// LIMIT: the same for PASS, AUTH and the lines of a SASL exchange (RFC 4954 4 names the figure).
inline constexpr std::size_t kMaxLongLine = 12288;
// LIMIT: replies are gathered up to this size before they are written.
inline constexpr std::size_t kFlushAt = 65536;
// LIMIT: octets of a message asked for at once.
inline constexpr std::size_t kMaxPiece = 65536;
// LIMIT: syntax errors and unknown commands before the session ends.
inline constexpr unsigned kMaxErrors = 20;
// LIMIT: wrong passwords before the session ends.
inline constexpr unsigned kMaxLoginFailures = 5;

struct SessionOptions {
  bool tls_active = false;      // implicit TLS: the handshake is already done
  bool tls_offered = false;     // a certificate exists, so STLS can be offered
  bool trusted_client = false;  // loopback, or pop_cleartext: passwords may come without TLS
};

// What the driver has to do next. `flush`, `read`, `start_tls`, `wait` and `close` ask it to write
// output() first; `login`, `fetch` and `remove` let the output grow.
struct Step {
  enum class Kind : std::uint8_t {
    read,       // get octets from the client: on_bytes()
    flush,      // only write the output
    wait,       // let `delay` pass
    start_tls,  // shake hands: on_tls()
    login,      // Maildrops::login with credentials(): on_login()
    fetch,      // Maildrop::read with index, offset, limit, body_lines: on_piece()
    remove,     // Maildrop::remove of deleted(): on_removed()
    close,      // the session is over; release the maildrop before the last output is written
  };
  Kind kind = Kind::read;
  base::Duration delay{0};
  std::size_t index = 0;
  std::uint64_t offset = 0;
  std::size_t limit = 0;
  std::uint64_t body_lines = 0;
};

struct Credentials {
  std::string user;
  base::Secret password;
};

// Counts for the log line at the end of a session.
struct SessionStats {
  std::uint64_t retrieved = 0;  // messages sent by RETR and TOP
  std::uint64_t octets = 0;     // their octets before dot-stuffing
  std::uint64_t removed = 0;    // messages whose removal was confirmed
  std::uint64_t commands = 0;   // complete lines received
};

class Session {
 public:
  // Puts the greeting into output().
  explicit Session(const SessionOptions& options);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  // Runs as many commands as it can without help. After login, fetch, remove and start_tls the
  // matching on_…() must come before the next call; after read, on_bytes().
  [[nodiscard]] Step next();

  void on_bytes(std::string_view octets);
  // `ok` false: the handshake failed; the session is over.
  void on_tls(bool ok);
  // Step::login: the user and password to check; gives them away.
  [[nodiscard]] Credentials credentials();
  // `messages` must be set when the outcome is ok and stay valid until the session is destroyed.
  void on_login(LoginOutcome outcome, const std::vector<Listing>* messages);
  // `piece`: octets from the asked offset on, in wire form before dot-stuffing. `done`: the last.
  void on_piece(DropStatus status, std::string_view piece, bool done);
  // Step::remove: indexes of the messages to remove, ascending.
  [[nodiscard]] std::vector<std::size_t> deleted() const;
  void on_removed(DropStatus status);

  // Replies not yet written. clear_output() after they were; at Step::read it also gives memory
  // back.
  [[nodiscard]] const std::string& output() const { return output_; }
  void clear_output();

  [[nodiscard]] const SessionStats& stats() const { return stats_; }
  [[nodiscard]] bool logged_in() const { return messages_ != nullptr; }
  // The last name given by USER or AUTH, as typed; empty before.
  [[nodiscard]] const std::string& user() const { return user_; }

 private:
  // What next() goes on with.
  enum class Mode : std::uint8_t {
    command,      // waits for a command line
    sasl_line,    // waits for the client's answer to "+ "
    login,        // waits for on_login()
    delay,        // a login was refused; the wait has not been asked for yet
    after_delay,  // the wait is over: now the refusal
    start_tls,    // waits for on_tls()
    listing,      // in the middle of LIST or UIDL
    fetching,     // in the middle of RETR or TOP
    removing,     // waits for on_removed()
    closed,
  };
  struct Arguments {
    std::string_view text;  // all after the verb and one space, verbatim
    bool given = false;     // a first number was given
    std::uint64_t first = 0;
    std::uint64_t second = 0;
  };
  enum class Shape : std::uint8_t { none, rest, optional_number, number, two_numbers };
  struct Command {
    std::string_view verb;
    Shape shape;
    bool before_login;
    bool after_login;
    void (Session::*handler)(const Arguments&);
  };

  // session.cpp: input, modes, results.
  bool take_line(std::string_view* line);
  [[nodiscard]] bool run_line();
  void on_line(std::string_view line);
  void compact_input();
  [[nodiscard]] bool is_foreign_protocol(std::string_view line) const;
  void close_on_foreigner();
  [[nodiscard]] Step fetch_step() const;
  void continue_listing();
  void login_refused();
  void refuse_login();

  // commands.cpp: one handler a verb, and their helpers.
  static const Command* find_command(std::string_view verb);
  [[nodiscard]] bool parse_arguments(const Command& command, Arguments* args);
  [[nodiscard]] bool find_message(std::uint64_t number, std::size_t* index);
  [[nodiscard]] bool is_deleted(std::size_t index) const {
    return !deleted_.empty() && deleted_[index];
  }
  [[nodiscard]] bool passwords_allowed() const {
    return options_.tls_active || options_.trusted_client;
  }
  void ok(std::string_view text);
  void err(std::string_view text);
  void counted_err(std::string_view text);
  void refuse_cleartext();
  void put_number(std::uint64_t value);
  void capa(const Arguments& args);
  void quit(const Arguments& args);
  void stls(const Arguments& args);
  void name_user(const Arguments& args);
  void pass(const Arguments& args);
  void auth(const Arguments& args);
  void sasl_plain(std::string_view encoded);
  void stat(const Arguments& args);
  void list(const Arguments& args);
  void uidl(const Arguments& args);
  void retr(const Arguments& args);
  void top(const Arguments& args);
  void dele(const Arguments& args);
  void rset(const Arguments& args);
  void noop(const Arguments& args);
  void list_or_uidl(const Arguments& args, bool uids);
  void put_listing_line(std::size_t index);
  void begin_fetch(std::uint64_t number, std::uint64_t body_lines);

  SessionOptions options_;
  Mode mode_ = Mode::command;
  bool idle_ = false;        // the last step was read
  bool user_named_ = false;  // USER came, PASS has not
  bool listing_uids_ = false;
  bool fetch_began_ = false;
  unsigned errors_ = 0;
  unsigned login_failures_ = 0;

  std::string input_;           // octets not yet consumed
  std::size_t consumed_ = 0;    // of input_
  std::size_t scanned_ = 0;     // of input_: no LF before this
  std::size_t line_begin_ = 0;  // of input_: the line being handled
  std::string output_;

  std::string user_;
  base::Secret password_;

  const std::vector<Listing>* messages_ = nullptr;
  std::vector<bool> deleted_;  // empty until the first DELE
  std::size_t deleted_count_ = 0;
  std::uint64_t deleted_octets_ = 0;
  std::uint64_t total_octets_ = 0;

  std::size_t cursor_ = 0;  // listing: next index; fetching: the message
  std::uint64_t offset_ = 0;
  std::uint64_t body_lines_ = 0;
  mail::DotEncoder encoder_{mail::LineEnd::crlf};

  SessionStats stats_;
};

}  // namespace posthouse::pop3d
