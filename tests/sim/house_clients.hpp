// The outside world of a simulated house: people who send by SMTP, people who read and delete by
// POP3, and what they all saw (a Ledger and more). Also reading mailboxes as they lie on the disk,
// independently of mailbox/. Everything runs in the world's main process, which survives the house.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conf/settings.hpp"
#include "tests/sim/house.hpp"
#include "tests/sim/lib/checker.hpp"
#include "tests/sim/lib/line_client.hpp"

namespace posthouse::sim {

// A message as its author knows it.
struct Mail {
  std::string tag;                 // unique; stands in the header field X-Tag, the first one
  std::vector<std::string> users;  // recipients, local parts
  std::string text;                // whole, CRLF line ends, not dot-stuffed
};

// A message of about `size` octets, with lines that begin with dots and with "From ".
[[nodiscard]] Mail make_mail(const std::string& tag, std::vector<std::string> users,
                             std::size_t size);

// What clients know. Copied to go on with the same knowledge in another world.
struct Knowledge {
  Ledger ledger;
  std::map<std::pair<std::string, std::string>, std::string> uids;  // user, tag -> UIDL
  std::vector<std::string> complaints;  // promises broken before clients' eyes
};

struct Outside {
  Outside(World& w, SimNet& n) : world(w), net(n) {}
  World& world;
  SimNet& net;
  Knowledge known;
  std::size_t visits = 0;  // ended by +OK to QUIT
  unsigned patience = 1;   // attempts to connect, a second apart
};

// Sends the mails over one connection. The ledger learns of 250 and 5xx; after anything else (4xx,
// a broken connection) the outcome is unknown.
[[nodiscard]] net::Task<> send_mails(Outside* outside, std::vector<Mail> mails, bool pipelined);

// One POP3 session: compares UIDL, LIST and every message with what is known, then deletes.
struct Visit {
  std::string user;
  std::size_t remove = 0;  // messages to delete, from the first
  bool pipelined = false;
  Visit(std::string who, std::size_t count, bool in_one_go = false)
      : user(std::move(who)), remove(count), pipelined(in_one_go) {}
};
[[nodiscard]] net::Task<> visit(Outside* outside, Visit plan);

// A stored message taken apart: trace fields of the house, then what the author sent.
struct StoredMail {
  std::string tag;
  std::string content;
  std::string trouble;  // not empty: garbage, and why
};
[[nodiscard]] StoredMail take_apart(std::string_view crlf_text, const std::string& user);

// Messages of a mailbox on the disk, with CRLF line ends; what cannot be one is a complaint. So is
// a file in tmp/ of a Maildir, when `tidy` is asked for: nobody sees it, but nobody removes it
// either.
struct BoxContent {
  std::vector<std::string> messages;
  std::vector<std::string> complaints;
};
[[nodiscard]] BoxContent read_box(base::Disk& disk, conf::MailboxFormat format,
                                  const std::string& path, bool tidy);

// Adds to `known` what the mailboxes on `disk` hold, as new findings, and returns all broken
// promises. `house` may be dead; it names the mailboxes.
[[nodiscard]] std::vector<std::string> inspect(Knowledge& known, base::Disk& disk,
                                               const House& house, const HouseOptions& options,
                                               bool tidy);

}  // namespace posthouse::sim
