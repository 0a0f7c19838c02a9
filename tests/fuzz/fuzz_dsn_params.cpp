// mail/dsn_params and mail/dsn_report: parameters of RFC 3461 as a client writes them, and a report
// made of them and of whatever a remote server and the original say. Input: lines ENVID, ORCPT,
// reply, original (the rest).
#include "base/assert.hpp"
#include "base/text.hpp"
#include "mail/dsn_params.hpp"
#include "mail/dsn_report.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace posthouse;

namespace {

void check_param(std::string_view keyword, std::string_view value) {
  mail::DsnMail mail_params;
  if (const auto taken = mail::take_dsn_param(keyword, value, mail_params);
      taken.known && taken.error.empty()) {
    mail::DsnMail again;
    const std::string printed = mail::format_dsn_params(mail_params);
    const std::string_view text = std::string_view(printed).substr(1);
    const auto equals = text.find('=');
    const auto twice = mail::take_dsn_param(text.substr(0, equals), text.substr(equals + 1), again);
    PH_ASSERT(twice.known && twice.error.empty() && again == mail_params, "MAIL round trip");
  }
  mail::DsnRcpt rcpt_params;
  const auto taken = mail::take_dsn_param(keyword, value, true, rcpt_params);
  if (!taken.known || !taken.error.empty()) {
    return;
  }
  for (const bool smtputf8 : {true, false}) {
    const std::string printed = mail::format_dsn_params(rcpt_params, smtputf8);
    if (printed.empty()) {
      continue;
    }
    const std::string_view text = std::string_view(printed).substr(1);
    const auto equals = text.find('=');
    mail::DsnRcpt again;
    const auto twice =
        mail::take_dsn_param(text.substr(0, equals), text.substr(equals + 1), smtputf8, again);
    PH_ASSERT(twice.known && twice.error.empty(), "what goes on is taken by any server");
    PH_ASSERT(!smtputf8 || again == rcpt_params, "RCPT round trip");
    const auto before = mail::decode_orcpt(rcpt_params.orcpt);
    const auto after = mail::decode_orcpt(again.orcpt);
    PH_ASSERT(before.has_value() == after.has_value(), "an original recipient stays one");
    PH_ASSERT(!before || before->address == after->address, "the 7-bit form means the same");
  }
}

void check_report(std::string_view envid, std::string_view orcpt, std::string_view reply,
                  std::string_view original) {
  mail::Report report;
  report.host_name = "mail.example.org";
  report.mail_domain = "example.org";
  report.id = {1, 2};
  report.to = {"ann", "example.org"};
  report.envid = std::string(envid);
  report.original = original;
  report.part = envid.size() % 2 == 0 ? mail::ReturnPart::header : mail::ReturnPart::message;
  mail::ReportRcpt rcpt;
  rcpt.rcpt = {"bob", "example.net"};
  rcpt.orcpt = std::string(orcpt);
  rcpt.reply = std::string(reply);
  rcpt.status = std::string(reply.substr(0, 5));
  rcpt.remote_mta = std::string(reply);
  report.rcpts = {rcpt, rcpt};
  const mail::BuiltReport built = mail::build_report(report);
  const std::string_view text = built.text;
  PH_ASSERT(text.size() < 200'000 + 4 * original.size(), "a report is bounded");
  std::size_t marks = 0;
  for (auto at = text.find("\r\n--=_"); at != text.npos; at = text.find("\r\n--=_", at + 1)) {
    ++marks;
  }
  PH_ASSERT(marks >= 3, "parts are marked");
  std::size_t begin = 0;
  while (begin < text.size()) {
    const auto end = text.find_first_of(std::string_view("\r\n\0", 3), begin);
    PH_ASSERT(end != text.npos && text.substr(end, 2) == "\r\n", "only CRLF ends a line");
    PH_ASSERT(end - begin <= 998, "lines keep their limit");
    begin = end + 2;
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = fuzz::text_of(data, size);
  const auto envid = fuzz::take_until(text, '\n');
  const auto orcpt = fuzz::take_until(text, '\n');
  const auto reply = fuzz::take_until(text, '\n');
  for (const auto keyword : {"RET", "ENVID", "NOTIFY", "ORCPT"}) {
    check_param(keyword, envid);
    check_param(keyword, orcpt);
  }
  const auto decoded = mail::decode_xtext(reply);
  PH_ASSERT(!decoded || mail::decode_xtext(mail::encode_xtext(*decoded)) == decoded, "xtext");
  check_report(envid, orcpt, reply, text);
  return 0;
}
