// Owns the frame of a report: header, boundaries, transfer encodings, and the third part. Pure; any
// thread.
#include "mail/dsn_report.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "mail/date.hpp"
#include "mail/dsn_parts.hpp"
#include "mail/header_scanner.hpp"
#include "mail/transfer_encoding.hpp"

namespace posthouse::mail {

namespace {

constexpr std::size_t kMaxHeader = 65'536;  // LIMIT: of a header returned alone
constexpr std::size_t kMaxLine = 998;       // RFC 5322 2.1.1, RFC 2045 2.7 and 2.8
constexpr std::size_t kMaxId = 250;         // of a Message-ID taken over

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// 7bit or 8bit data of RFC 2045 2.7 and 2.8: lines of at most 998 octets, CR and LF only together,
// no NUL.
bool is_lines(std::string_view text) {
  std::size_t length = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') {
      length = 0;
      ++i;
    } else if (c == '\r' || c == '\n' || c == '\0' || ++length > kMaxLine) {
      return false;
    }
  }
  return true;
}

struct Part {
  std::string fields;  // Content-Type and Content-Transfer-Encoding, with CRLF
  std::string content;
  bool eight_bit = false;
};

Part make_part(std::string_view type, std::string content, bool quoted) {
  Part part;
  part.eight_bit = !quoted && !is_ascii(content);
  part.fields = "Content-Type: " + std::string(type) + "\r\nContent-Transfer-Encoding: ";
  part.fields += quoted ? "quoted-printable\r\n" : part.eight_bit ? "8bit\r\n" : "7bit\r\n";
  if (quoted) {
    append_quoted_printable(part.content, content);
  } else {
    part.content = std::move(content);
  }
  return part;
}

// The header fields without the empty line, at most kMaxHeader octets, cut at a line end.
std::string_view header_to_return(std::string_view original, std::size_t body_offset) {
  auto header = original.substr(0, body_offset);
  if (header.size() >= 4 && header.substr(header.size() - 4) == "\r\n\r\n") {
    header.remove_suffix(2);
  } else if (header == "\r\n") {
    header = {};
  }
  if (header.size() > kMaxHeader) {
    const auto end = header.substr(0, kMaxHeader).rfind("\r\n");
    header = header.substr(0, end == std::string_view::npos ? kMaxHeader : end + 2);
  }
  return header;
}

struct Original {
  Returned returned = Returned::nothing;
  Part part;
};

// Third part. RFC 6533 4.2 and 4.3: a header with UTF-8 needs the global types; RFC 6533 4.5: to a
// sender who may not have SMTPUTF8 they go in a 7-bit encoding, which only those types may bear
// (RFC 2046 5.2.1 forbids it for message/rfc822, whose 8-bit body needs 8BITMIME alone).
Original make_original(const Report& report, bool sender_utf8) {
  Original out;
  const std::size_t body_offset =
      for_each_field(report.original, [](std::string_view, std::string_view, auto) {});
  const auto header = report.original.substr(0, body_offset);
  const bool global = !is_ascii(header) && base::is_utf8(header);
  // A message that is no 8-bit text could be carried in no encoding that message/rfc822 may have,
  // and one with an 8-bit header that is not UTF-8 is no message by any standard.
  if (report.part == ReturnPart::message && is_lines(report.original) &&
      (global || is_ascii(header))) {
    out.returned = Returned::message;
    out.part = make_part(global ? "message/global" : "message/rfc822", std::string(report.original),
                         global && !sender_utf8);
    return out;
  }
  const auto fields = header_to_return(report.original, body_offset);
  if (fields.empty()) {
    return out;
  }
  out.returned = Returned::header;
  const bool ascii = is_ascii(fields);
  const bool quoted = !is_lines(fields) || (!ascii && !(global && sender_utf8));
  out.part = make_part(!ascii && global ? "message/global-headers" : "text/rfc822-headers",
                       std::string(fields), quoted);
  return out;
}

// "=_" occurs in no encoded part; the id's 64 random bits cannot be known to who wrote the
// original; the search makes it certain.
std::string make_boundary(const Report& report, const std::vector<Part>& parts) {
  for (unsigned number = 0;; ++number) {
    std::string boundary = "=_" + base::format_message_id(report.id) + "_" + std::to_string(number);
    const bool taken = std::any_of(parts.begin(), parts.end(), [&boundary](const Part& part) {
      return part.content.find(boundary) != std::string::npos;
    });
    if (!taken) {
      return boundary;
    }
  }
}

