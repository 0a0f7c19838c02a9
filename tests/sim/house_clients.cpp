// Clients of the simulated house and the reading of its mailboxes; see the header. A client that
// meets trouble stops; what it knows by then stands in Knowledge.
#include "tests/sim/house_clients.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <memory>

namespace posthouse::sim {
namespace {

using base::Result;

std::string stuffed(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 64);
  bool line_start = true;
  for (const char c : text) {
    if (line_start && c == '.') out += '.';  // RFC 5321 4.5.2
    out += c;
    line_start = c == '\n';
  }
  return out;
}

net::Task<Result<std::unique_ptr<SimStream>>> connect(Outside* outside, net::Endpoint to) {
  net::Endpoint from;
  from.address = net::IpAddress::v4(0x7f000001);
  for (unsigned attempt = 1;; ++attempt) {
    Result<std::unique_ptr<SimStream>> stream = co_await outside->net.connect(to, from);
    if (stream || attempt >= outside->patience) co_return stream;
    co_await outside->world.timer().sleep_until(outside->world.now() + std::chrono::seconds(1));
  }
}

// The commands before the text of a mail.
std::vector<std::string> envelope_of(const Mail& mail) {
  std::vector<std::string> commands;
  commands.push_back("MAIL FROM:<sender@client.test> SIZE=" + std::to_string(mail.text.size()));
  for (const std::string& user : mail.users)
    commands.push_back("RCPT TO:<" + user + "@example.com>");
  commands.push_back("DATA");
  return commands;
}

// Up to the answer to DATA; true when the text may follow.
net::Task<bool> send_envelope(LineClient* client, const Mail* mail, bool pipelined) {
  const std::vector<std::string> commands = envelope_of(*mail);
  if (pipelined) {
    std::string all;
    for (const std::string& command : commands) all += command + "\r\n";
    const Result<> sent = co_await client->send(std::move(all));
    if (!sent) co_return false;
  }
  bool good = true;
  for (const std::string& command : commands) {
    if (!pipelined) {
      const Result<> sent = co_await client->send(command + "\r\n");
      if (!sent) co_return false;
    }
    const Result<std::string> reply = co_await client->smtp_reply();
    if (!reply) co_return false;
    good = good && (reply->starts_with("250") || reply->starts_with("354"));
    if (!good && !pipelined) co_return false;
  }
  co_return good;
}

struct Seen {
  std::size_t number = 0;
  std::string uid, tag;
  std::size_t size = 0;
};

// The state of one POP3 visit.
struct Reader {
  Outside* outside;
  LineClient* client;
  std::string user;
  std::vector<Seen> seen;
  std::vector<StoredMail> mails = {};

  void complain_of(const std::string& what) const {
    outside->known.complaints.push_back(fmt::format("POP3 of {}: {}", user, what));
  }

  // One message as RETR gave it.
  void check(Seen& one, const std::string& text) {
    if (text.size() != one.size) {
      complain_of(fmt::format("LIST says {} octets, RETR gives {}", one.size, text.size()));
    }
    StoredMail mail = take_apart(text, user);
    if (!mail.trouble.empty()) return complain_of(mail.trouble);
    one.tag = mail.tag;
    const auto [known, fresh] = outside->known.uids.try_emplace(std::pair(user, mail.tag), one.uid);
    if (known->second != one.uid) {
      complain_of(fmt::format("the UIDL of {} was {} and is {}", mail.tag, known->second, one.uid));
    }
    mails.push_back(std::move(mail));
  }

