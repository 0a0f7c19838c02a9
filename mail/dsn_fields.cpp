// Owns the second part of a report: the fields of RFC 3464 2 with the rules of RFC 3461 6.3 and
// RFC 6533 4.1. Pure; any thread.
#include <algorithm>

#include "base/text.hpp"
#include "mail/date.hpp"
#include "mail/dsn_parts.hpp"
#include "mail/dsn_status.hpp"

namespace posthouse::mail {

namespace {

constexpr std::size_t kMaxLines = 20;

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

void add_field(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  out += value;
  out += "\r\n";
}

std::string_view action_word(DsnAction action) {
  switch (action) {
    case DsnAction::failed:
      return "failed";
    case DsnAction::delayed:
      return "delayed";
    case DsnAction::delivered:
      return "delivered";
    case DsnAction::relayed:
      return "relayed";
    case DsnAction::expanded:
      return "expanded";
  }
  return "failed";
}

// RFC 3461 6.3 b: "dns" only for a fully-qualified domain name.
std::string reporting_mta(std::string_view host) {
  const bool qualified = host.find('.') != std::string_view::npos && is_valid_domain(host);
  return (qualified ? "dns; " : "x-local-hostname; ") + report_line(host, false);
}

// RFC 3461 6.3 h, 9.3: a domain name, or an address literal where only the address is known.
std::string remote_mta(std::string_view remote) {
  std::string name = report_line(remote, false);
  if (name.find(':') != std::string::npos && name.front() != '[') {
    name = "[IPv6:" + name + "]";
  } else if (name.find_first_not_of("0123456789.") == std::string::npos) {
    name = "[" + name + "]";
  }
  return "dns; " + name;
}

std::string original_recipient(std::string_view orcpt, bool utf8) {
  const auto original = decode_orcpt(orcpt);
  if (!original) {
    return {};
  }
  const bool utf8_type = base::iequals(original->type, "utf-8");
  if (utf8_type && !utf8) {
    // RFC 6533 3: in message/delivery-status the encoded form, which the wire had.
    return std::string(orcpt.substr(0, original->type.size())) + ";" +
           report_line(orcpt.substr(original->type.size() + 1), false);
  }
  return original->type + ";" + report_line(original->address, utf8);
}

// RFC 6533 4.1: "utf-8" for an address beyond ASCII; the part is a global one then.
std::string final_recipient(const Address& rcpt) {
  const std::string text = rcpt.text();
  return is_ascii(text) ? "rfc822;" + report_line(text, false) : "utf-8;" + report_line(text, true);
}

std::string diagnostic(std::string_view reply, bool utf8) {
  const auto lines = report_lines(reply, utf8);
  if (lines.empty()) {
    return {};
  }
  // RFC 3461 9.2: an exact transcription, a space before each line after the first. What is no
  // SMTP reply is our own finding and bears our own type (RFC 3464 2.3.6).
  std::string out = is_smtp_reply(lines.front()) ? "smtp; " : "x-posthouse; ";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    out += i == 0 ? "" : "\r\n ";
    out += lines[i];
  }
  return out;
}

void add_rcpt(std::string& out, const ReportRcpt& rcpt, bool utf8) {
  out += "\r\n";
  const std::string original = original_recipient(rcpt.orcpt, utf8);
  if (!original.empty()) {
    add_field(out, "Original-Recipient", original);
  }
  add_field(out, "Final-Recipient", final_recipient(rcpt.rcpt));
  add_field(out, "Action", action_word(rcpt.action));
  add_field(out, "Status", status_or_default(rcpt.status, rcpt.action));
  if (!rcpt.remote_mta.empty()) {
    add_field(out, "Remote-MTA", remote_mta(rcpt.remote_mta));
  }
  const std::string said = diagnostic(rcpt.reply, utf8);
  if (!said.empty()) {
    add_field(out, "Diagnostic-Code", said);
  }
  if (rcpt.last_attempt) {
    add_field(out, "Last-Attempt-Date", format_date(*rcpt.last_attempt));
  }
  // RFC 3464 2.3.9: in no other report than a delayed one.
  if (rcpt.retry_until && rcpt.action == DsnAction::delayed) {
    add_field(out, "Will-Retry-Until", format_date(*rcpt.retry_until));
  }
}

}  // namespace

std::string report_line(std::string_view text, bool utf8, std::size_t limit) {
  const bool keep = utf8 && base::is_utf8(text);
  std::string out(text.substr(0, limit));
  if (keep) {
    while (text.size() > limit && !out.empty() && !base::is_utf8(out)) {
      out.pop_back();
    }
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto octet = static_cast<unsigned char>(out[i]);
    if ((octet < 0x20 && octet != '\t') || octet == 0x7f || (!keep && octet >= 0x80)) {
      out[i] = '?';
    } else if (octet == 0xc2 && static_cast<unsigned char>(out[i + 1]) < 0xa0) {
      out.replace(i, 2, "?");  // U+0080 to U+009F are controls too
    }
  }
  return out;
}

std::vector<std::string> report_lines(std::string_view reply, bool utf8) {
  std::vector<std::string> lines;
  while (!reply.empty() && lines.size() < kMaxLines) {
    const auto end = reply.find_first_of("\r\n");
    const auto line = base::trim(reply.substr(0, end));
    reply.remove_prefix(end == std::string_view::npos ? reply.size() : end + 1);
    if (!line.empty()) {  // an empty line would end the group of fields
      lines.push_back(report_line(line, utf8));
    }
  }
  return lines;
}

bool is_smtp_reply(std::string_view line) {
  return line.size() >= 3 && line[0] >= '2' && line[0] <= '5' && line[1] >= '0' && line[1] <= '9' &&
         line[2] >= '0' && line[2] <= '9' && (line.size() == 3 || line[3] == ' ' || line[3] == '-');
}

bool names_need_utf8(const Report& report) {
  return std::any_of(report.rcpts.begin(), report.rcpts.end(), [](const ReportRcpt& rcpt) {
    const auto original = decode_orcpt(rcpt.orcpt);
    return !is_ascii(rcpt.rcpt.text()) || (original && !is_ascii(original->address));
  });
}

std::string build_report_fields(const Report& report) {
  const bool utf8 = names_need_utf8(report);
  std::string out;
  // RFC 3461 6.3 a: only when the sender gave one, and decoded.
  const auto envid = decode_xtext(report.envid);
  if (envid && !envid->empty()) {
    add_field(out, "Original-Envelope-Id", report_line(*envid, false));
  }
  add_field(out, "Reporting-MTA", reporting_mta(report.host_name));
  add_field(out, "Arrival-Date", format_date(report.arrival));
  if (!report.original_id.empty()) {
    add_field(out, "X-Posthouse-Queue-Id", base::format_message_id(report.original_id));
  }
  for (const ReportRcpt& rcpt : report.rcpts) {
    add_rcpt(out, rcpt, utf8);
  }
  return out;
}

}  // namespace posthouse::mail
