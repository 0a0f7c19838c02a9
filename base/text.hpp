// Small text helpers on ASCII octets; no locale.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace posthouse::base {

[[nodiscard]] constexpr char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
[[nodiscard]] std::string to_lower(std::string_view text);
[[nodiscard]] std::string to_upper(std::string_view text);
[[nodiscard]] bool iequals(std::string_view a, std::string_view b);
[[nodiscard]] bool istarts_with(std::string_view text, std::string_view prefix);
// Without leading and trailing space, tab, CR and LF.
[[nodiscard]] std::string_view trim(std::string_view text);
// Fields between separators; empty fields are kept.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);
// Fields between runs of space and tab; no empty fields.
[[nodiscard]] std::vector<std::string_view> split_words(std::string_view text);
// Unsigned decimal without sign or spaces; nullopt on anything else or overflow.
[[nodiscard]] std::optional<std::uint64_t> parse_u64(std::string_view text);
// Printable form for logs and replies: octets outside 0x20..0x7e as \xNN, cut at `limit` octets.
[[nodiscard]] std::string printable(std::string_view text, std::size_t limit = 200);
// True when `text` is well-formed UTF-8 (RFC 3629; no surrogates, no overlong forms).
[[nodiscard]] bool is_utf8(std::string_view text);
// Compares in time that depends on the lengths only.
[[nodiscard]] bool equal_constant_time(std::string_view a, std::string_view b);
// Levenshtein distance, for "did you mean" hints; both at most 64 octets, else a large number.
[[nodiscard]] unsigned edit_distance(std::string_view a, std::string_view b);

// RFC 4648 base64 with padding.
[[nodiscard]] std::string base64_encode(std::string_view data);
// Strict: no white space, correct padding; nullopt otherwise.
[[nodiscard]] std::optional<std::string> base64_decode(std::string_view text);

}  // namespace posthouse::base
