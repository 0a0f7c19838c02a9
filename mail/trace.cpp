// Owns the trace fields. Pure; any thread.
#include "mail/trace.hpp"

#include <algorithm>

#include "mail/date.hpp"

namespace posthouse::mail {

namespace {

constexpr std::size_t kMaxColumn = 77;  // RFC 5322 2.1.1: at most 78 without the line end

// Joins words with spaces, breaking the line where the next word would not fit.
class Folder {
 public:
  Folder(std::string& out, LineEnd end) : out_(out), end_(end), line_begin_(out.size()) {}

  // Adds all words of `text`; a line break may come before each.
  void add(std::string_view text) {
    while (!text.empty()) {
      const auto space = text.find(' ');
      add_word(text.substr(0, space));
      text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
    }
  }
  void finish() { out_ += line_end_text(end_); }

 private:
  void add_word(std::string_view word) {
    if (word.empty()) {
      return;
    }
    const std::size_t column = out_.size() - line_begin_;
    if (column != 0 && column + 1 + word.size() > kMaxColumn) {
      out_ += line_end_text(end_);
      line_begin_ = out_.size();
      out_ += '\t';
    } else if (column != 0) {
      out_ += ' ';
    }
    out_ += word;
  }

  std::string& out_;
  LineEnd end_;
  std::size_t line_begin_;
};

bool is_printable_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

// A domain that may stand outside a comment. General address literals may hold characters that
// simple readers of header fields stumble over.
bool is_plain_domain(std::string_view text) {
  return is_printable_ascii(text) && text.find_first_of("();,<>\"") == std::string_view::npos &&
         is_valid_domain(text);
}

// An address literal for TCP-info (RFC 5321 4.4 and 4.1.3).
std::string address_literal(std::string_view ip) {
  const bool is_v6 = ip.find(':') != std::string_view::npos;
  return std::string(is_v6 ? "[IPv6:" : "[") + comment_text(ip) + "]";
}

// From-domain: the HELO name when it is one, else the address itself with the name as a comment.
std::string from_clause(const ReceivedInfo& info) {
  if (info.client_ip.empty() && info.helo.empty()) {
    return {};
  }
  const std::string literal = info.client_ip.empty() ? "" : address_literal(info.client_ip);
  std::string tcp_info = is_plain_domain(info.client_name) ? info.client_name : "";
  if (!literal.empty()) {
    tcp_info += tcp_info.empty() ? literal : " " + literal;
  }
  std::string clause = "from ";
  if (is_plain_domain(info.helo)) {
    clause += info.helo;
  } else {
    clause += literal.empty() ? "unknown" : literal;
    if (!info.helo.empty()) {
      clause += " (HELO " + comment_text(info.helo) + ")";
    }
  }
  return tcp_info.empty() ? clause : clause + " (" + tcp_info + ")";
}

std::string with_clause(const ReceivedInfo& info) {
  std::string clause = "with ";
  clause += with_protocol(info.esmtp, info.tls, info.authenticated);
  if (info.tls && !info.tls_version.empty()) {
    clause += " (" + comment_text(info.tls_version);
    clause += info.tls_cipher.empty() ? ")" : " " + comment_text(info.tls_cipher) + ")";
  }
  if (!info.auth_user.empty()) {
    clause += " (authenticated as " + comment_text(info.auth_user) + ")";
  }
  return clause;
}

std::string address_line(std::string_view name, std::string_view address, LineEnd end) {
  std::string line(name);
  for (const char c : address) {
    // Addresses that were parsed hold no controls; one that was built otherwise must not either.
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    line += control ? '?' : c;
  }
  line += line_end_text(end);
  return line;
}

}  // namespace

std::string comment_text(std::string_view text, std::size_t limit) {
  std::string out(text.substr(0, limit));
  for (char& c : out) {
    if (c < 0x20 || c > 0x7e || c == '(' || c == ')' || c == '\\') {
      c = '?';
    }
  }
  return out;
}

std::string_view with_protocol(bool esmtp, bool tls, bool authenticated) {
  // TLS and AUTH need EHLO, so their presence means ESMTP whatever was said last.
  if (tls) {
    return authenticated ? "ESMTPSA" : "ESMTPS";
  }
  if (authenticated) {
    return "ESMTPA";
  }
  return esmtp ? "ESMTP" : "SMTP";
}

std::string build_received(const ReceivedInfo& info, LineEnd end) {
  std::string out;
  out.reserve(320);
  Folder folder(out, end);
  folder.add("Received:");
  folder.add(from_clause(info));
  folder.add("by " + comment_text(info.by, kMaxDomain));
  if (info.client_ip.empty() && info.helo.empty()) {
    folder.add("(local submission)");
  } else {
    folder.add(with_clause(info));
  }
  folder.add("id " + comment_text(info.id));
  std::string last;
  const std::string rcpt = info.rcpt.text();
  // An address in quotes could not be folded safely, and simple readers take its brackets for
  // others; "for" is optional.
  const bool show_rcpt =
      !rcpt.empty() && is_printable_ascii(rcpt) && rcpt.find('"') == std::string::npos;
  if (show_rcpt) {
    last = "for <" + rcpt + ">";
  }
  if (last.empty()) {
    out += ';';
  } else {
    folder.add(last + ";");
  }
  folder.add(format_date(info.time));
  folder.finish();
  return out;
}

std::string build_return_path(const Address& reverse_path, LineEnd end) {
  return address_line("Return-Path: ", "<" + reverse_path.text() + ">", end);
}

std::string build_delivered_to(const Address& rcpt, LineEnd end) {
  return address_line("Delivered-To: ", rcpt.text(), end);
}

}  // namespace posthouse::mail
