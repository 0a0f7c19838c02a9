// Owns the first part of a report: what happened, to whom, whose side it is, and what to do, in
// words for someone who never heard of status codes. Pure; any thread.
#include <algorithm>

#include "base/text.hpp"
#include "mail/date.hpp"
#include "mail/dsn_parts.hpp"
#include "mail/dsn_status.hpp"
#include "mail/header_scanner.hpp"

namespace posthouse::mail {

namespace {

constexpr std::size_t kColumns = 76;

// Adds `text` broken at spaces so that a line has at most kColumns octets where its words allow.
void add_wrapped(std::string& out, std::string_view first, std::string_view text) {
  const std::string indent(first.size(), ' ');
  std::string line(first);
  bool has_word = false;
  while (!text.empty()) {
    const auto space = text.find(' ');
    const auto word = text.substr(0, space);
    text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
    if (word.empty()) {
      continue;
    }
    if (has_word && line.size() + 1 + word.size() > kColumns) {
      out += line + "\r\n";
      line = indent;
      has_word = false;
    }
    line += has_word ? " " : "";
    line += word;
    has_word = true;
  }
  out += line + "\r\n";
}

std::string server_name(const Report& report, const ReportRcpt& rcpt) {
  return report_line(rcpt.remote_mta.empty() ? report.host_name : rcpt.remote_mta, false);
}

std::string side_words(const Report& report, const ReportRcpt& rcpt, Fault fault) {
  const std::string server = server_name(report, rcpt);
  switch (fault) {
    case Fault::ours:
      return "Ours: this server, " + server + ".";
    case Fault::remote:
      return "The recipient's: the server " + server + ".";
    case Fault::network:
      return "The network between this server and the recipient's.";
    case Fault::message:
      return "Yours: the message itself, or how it was sent.";
    case Fault::address:
      return "Yours: the address.";
  }
  return {};
}

void add_quoted_reply(std::string& out, const Report& report, const ReportRcpt& rcpt) {
  const auto lines = report_lines(rcpt.reply, names_need_utf8(report));
  if (lines.empty()) {
    return;
  }
  out += rcpt.remote_mta.empty() ? "  In detail:\r\n"
                                 : "  The words of " + server_name(report, rcpt) + ":\r\n";
  for (const std::string& line : lines) {
    add_wrapped(out, "    > ", line);
  }
}

void add_trouble(std::string& out, const Report& report, const ReportRcpt& rcpt) {
  const std::string status = status_or_default(rcpt.status, rcpt.action);
  const bool remote_said = !rcpt.remote_mta.empty();
  const StatusMeaning meaning = explain_status(status, remote_said);
  const bool delayed = rcpt.action == DsnAction::delayed;
  add_wrapped(out, "  What happened: ", std::string(meaning.what) + " (" + status + ")");
  add_wrapped(out, "  Whose side:    ", side_words(report, rcpt, meaning.fault));
  if (!delayed) {
    add_wrapped(out, "  What to do:    ", meaning.advice);
  } else {
    std::string wait = "Nothing yet. This server keeps trying";
    wait += rcpt.retry_until ? " until " + format_date(*rcpt.retry_until) : std::string();
    wait += "; you are told if it gives up.";
    add_wrapped(out, "  What to do:    ", wait);
  }
  add_quoted_reply(out, report, rcpt);
}

void add_success(std::string& out, const Report& report, const ReportRcpt& rcpt) {
  if (rcpt.action == DsnAction::delivered) {
    add_wrapped(out, "  ", "It is in the recipient's mailbox.");
  } else if (rcpt.action == DsnAction::expanded) {
    add_wrapped(out, "  ",
                "The address stands for several others, and the message was passed on to them. "
                "You are told if that fails.");
  } else {
    add_wrapped(out, "  ",
                (rcpt.remote_mta.empty() ? "The next server"
                                         : "The next server, " + server_name(report, rcpt) + ",") +
                    " has taken it. That server does not report deliveries, so this is the last "
                    "that is known; if it fails there, you are told by that server.");
    add_quoted_reply(out, report, rcpt);
  }
}

struct Group {
  DsnAction action;
  std::string_view headline;
};
constexpr Group kGroups[] = {
    {DsnAction::failed,
     "Your message could not be delivered to the following address, and will not be tried again."},
    {DsnAction::delayed,
     "Your message has not been delivered to the following address yet. It is still in the queue, "
     "and you need not send it again."},
    {DsnAction::delivered, "Your message was delivered to the following address."},
    {DsnAction::relayed, "Your message was passed on for the following address."},
    {DsnAction::expanded, "Your message was delivered to the following address."},
};

void add_group(std::string& out, const Report& report, const Group& group) {
  const auto belongs = [&group](const ReportRcpt& rcpt) { return rcpt.action == group.action; };
  const auto count = std::count_if(report.rcpts.begin(), report.rcpts.end(), belongs);
  if (count == 0) {
    return;
  }
  constexpr std::string_view kNoun = "following address";
  std::string headline(group.headline);
  if (count > 1) {
    headline.insert(headline.find(kNoun) + kNoun.size(), "es");
  }
  add_wrapped(out, "", headline);
  out += "\r\n";
  for (const ReportRcpt& rcpt : report.rcpts) {
    if (!belongs(rcpt)) {
      continue;
    }
    out += "<" + report_line(rcpt.rcpt.text(), true) + ">\r\n";
    if (rcpt.action == DsnAction::failed || rcpt.action == DsnAction::delayed) {
      add_trouble(out, report, rcpt);
    } else {
      add_success(out, report, rcpt);
    }
    out += "\r\n";
  }
}

// Subject and date of the original, so that the sender knows which message is meant. Encoded words
// would only puzzle; mail programs show the third part decoded.
void add_original(std::string& out, const Report& report) {
  out += "The message:\r\n";
  for_each_field(report.original, [&out](std::string_view name, std::string_view value, auto) {
    const bool subject = base::iequals(name, "Subject");
    if (!subject && !base::iequals(name, "Date")) {
      return;
    }
    const std::string text = unfold(value, 200);
    const bool plain =
        std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
    if (plain && !text.empty() && text.find("=?") == std::string::npos) {
      add_wrapped(out, subject ? "  Subject:   " : "  Date:      ", text);
    }
  });
  out += "  Received:  " + format_date(report.arrival) + "\r\n";
  if (!report.original_id.empty()) {
    out += "  Queue id:  " + base::format_message_id(report.original_id) + "\r\n";
  }
}

}  // namespace

std::string build_report_words(const Report& report, Returned returned) {
  std::string out;
  add_wrapped(out, "", "This is the mail server " + report_line(report.host_name, false) + ".");
  out += "\r\n";
  for (const Group& group : kGroups) {
    add_group(out, report, group);
  }
  add_original(out, report);
  out += "\r\n";
  std::string end = "If you need help, forward this report to postmaster@" +
                    report_line(report.mail_domain, false) + ". A part for mail programs follows";
  end += returned == Returned::nothing  ? "."
         : returned == Returned::header ? ", then the header of your message."
                                        : ", then your message.";
  add_wrapped(out, "", end);
  return out;
}

}  // namespace posthouse::mail
