// Reading the structure of an mbox file: where messages begin and end, which are ours, and a uid
// for each. Used by mbox and by maildrop on mailbox pool threads. Reads only; a damaged file gives
// the messages that can be told apart.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.hpp"

namespace posthouse::mailbox {

// The line we write behind the From_ line: "X-Posthouse-Uid: UID; size=N; crc=XXXXXXXX". Size and
// CRC-32C of the octets behind that line, without the blank line that ends the message.
struct MboxMarker {
  std::string uid;
  std::uint64_t size = 0;
  std::uint32_t crc = 0;
};
[[nodiscard]] std::string format_marker(const MboxMarker& marker);  // with its LF
[[nodiscard]] std::optional<MboxMarker> parse_marker(std::string_view line);

// Offsets into the file.
struct MboxMessage {
  std::uint64_t start = 0;        // the From_ line
  std::uint64_t content = 0;      // behind the From_ line and our marker
  std::uint64_t content_end = 0;  // without the blank line before the next From_ line
  std::uint64_t end = 0;          // the next From_ line or the end of the file
  std::uint64_t wire_octets = 0;  // of the content unquoted, with CRLF
  std::uint32_t crc = 0;          // CRC-32C of the content
  bool has_nul = false;           // a sign of damage
  std::optional<MboxMarker> marker;
  // Unique in the file: of the marker, else from the sender, the header without what mail readers
  // change in it, and the body. Equal copies are numbered.
  std::string uid;
};

struct MboxScan {
  std::uint32_t crc = 0;  // CRC-32C of everything scanned
  std::vector<MboxMessage> messages;
  // Lines that begin with NUL, or with a part of "From " and NUL: what a lost sector leaves.
  std::vector<std::uint64_t> nul_lines;
};

// Scans [from, size) of the file; `from` must be the start of the file or of a message.
[[nodiscard]] base::Result<MboxScan> scan_mbox(base::File& file, std::uint64_t from,
                                               std::uint64_t size);

}  // namespace posthouse::mailbox
