// Makes a message fit for a peer that takes 7-bit text only (RFC 6152 3): each MIME part with
// octets beyond ASCII becomes quoted-printable or base64 (RFC 2045 6), the multipart structure and
// everything that was 7-bit already stay octet for octet. Called by deliver/ for a whole message in
// memory. Pure; any thread; bounded time and depth.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace posthouse::mail {

inline constexpr std::size_t kMaxMimeDepth = 16;    // LIMIT: multiparts and messages inside another
inline constexpr std::size_t kMaxMimeParts = 2000;  // LIMIT: parts of all multiparts together

// The 7-bit form of `message` (CRLF line ends), or nullopt with the reason in `*why` when it cannot
// be made safely: octets beyond ASCII in a header, outside the parts of a multipart, inside a
// signed or encrypted part or a transfer encoding that has none; a multipart without boundary or
// without end; a limit above. A message without MIME fields is labelled as RFC 1428 says.
[[nodiscard]] std::optional<std::string> to_seven_bit(std::string_view message, std::string* why);

// RFC 2045 6.7 for text with CRLF line ends, which stay; other CR and LF are encoded. Lines come
// out with at most 76 octets. What could be taken for a boundary, an mbox "From " line or a dot at
// a line start is encoded, too.
void append_quoted_printable(std::string& out, std::string_view text);
// RFC 2045 6.8: lines of 76 octets, each ended with CRLF.
void append_base64_lines(std::string& out, std::string_view octets);

}  // namespace posthouse::mail
