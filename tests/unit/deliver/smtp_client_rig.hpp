// A scripted SMTP server without I/O and a loop that connects it to the client core. The server
// keeps a record of what it promised: which recipient of which body it answered for with 250.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "deliver/smtp_client.hpp"
#include "mail/dot_decoder.hpp"

namespace posthouse::deliver {

class FakeServer {
 public:
  // What the server does instead of sending its n-th reply.
  enum class Trouble { none, reply, cut, stall };
  struct Tamper {
    Trouble trouble = Trouble::none;
    std::string reply;  // complete, with line ends
  };

  std::vector<std::string> extensions;  // of EHLO
  bool knows_ehlo = true;
  std::string greeting = "220 mx.example.net ESMTP";
  // Replaces the reply to a command: the verb or "message" or "BDAT LAST"; nullopt leaves it.
  std::function<std::optional<std::string>(const std::string& command)> answer;
  std::function<Tamper(std::size_t index)> tamper;  // of the index-th reply
  // For AUTH: gets what the client sent last, returns the next reply.
  std::function<std::string(const std::string& line)> auth;

  struct Stored {
    std::string mail;
    std::vector<std::string> rcpts;
    std::string body;
  };

  void connect() { say("", greeting); }
  void feed(std::string_view octets) {
    input_ += octets;
    while (!closed && !stalled && step()) {
    }
  }
  void secure() {
    tls = true;
    input_.clear();
  }

  std::string out;
  bool closed = false;
  bool stalled = false;
  bool tls = false;
  std::size_t replies = 0;
  std::vector<std::string> commands;
  std::vector<Stored> promised;

 private:
  enum class Mode { command, data, chunk, auth };

  static int code_of(const std::string& reply) {
    const auto code = base::parse_u64(std::string_view(reply).substr(0, 3));
    return code ? static_cast<int>(*code) : 0;
  }

  // Says `reply`, or what the test wants instead; the code that went out, 0 for garbage, -1 for
  // nothing.
  int say(const std::string& command, std::string reply) {
    if (answer) {
      reply = answer(command).value_or(reply);
    }
    const std::size_t index = replies++;
    const Tamper instead = tamper ? tamper(index) : Tamper();
    switch (instead.trouble) {
      case Trouble::none:
        out += reply + "\r\n";
        break;
      case Trouble::reply:
        reply = instead.reply;
        out += reply;
        break;
      case Trouble::cut:
        closed = true;
        return -1;
      case Trouble::stall:
        stalled = true;
        return -1;
    }
    if (code_of(reply) == 421 || command == "QUIT") {
      closed = true;
    }
    return code_of(reply);
  }

  bool step() {
    if (mode_ == Mode::data) {
      return take_data();
    }
    if (mode_ == Mode::chunk) {
      return take_chunk();
    }
    const auto end = input_.find("\r\n");
    if (end == std::string::npos) {
      return false;
    }
    const std::string line = input_.substr(0, end);
    input_.erase(0, end + 2);
    commands.push_back(line);
    if (mode_ == Mode::auth) {
      take_auth(line);
    } else {
      take_command(line);
    }
    return true;
  }

  bool take_data() {
    const auto fed = decoder_.feed(input_, now_.body);
    input_.erase(0, fed.consumed);
    if (fed.finished) {
      decoder_.reset();
      mode_ = Mode::command;
      finish(say("message", "250 2.0.0 queued"));
    }
    return fed.finished;
  }

  bool take_chunk() {
    if (input_.size() < chunk_) {
      return false;
    }
    now_.body += input_.substr(0, chunk_);
    input_.erase(0, chunk_);
    mode_ = Mode::command;
    const bool fine = open_ && !now_.rcpts.empty() && !chunk_failed_;
    if (!chunk_last_) {
      const int code = say("BDAT", fine ? "250 2.0.0 more" : "554 5.5.1 no transaction");
      chunk_failed_ = chunk_failed_ || code < 0 || code >= 300;
    } else if (fine) {
      finish(say("BDAT LAST", "250 2.0.0 queued"));
    } else {
      // Like servers that keep the transaction until RSET.
      (void)say("BDAT LAST", "554 5.5.1 no valid recipients");
    }
    return true;
  }