  // In a ledger of its own, since other visits go on at the same time.
  void compare() const {
    Ledger ledger = outside->known.ledger;
    ledger.new_findings();
    for (const StoredMail& mail : mails) ledger.found(user, mail.tag, mail.content);
    for (const std::string& broken : ledger.broken_by_findings()) complain_of(broken);
  }
};

net::Task<bool> log_in(Reader* reader) {
  LineClient* client = reader->client;
  const Result<std::string> greeting = co_await client->line();
  if (!greeting) co_return false;
  const Result<std::string> user = co_await client->pop3("USER " + reader->user);
  if (!user) co_return false;
  const Result<std::string> pass = co_await client->pop3("PASS " + std::string(kHousePassword));
  co_return pass && pass->starts_with("+OK");
}

// UIDL and LIST; false when the session is over.
net::Task<bool> list(Reader* reader) {
  LineClient* client = reader->client;
  const Result<std::string> uidl = co_await client->pop3("UIDL");
  if (!uidl || !uidl->starts_with("+OK")) co_return false;
  const Result<std::string> uids = co_await client->dot_text();
  if (!uids) co_return false;
  const Result<std::string> listing = co_await client->pop3("LIST");
  if (!listing || !listing->starts_with("+OK")) co_return false;
  const Result<std::string> sizes = co_await client->dot_text();
  if (!sizes) co_return false;
  std::string_view uid_lines = *uids;
  std::string_view size_lines = *sizes;
  while (!uid_lines.empty()) {
    const std::string uid_line(uid_lines.substr(0, uid_lines.find("\r\n")));
    const std::string size_line(size_lines.substr(0, size_lines.find("\r\n")));
    uid_lines.remove_prefix(uid_line.size() + 2);
    size_lines.remove_prefix(std::min(size_lines.size(), size_line.size() + 2));
    Seen one;
    one.number = reader->seen.size() + 1;
    one.uid = uid_line.substr(uid_line.find(' ') + 1);
    one.size =
        std::stoul("0" + size_line.substr(std::min(size_line.size(), size_line.find(' ') + 1)));
    reader->seen.push_back(std::move(one));
  }
  co_return true;
}

net::Task<bool> retrieve(Reader* reader, bool pipelined) {
  if (pipelined) {
    std::string all;
    for (const Seen& one : reader->seen) all += "RETR " + std::to_string(one.number) + "\r\n";
    const Result<> sent = co_await reader->client->send(std::move(all));
    if (!sent) co_return false;
  }
  for (Seen& one : reader->seen) {
    if (!pipelined) {
      const Result<> sent =
          co_await reader->client->send("RETR " + std::to_string(one.number) + "\r\n");
      if (!sent) co_return false;
    }
    const Result<std::string> status = co_await reader->client->line();
    if (!status) co_return false;
    if (!status->starts_with("+OK")) continue;  // local trouble
    const Result<std::string> text = co_await reader->client->dot_text();
    if (!text) co_return false;
    reader->check(one, *text);
  }
  co_return true;
}

net::Task<> remove_and_quit(Reader* reader, std::size_t count) {
  Ledger& ledger = reader->outside->known.ledger;
  std::vector<std::string> marked;
  for (const Seen& one : reader->seen) {
    if (marked.size() == count || one.tag.empty()) continue;
    const Result<std::string> status =
        co_await reader->client->pop3("DELE " + std::to_string(one.number));
    if (!status) co_return;
    if (status->starts_with("+OK")) marked.push_back(one.tag);
  }
  for (const std::string& tag : marked) ledger.deleting(reader->user, tag);
  const Result<std::string> end = co_await reader->client->pop3("QUIT");
  if (!end || !end->starts_with("+OK")) co_return;
  ++reader->outside->visits;
  for (const std::string& tag : marked) ledger.deleted(reader->user, tag);
}

// LF to CRLF.
std::string wire_form(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 32);
  for (const char c : text) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

Result<std::string> whole_file(base::Disk& disk, const std::string& path) {
  return base::read_file(disk, path, std::uint64_t{1} << 30U);
}

bool missing(const base::Error& error) {
  return error.code == std::errc::no_such_file_or_directory;
}

void read_maildir(base::Disk& disk, const std::string& path, bool tidy, BoxContent* out) {
  if (tidy) {
    const auto names = disk.list(path + "/tmp");
    for (const std::string& name : names ? *names : std::vector<std::string>()) {
      out->complaints.push_back("left in tmp/: " + path + "/tmp/" + name);
    }
  }
  for (const char* part : {"/new", "/cur"}) {
    auto names = disk.list(path + part);
    if (!names) {
      if (!missing(names.error())) out->complaints.push_back(names.error().message());
      continue;
    }
    std::sort(names->begin(), names->end());
    for (const std::string& name : *names) {
      const auto text = whole_file(disk, path + part + "/" + name);
      if (!text) {
        out->complaints.push_back(text.error().message());
        continue;
      }
      const std::string size = ",S=" + std::to_string(text->size()) + ",";
      if (name.find(size) == std::string::npos) {
        out->complaints.push_back(fmt::format("{} holds {} octets", name, text->size()));
      }
      out->messages.push_back(wire_form(*text));
    }
  }
}

// RFC 4155 with mboxrd quoting: a message goes from its From_ line to the blank line before the
// next.
void read_mbox(base::Disk& disk, const std::string& path, BoxContent* out) {
  const auto text = whole_file(disk, path);
  if (!text) {
    if (!missing(text.error())) out->complaints.push_back(text.error().message());
    return;
  }
  std::string_view rest = *text;
  std::string message;
  bool blank = true;
  bool open = false;
  const auto close = [&] {
    if (!open) return;
    if (message.ends_with("\n\n")) message.pop_back();
    out->messages.push_back(wire_form(message));
    message.clear();
  };
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end == std::string_view::npos ? rest.size() : end + 1);
    rest.remove_prefix(line.size());
    const std::size_t quotes = line.find_first_not_of('>');
    if (blank && line.starts_with("From ")) {
      close();
      open = true;
    } else if (!open) {
      if (rest.size() + line.size() == text->size()) {
        out->complaints.push_back(fmt::format("{} begins with garbage", path));
      }
    } else if (!(message.empty() && line.starts_with("X-Posthouse-Uid: "))) {
      if (quotes != std::string_view::npos && quotes > 0 &&
          line.substr(quotes).starts_with("From ")) {
        line.remove_prefix(1);
      }
      message += line;
    }
    blank = line == "\n";
  }
  close();
}

}  // namespace

