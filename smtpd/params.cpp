// Parameters of MAIL and RCPT: see params.hpp. No state; any thread.
#include "smtpd/params.hpp"

#include "base/text.hpp"

namespace posthouse::smtpd {

namespace {

constexpr std::string_view kBadSyntax = "501 5.5.4 Syntax error in parameters";
constexpr std::string_view kUnknown = "555 5.5.4 Parameter not recognized";

struct Param {
  std::string_view keyword;
  std::string_view value;
  bool has_value = false;
};

bool is_alnum(char c) {
  const char low = base::ascii_lower(c);
  return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9');
}

// RFC 5321 4.1.2: keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-"), value of %d33-60 / %d62-126.
bool is_well_formed(const Param& param) {
  if (param.keyword.empty() || !is_alnum(param.keyword.front())) {
    return false;
  }
  for (const char c : param.keyword) {
    if (!is_alnum(c) && c != '-') {
      return false;
    }
  }
  for (const char c : param.value) {
    if (c < 33 || c > 126 || c == '=') {
      return false;
    }
  }
  return !param.has_value || !param.value.empty();
}

// The next parameter and the rest; false at the end.
bool next_param(std::string_view* text, Param* param) {
  while (!text->empty() && text->front() == ' ') {
    text->remove_prefix(1);
  }
  if (text->empty()) {
    return false;
  }
  const std::string_view word = text->substr(0, text->find(' '));
  text->remove_prefix(word.size());
  const std::size_t equals = word.find('=');
  param->keyword = word.substr(0, equals);
  param->has_value = equals != std::string_view::npos;
  param->value = param->has_value ? word.substr(equals + 1) : std::string_view();
  return true;
}

bool starts_well(std::string_view text) { return text.empty() || text.front() == ' '; }

// One known parameter of MAIL. `*seen` has a bit for each keyword already met.
std::string_view apply_mail_param(const Param& param, MailParams* params, unsigned* seen) {
  unsigned bit = 0;
  bool good = false;
  if (base::iequals(param.keyword, "SIZE")) {
    bit = 1;
    // RFC 1870 4: 1 to 20 digits; more than 64 bits is more than any limit.
    const auto size = base::parse_u64(param.value);
    good = size.has_value() && param.value.size() <= 20;
    params->size = size.value_or(0);
  } else if (base::iequals(param.keyword, "BODY")) {
    bit = 2;
    const bool eight = base::iequals(param.value, "8BITMIME");
    good = eight || base::iequals(param.value, "7BIT");
    params->body = eight ? mail::BodyKind::eight_bit : mail::BodyKind::seven_bit;
  } else if (base::iequals(param.keyword, "AUTH")) {
    bit = 4;
    good = param.has_value;
  } else {
    return kUnknown;  // RFC 5321 4.1.1.11
  }
  if (!good || (*seen & bit) != 0) {
    return kBadSyntax;
  }
  *seen |= bit;
  return {};
}

}  // namespace

std::string_view parse_mail_params(std::string_view text, MailParams* params) {
  if (!starts_well(text)) {
    return kBadSyntax;
  }
  Param param;
  unsigned seen = 0;
  while (next_param(&text, &param)) {
    if (!is_well_formed(param)) {
      return kBadSyntax;
    }
    const std::string_view trouble = apply_mail_param(param, params, &seen);
    if (!trouble.empty()) {
      return trouble;
    }
  }
  return {};
}

std::string_view parse_rcpt_params(std::string_view text) {
  if (!starts_well(text)) {
    return kBadSyntax;
  }
  Param param;
  if (!next_param(&text, &param)) {
    return {};
  }
  return is_well_formed(param) ? kUnknown : kBadSyntax;
}

}  // namespace posthouse::smtpd