// The original's Message-ID when it is one that may stand in a header; else empty.
std::string original_message_id(std::string_view original) {
  std::string id;
  for_each_field(original, [&id](std::string_view name, std::string_view value, auto) {
    if (id.empty() && base::iequals(name, "Message-ID")) {
      id = unfold(value, kMaxId + 1);
    }
  });
  const bool good = id.size() > 4 && id.size() <= kMaxId && id.front() == '<' && id.back() == '>' &&
                    id.find('@') != std::string::npos &&
                    std::all_of(id.begin() + 1, id.end() - 1,
                                [](char c) { return c > ' ' && c <= '~' && c != '<' && c != '>'; });
  return good ? id : std::string();
}

std::string_view subject_of(const Report& report) {
  const auto has = [&report](DsnAction action) {
    return std::any_of(report.rcpts.begin(), report.rcpts.end(),
                       [action](const ReportRcpt& rcpt) { return rcpt.action == action; });
  };
  if (has(DsnAction::failed)) {
    return "Undelivered mail: your message could not be delivered";
  }
  if (has(DsnAction::delayed)) {
    return "Delayed mail: your message is still waiting for delivery";
  }
  return has(DsnAction::relayed) ? "Mail report: your message was passed on"
                                 : "Mail report: your message was delivered";
}

std::string build_header(const Report& report) {
  const std::string domain = report_line(report.mail_domain, false);
  std::string out;
  const auto add = [&out](std::string_view name, std::string_view value) {
    out += std::string(name) + ": " + std::string(value) + "\r\n";
  };
  add("From", "Mail Delivery System <MAILER-DAEMON@" + domain + ">");
  add("To", "<" + report_line(report.to.text(), true) + ">");
  add("Subject", subject_of(report));
  add("Date", format_date(report.now));
  add("Message-ID",
      "<" + base::format_message_id(report.id) + "@" + report_line(report.host_name, false) + ">");
  const std::string answered = original_message_id(report.original);
  if (!answered.empty()) {
    add("In-Reply-To", answered);
    add("References", answered);
  }
  add("Auto-Submitted", "auto-replied");  // RFC 3834 5: the answer to one message
  add("MIME-Version", "1.0");
  return out;
}

}  // namespace

std::string transcribe_reply(const Reply& reply) {
  std::string out;
  const auto lines = base::split(reply.text, '\n');
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const bool last = i + 1 == lines.size();
    out += std::to_string(reply.code);
    out += last ? " " : "-";
    if (!reply.enhanced.empty()) {
      out += reply.enhanced + " ";
    }
    out += lines[i];
    out += last ? "" : "\n";
  }
  return out;
}

BuiltReport build_report(const Report& report) {
  PH_ASSERT(!report.rcpts.empty(), "a report names a recipient");
  PH_ASSERT(may_be_reported_to(report.to), "no report goes to the null sender");
  const bool sender_utf8 = !is_ascii(report.to.text());
  const bool utf8 = names_need_utf8(report);
  const Original original = make_original(report, sender_utf8);

  std::vector<Part> parts;
  parts.push_back(make_part(utf8 ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii",
                            build_report_words(report, original.returned), false));
  parts.push_back(make_part(utf8 ? "message/global-delivery-status" : "message/delivery-status",
                            build_report_fields(report), false));
  if (original.returned != Returned::nothing) {
    parts.push_back(original.part);
  }
  const bool eight_bit =
      std::any_of(parts.begin(), parts.end(), [](const Part& part) { return part.eight_bit; });
  const std::string boundary = make_boundary(report, parts);

  BuiltReport built;
  built.body = eight_bit || sender_utf8 ? BodyKind::eight_bit : BodyKind::seven_bit;
  built.smtputf8 = sender_utf8;
  built.text = build_header(report);
  // RFC 6522 3: report-type is the subtype of the second part.
  built.text += "Content-Type: multipart/report; report-type=";
  built.text += utf8 ? "global-delivery-status" : "delivery-status";
  built.text += ";\r\n\tboundary=\"" + boundary + "\"\r\nContent-Transfer-Encoding: ";
  built.text += eight_bit ? "8bit" : "7bit";
  built.text += "\r\n\r\nThis is a report in MIME format.\r\n";
  for (const Part& part : parts) {
    built.text += "\r\n--" + boundary + "\r\n" + part.fields + "\r\n" + part.content;
  }
  built.text += "\r\n--" + boundary + "--\r\n";
  return built;
}

}  // namespace posthouse::mail