Mail make_mail(const std::string& tag, std::vector<std::string> users, std::size_t size) {
  Mail mail;
  mail.tag = tag;
  mail.users = std::move(users);
  mail.text = fmt::format(
      "X-Tag: {}\r\nFrom: <sender@client.test>\r\nSubject: number {}\r\n"
      "Message-ID: <{}@client.test>\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\n"
      ".\r\n..two dots\r\nFrom here on it is text\r\n>From a quoted line\r\n\r\n.last\r\n",
      tag, tag, tag);
  for (std::size_t line = 0; mail.text.size() < size; ++line) {
    mail.text += fmt::format("{}{} line {} of {}, so that no two sectors are alike\r\n",
                             line % 7 == 3 ? "." : "", tag, line, size);
  }
  return mail;
}

net::Task<> send_mails(Outside* outside, std::vector<Mail> mails, bool pipelined) {
  auto stream = co_await connect(outside, smtp_endpoint());
  if (!stream) co_return;
  LineClient client(std::move(*stream));
  const Result<std::string> greeting = co_await client.smtp_reply();
  if (!greeting) co_return;
  const Result<std::string> hello = co_await client.smtp("EHLO client.test");
  if (!hello) co_return;
  Ledger& ledger = outside->known.ledger;
  for (const Mail& mail : mails) {
    const bool ready = co_await send_envelope(&client, &mail, pipelined);
    if (!ready) co_return;  // not a word of it was sent
    ledger.sent(mail.tag, mail.users, mail.text);
    const Result<> sent = co_await client.send(stuffed(mail.text) + ".\r\n");
    if (!sent) co_return;
    const Result<std::string> reply = co_await client.smtp_reply();
    if (!reply) co_return;
    if (reply->starts_with("250")) ledger.acknowledged(mail.tag);
    if (reply->starts_with("5")) ledger.refused(mail.tag);
  }
  (void)co_await client.smtp("QUIT");
}

net::Task<> visit(Outside* outside, Visit plan) {
  auto stream = co_await connect(outside, pop3_endpoint());
  if (!stream) co_return;
  LineClient client(std::move(*stream));
  Reader reader;
  reader.outside = outside;
  reader.client = &client;
  reader.user = plan.user;
  const bool in = co_await log_in(&reader);
  if (!in) co_return;
  const bool listed = co_await list(&reader);
  if (!listed) co_return;
  const bool read = co_await retrieve(&reader, plan.pipelined);
  reader.compare();
  if (!read) co_return;
  co_await remove_and_quit(&reader, plan.remove);
}

StoredMail take_apart(std::string_view crlf_text, const std::string& user) {
  StoredMail mail;
  constexpr std::string_view kField = "\r\nX-Tag: ";
  const std::size_t at = crlf_text.find(kField);
  const std::string_view trace = crlf_text.substr(0, at);
  if (at == std::string_view::npos) {
    mail.trouble = fmt::format("garbage of {} octets instead of a message", crlf_text.size());
    return mail;
  }
  mail.content = crlf_text.substr(at + 2);
  mail.tag = mail.content.substr(7, mail.content.find("\r\n") - 7);
  if (!trace.starts_with("Return-Path: <sender@client.test>\r\n") ||
      trace.find("\r\nDelivered-To: " + user + "@example.com\r\n") == std::string_view::npos ||
      trace.find("\r\nReceived: ") == std::string_view::npos ||
      trace.find('\0') != std::string_view::npos) {
    mail.trouble = fmt::format("{}: torn trace fields", mail.tag);
  }
  return mail;
}

BoxContent read_box(base::Disk& disk, conf::MailboxFormat format, const std::string& path,
                    bool tidy) {
  BoxContent content;
  if (format == conf::MailboxFormat::maildir) {
    read_maildir(disk, path, tidy, &content);
  } else {
    read_mbox(disk, path, &content);
  }
  return content;
}

std::vector<std::string> inspect(Knowledge& known, base::Disk& disk, const House& house,
                                 const HouseOptions& options, bool tidy) {
  std::vector<std::string> broken = known.complaints;
  known.ledger.new_findings();
  for (const std::string& user : options.users) {
    const BoxContent box = read_box(disk, options.format, house.box_path(user), tidy);
    broken.insert(broken.end(), box.complaints.begin(), box.complaints.end());
    for (const std::string& text : box.messages) {
      const StoredMail mail = take_apart(text, user);
      if (!mail.trouble.empty()) broken.push_back("mailbox of " + user + ": " + mail.trouble);
      if (mail.tag.empty()) continue;
      known.ledger.found(user, mail.tag, mail.content);
    }
  }
  const std::vector<std::string> promises = known.ledger.broken(true);
  broken.insert(broken.end(), promises.begin(), promises.end());
  return broken;
}

}  // namespace posthouse::sim
