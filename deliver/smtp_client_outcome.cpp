// Verdicts (see smtp_client_outcome.hpp), names of phases, and what EHLO says. Pure; any thread.
#include "deliver/smtp_client_outcome.hpp"

#include "base/assert.hpp"
#include "base/text.hpp"

namespace posthouse::deliver {

namespace {

char class_of(Disposition disposition) {
  switch (disposition) {
    case Disposition::delivered:
      return '2';
    case Disposition::deferred:
      return '4';
    case Disposition::failed:
      break;
  }
  return '5';
}

std::string one_line(std::string_view text) {
  if (text.size() > kMaxOutcomeText) {
    std::size_t end = kMaxOutcomeText;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) {
      --end;  // not within a character
    }
    text = text.substr(0, end);
  }
  std::string out(base::trim(text));
  for (char& c : out) {
    if (c == '\n') {
      c = ' ';
    }
  }
  return out;
}

void add_size(Capabilities& out, std::string_view argument) {
  out.size = true;
  // RFC 1870 3: no number or 0 is "no fixed limit". A number that does not fit is none, either.
  out.max_size = base::parse_u64(argument).value_or(0);
}

void add_keyword(Capabilities& out, std::string_view keyword, std::string_view arguments) {
  if (base::iequals(keyword, "PIPELINING")) {
    out.pipelining = true;
  } else if (base::iequals(keyword, "SIZE")) {
    add_size(out, arguments);
  } else if (base::iequals(keyword, "8BITMIME")) {
    out.eight_bit_mime = true;
  } else if (base::iequals(keyword, "SMTPUTF8")) {
    out.smtp_utf8 = true;
    out.eight_bit_mime = true;  // RFC 6531 3.1: such a server has to offer both
  } else if (base::iequals(keyword, "DSN")) {
    out.dsn = true;
  } else if (base::iequals(keyword, "CHUNKING")) {
    out.chunking = true;
  } else if (base::iequals(keyword, "STARTTLS")) {
    out.start_tls = true;
  } else if (base::iequals(keyword, "ENHANCEDSTATUSCODES")) {
    out.enhanced_codes = true;
  } else if (base::iequals(keyword, "AUTH")) {
    for (const std::string_view name : base::split_words(arguments)) {
      out.auth.add(name);
    }
  } else if (base::istarts_with(keyword, "AUTH=")) {
    out.auth.add(keyword.substr(5));  // before RFC 2554; some servers say both
    add_keyword(out, "AUTH", arguments);
  }
}

}  // namespace

std::string_view phase_name(Phase phase) {
  switch (phase) {
    case Phase::connect:
      return "connect";
    case Phase::greeting:
      return "greeting";
    case Phase::hello:
      return "EHLO";
    case Phase::start_tls:
      return "STARTTLS";
    case Phase::auth:
      return "AUTH";
    case Phase::reset:
      return "RSET";
    case Phase::mail:
      return "MAIL";
    case Phase::rcpt:
      return "RCPT";
    case Phase::data:
      return "DATA";
    case Phase::body:
      return "message";
    case Phase::final_reply:
      return "end of message";
  }
  PH_ASSERT(false, "every phase has a name");
  return {};
}

RcptOutcome outcome_of(const mail::Reply& reply, Phase phase, Scope scope) {
  RcptOutcome outcome;
  outcome.disposition = reply.code < 300   ? Disposition::delivered
                        : reply.code < 500 ? Disposition::deferred
                                           : Disposition::failed;
  outcome.phase = phase;
  outcome.scope = scope;
  outcome.code = reply.code;
  outcome.enhanced = reply.enhanced;
  const char wanted = class_of(outcome.disposition);
  if (outcome.enhanced.empty() || outcome.enhanced.front() != wanted) {
    outcome.enhanced = std::string(1, wanted) + ".0.0";
  }
  outcome.text = one_line(reply.text);
  return outcome;
}

RcptOutcome own_outcome(Phase phase, Scope scope, std::string_view enhanced,
                        std::string_view text) {
  PH_ASSERT(enhanced.starts_with("4.") || enhanced.starts_with("5."),
            "a verdict of ours is bad news");
  RcptOutcome outcome;
  outcome.disposition = enhanced[0] == '4' ? Disposition::deferred : Disposition::failed;
  outcome.phase = phase;
  outcome.scope = scope;
  outcome.enhanced = enhanced;
  outcome.text = one_line(text);
  return outcome;
}

RcptOutcome deferred(RcptOutcome outcome) {
  outcome.disposition = Disposition::deferred;
  outcome.enhanced.front() = '4';
  return outcome;
}

Capabilities parse_capabilities(std::string_view text) {
  Capabilities out;
  bool first = true;
  for (const std::string_view line : base::split(text, '\n')) {
    const std::string_view trimmed = base::trim(line);
    const std::size_t end = trimmed.find_first_of(" \t");
    const std::string_view word = trimmed.substr(0, end);
    const std::string_view rest =
        end == std::string_view::npos ? std::string_view() : base::trim(trimmed.substr(end));
    if (first) {
      out.name = word;  // RFC 5321 4.1.1.1 ehlo-ok-rsp: the domain, then perhaps a greeting
      first = false;
    } else {
      add_keyword(out, word, rest);
    }
  }
  return out;
}

}  // namespace posthouse::deliver