  void finish(int code) {
    if (code >= 200 && code < 300) {
      promised.push_back(now_);
    }
    clear();
  }

  void clear() {
    now_ = Stored();
    open_ = false;
    chunk_failed_ = false;
  }

  void take_auth(const std::string& line) {
    const std::string reply = auth(line);
    if (!reply.starts_with("3")) {
      mode_ = Mode::command;
    }
    (void)say("AUTH", reply);
  }

  void take_command(const std::string& line) {
    const std::string verb = base::to_upper(line.substr(0, line.find(' ')));
    if (verb == "EHLO" && knows_ehlo) {
      std::string reply = "250" + std::string(extensions.empty() ? " " : "-") + "mx.example.net hi";
      for (std::size_t i = 0; i < extensions.size(); ++i) {
        reply += "\r\n250" + std::string(i + 1 == extensions.size() ? " " : "-") + extensions[i];
      }
      (void)say(verb, reply);
    } else if (verb == "HELO") {
      (void)say(verb, "250 mx.example.net");
    } else if (verb == "STARTTLS") {
      (void)say(verb, "220 2.0.0 go");
    } else if (verb == "AUTH" && auth) {
      mode_ = Mode::auth;
      take_auth(line);
    } else if (verb == "RSET") {
      clear();
      (void)say(verb, "250 2.0.0 reset");
    } else if (verb == "QUIT") {
      (void)say(verb, "221 2.0.0 bye");
    } else {
      take_transaction(verb, line);
    }
  }

  void take_transaction(const std::string& verb, const std::string& line) {
    if (verb == "MAIL") {
      const int code = say(verb, open_ ? "503 5.5.1 nested" : "250 2.1.0 sender");
      if (code >= 200 && code < 300) {
        clear();
        open_ = true;
        now_.mail = line;
      }
    } else if (verb == "RCPT") {
      const int code = say(line, open_ ? "250 2.1.5 rcpt" : "503 5.5.1 no sender");
      if (code >= 200 && code < 300 && open_) {
        now_.rcpts.push_back(line);
      }
    } else if (verb == "DATA") {
      const bool fine = open_ && !now_.rcpts.empty();
      const int code = say(verb, fine ? "354 go" : "503 5.5.1 no recipients");
      if (code == 354) {
        mode_ = Mode::data;
      }
    } else if (verb == "BDAT") {
      const auto words = base::split_words(line);
      chunk_ = static_cast<std::size_t>(*base::parse_u64(words.at(1)));
      chunk_last_ = words.size() > 2;
      mode_ = Mode::chunk;
    } else {
      (void)say(verb, "500 5.5.2 what");
    }
  }

