// What a sender asks about reports: the parameters RET and ENVID of MAIL, NOTIFY and ORCPT of RCPT
// (RFC 3461 4, RFC 6533 3), as values that are kept with the envelope and each recipient. The SMTP
// server parses them, the SMTP client writes them for the next hop, reports quote them. Pure; any
// thread; malformed input is a value (an error reply or nullopt).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mail/address.hpp"

namespace posthouse::mail {

inline constexpr std::size_t kMaxEnvid = 100;  // RFC 3461 4.4 and 5.4, of the encoded value
inline constexpr std::size_t kMaxOrcpt = 500;  // RFC 3461 4.2 and 5.4, of the encoded value

// NOTIFY of one recipient (RFC 3461 4.1): not given, NEVER alone, or any of the other three.
class Notify {
 public:
  static constexpr std::uint8_t kNever = 1;
  static constexpr std::uint8_t kSuccess = 2;
  static constexpr std::uint8_t kFailure = 4;
  static constexpr std::uint8_t kDelay = 8;

  constexpr Notify() = default;  // not given
  // From stored bits; nullopt for NEVER beside another, and for unknown bits. 0: not given.
  [[nodiscard]] static constexpr std::optional<Notify> from_bits(std::uint8_t bits) {
    const bool list = (bits & ~(kSuccess | kFailure | kDelay)) == 0;
    return list || bits == kNever ? std::optional(Notify(bits)) : std::nullopt;
  }
  [[nodiscard]] static constexpr Notify never() { return Notify(kNever); }

  [[nodiscard]] constexpr std::uint8_t bits() const { return bits_; }
  [[nodiscard]] constexpr bool given() const { return bits_ != 0; }
  [[nodiscard]] constexpr bool asks(std::uint8_t bit) const { return (bits_ & bit) != 0; }
  // What the targets of an alias with several inherit, once the alias itself was reported as
  // expanded: the same without SUCCESS, NEVER when nothing is left (RFC 3461 5.2.7.3 c).
  [[nodiscard]] constexpr Notify without_success() const {
    const auto rest = static_cast<std::uint8_t>(bits_ & ~kSuccess);
    return Notify(given() && rest == 0 ? kNever : rest);
  }
  bool operator==(const Notify&) const = default;

 private:
  constexpr explicit Notify(std::uint8_t bits) : bits_(bits) {}
  std::uint8_t bits_ = 0;
};

enum class Ret : std::uint8_t { none = 0, full = 1, hdrs = 2 };

// Of MAIL. `envid` is the xtext as received, empty when not given: it must go on unchanged.
struct DsnMail {
  Ret ret = Ret::none;
  std::string envid;
  bool operator==(const DsnMail&) const = default;
};

// Of RCPT. `orcpt` is "addr-type;encoded address" as received, empty when not given.
struct DsnRcpt {
  Notify notify;
  std::string orcpt;
  bool operator==(const DsnRcpt&) const = default;
};

// What became of one parameter of a command line.
struct DsnParam {
  bool known = false;      // false: the keyword is none of RFC 3461; nothing was changed
  std::string_view error;  // the whole reply for the client ("501 5.5.4 …"); empty when taken
};

// Takes KEYWORD=VALUE of MAIL into `params`. A second RET or ENVID, a value that does not parse or
// is over its limit is an error, and `params` is unchanged then. `value` is empty without "=".
[[nodiscard]] DsnParam take_dsn_param(std::string_view keyword, std::string_view value,
                                      DsnMail& params);
// The same for RCPT. `smtputf8`: the transaction has SMTPUTF8, so ORCPT may hold UTF-8 unencoded.
[[nodiscard]] DsnParam take_dsn_param(std::string_view keyword, std::string_view value,
                                      bool smtputf8, DsnRcpt& params);

// The values alone, in any case of letters (RFC 3461 4.1, 4.3), for sendmail's -N and -R too.
[[nodiscard]] std::optional<Notify> parse_notify(std::string_view value);
[[nodiscard]] std::optional<Ret> parse_ret(std::string_view value);
// "NEVER" or "SUCCESS,FAILURE,DELAY" as far as asked; empty when not given.
[[nodiscard]] std::string format_notify(Notify notify);

// xtext (RFC 3461 4). Decoding is strict: "+" takes two upper-case hexadecimal digits, everything
// else is %d33-126 but "+" and "="; nullopt otherwise. Any octets can be encoded.
[[nodiscard]] std::string encode_xtext(std::string_view octets);
[[nodiscard]] std::optional<std::string> decode_xtext(std::string_view text);

// An original recipient, decoded. The address is printable ASCII; of type "utf-8" printable UTF-8.
struct OriginalRecipient {
  std::string type;     // as received; compare without case
  std::string address;  // for people and report fields
};
// Decodes the value of ORCPT; nullopt when it is not one. An address of type utf-8 that does not
// have that type's syntax, but is xtext, is left as it was (RFC 6533 3).
[[nodiscard]] std::optional<OriginalRecipient> decode_orcpt(std::string_view orcpt);
// The ORCPT value for a recipient that came without one (RFC 3461 5.2.1 d): rfc822, or utf-8 where
// the local part needs it. Empty when it would exceed the limit.
[[nodiscard]] std::string make_orcpt(const Address& rcpt);
// An address of type utf-8 in its 7-bit form (utf-8-addr-xtext of RFC 6533 3).
[[nodiscard]] std::string encode_utf8_address(std::string_view address);

// What follows the path on the way to a server that speaks DSN, each with a space before it; empty
// when nothing was asked (RFC 3461 5.2.1). Never call these for one that does not (5.2.2 a).
[[nodiscard]] std::string format_dsn_params(const DsnMail& params);
// Without SMTPUTF8 an 8-bit ORCPT is turned into its 7-bit form, and left out where that would be
// longer than any server must take.
[[nodiscard]] std::string format_dsn_params(const DsnRcpt& params, bool smtputf8);

}  // namespace posthouse::mail