  std::string input_;
  Mode mode_ = Mode::command;
  mail::DotDecoder decoder_;
  Stored now_;
  bool open_ = false;
  std::size_t chunk_ = 0;
  bool chunk_last_ = false;
  bool chunk_failed_ = false;
};

struct Letter {
  ClientMessage message;
  std::string body;
};

inline Letter make_letter(const std::string& name, std::size_t rcpts) {
  Letter letter;
  letter.message.reverse_path.local = name;
  letter.message.reverse_path.domain = "example.org";
  for (std::size_t i = 0; i < rcpts; ++i) {
    ClientRcpt rcpt;
    rcpt.address.local = name + std::to_string(i);
    rcpt.address.domain = "example.net";
    letter.message.rcpts.push_back(rcpt);
  }
  letter.body = "Subject: " + name + "\r\n\r\n.dot\r\n..\r\n.\r\nend of " + name + "\r\n";
  letter.message.size = letter.body.size();
  return letter;
}

struct RunResult {
  std::map<const ClientMessage*, std::vector<RcptOutcome>> outcomes;
  std::size_t results = 0;
  std::optional<RcptOutcome> failure;
  std::size_t given = 0;
  std::size_t rounds = 0;  // reads that brought something
  bool tls_failed = false;
  std::vector<std::string> writes;
};

struct RunOptions {
  std::size_t read_octets = 0;  // 0: all there is
  std::size_t body_octets = 0;  // piece of a body; 0: all
  bool handshake_works = true;
  std::optional<std::string> converted;     // the 7-bit form
  std::size_t fail_body = ~std::size_t{0};  // index of the letter whose body cannot be read
};

// Plays a server (FakeServer, or another with its connect, feed, secure, out and closed) against
// the client until the end.
template <class Server>
RunResult play(SmtpClient& client, Server& server, const std::vector<Letter>& letters,
               const RunOptions& options = {}) {
  RunResult result;
  std::map<const ClientMessage*, std::size_t> sent;  // octets of the body given
  bool use_converted = false;
  server.connect();
  ClientStep step = client.start();
  const auto flush = [&] {
    if (!client.output().empty()) {
      result.writes.push_back(client.output());
      server.feed(client.output());
      client.clear_output();
    }
  };
  for (std::size_t guard = 0; step != ClientStep::close; ++guard) {
    if (guard > 100000) {
      ADD_FAILURE() << "the dialogue does not end";
      return result;
    }
    switch (step) {
      case ClientStep::read: {
        flush();
        EXPECT_GT(client.timeout().count(), 0);
        if (server.out.empty()) {
          step = client.on_lost(server.closed ? Lost::closed : Lost::timed_out);
          break;
        }
        const std::size_t size = options.read_octets == 0 ? server.out.size() : options.read_octets;
        const std::string part = server.out.substr(0, size);
        server.out.erase(0, size);
        ++result.rounds;
        step = client.on_bytes(part);
        break;
      }
      case ClientStep::write:
        flush();
        step = client.proceed();
        break;
      case ClientStep::start_tls:
        flush();
        server.secure();
        step = options.handshake_works ? client.on_tls() : client.on_tls_failed("bad record");
        break;
      case ClientStep::next_message:
        step = client.on_message(result.given < letters.size() ? &letters[result.given].message
                                                               : nullptr);
        result.given += result.given < letters.size() ? 1 : 0;
        break;
      case ClientStep::convert:
        use_converted = options.converted.has_value();
        step = use_converted ? client.on_converted(options.converted->size())
                             : client.on_not_convertible("broken MIME");
        break;
      case ClientStep::need_body: {
        const ClientMessage* const message = &client.body_message();
        const auto letter = std::find_if(letters.begin(), letters.end(),
                                         [&](const Letter& l) { return &l.message == message; });
        if (static_cast<std::size_t>(letter - letters.begin()) == options.fail_body) {
          step = client.on_body_failed("disk on fire");
          break;
        }
        const std::string& all = use_converted ? *options.converted : letter->body;
        std::size_t& at = sent[message];
        const std::size_t size = options.body_octets == 0 ? all.size() : options.body_octets;
        const std::string piece = all.substr(at, size);
        at += piece.size();
        step = client.on_body(piece, at == all.size());
        break;
      }
      case ClientStep::result: {
        MessageResult one = client.take_result();
        ++result.results;
        EXPECT_EQ(one.rcpts.size(), one.message->rcpts.size());
        EXPECT_TRUE(result.outcomes.emplace(one.message, std::move(one.rcpts)).second);
        step = client.proceed();
        break;
      }
      case ClientStep::close:
        break;
    }
  }
  flush();
  result.tls_failed = client.tls_failed();
  if (client.failure() != nullptr) {
    result.failure = *client.failure();
  }
  return result;
}

}  // namespace posthouse::deliver
