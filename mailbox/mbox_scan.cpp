// The line scanner of mbox files (see mbox_scan.hpp). Mailbox pool threads; no state is kept.
#include "mailbox/mbox_scan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <unordered_map>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "mailbox/content.hpp"

namespace posthouse::mailbox {
namespace {

constexpr std::size_t kChunk = 256 * 1024;
constexpr std::size_t kMaxHashedHeader = 64 * 1024;
constexpr std::size_t kMaxNulLines = 4096;
constexpr std::size_t kMaxUid = 70;  // RFC 1939 7, UIDL

// Fields that mail readers add or change: they must not change the uid of a message.
bool is_reader_field(std::string_view line) {
  static constexpr std::array<std::string_view, 6> kNames = {
      "Status:", "X-Status:", "X-Keywords:", "X-UID:", "X-IMAP", "Content-Length:"};
  return std::any_of(kNames.begin(), kNames.end(),
                     [&](std::string_view name) { return base::istarts_with(line, name); });
}

bool is_quoted_separator(std::string_view line) {
  const std::size_t quotes = std::min(line.find_first_not_of('>'), line.size());
  return quotes > 0 && line.substr(quotes).starts_with("From ");
}

// What a lost sector leaves of the start of a From_ line: nothing, or a part before NUL.
bool is_torn_start(std::string_view line) {
  static constexpr std::string_view kSeparator = "From ";
  const std::size_t nul = line.find('\0');
  return nul < kSeparator.size() && kSeparator.starts_with(line.substr(0, nul));
}

class Scanner {
 public:
  explicit Scanner(std::uint64_t from) : at_(from) {}

  // A line with its LF, or a piece of one: `starts` and `ends` tell.
  void line(std::string_view text, bool starts, bool ends) {
    if (starts) {
      if (is_torn_start(text) && scan_.nul_lines.size() < kMaxNulLines) {
        scan_.nul_lines.push_back(at_);
      }
      if (boundary_ && text.starts_with("From ")) {
        begin(text);
      } else if (open_) {
        flush_blank();
        inside(text);
      }
      boundary_ = text == "\n" || text == "\r\n";
    } else {
      boundary_ = false;
      if (open_) count(text, false);
    }
    if (ends && open_ && boundary_) hold_blank(text);
    at_ += text.size();
  }

  MboxScan finish() {
    close();
    name_messages();
    return std::move(scan_);
  }

 private:
  enum class Part : std::uint8_t { first_field, header, body };

  void begin(std::string_view from_line) {
    close();
    open_ = true;
    part_ = Part::first_field;
    current_ = MboxMessage();
    current_.start = at_;
    current_.content = current_.content_end = at_ + from_line.size();
    current_.has_nul = from_line.find('\0') != std::string_view::npos;
    hashed_.assign(from_line);
    reader_field_ = false;
    blank_ = 0;
    body_octets_ = 0;
    body_crc_ = 0;
  }

  void close() {
    if (!open_) return;
    open_ = false;
    current_.end = at_;  // a blank line held is the separator and stays out of the content
    std::string uid;
    if (current_.marker) {
      uid = current_.marker->uid;
    } else {
      hashed_ += fmt::format("\n{} {:08x}", body_octets_, body_crc_);
      uid = base::hex(base::sha256(hashed_));
    }
    current_.uid = std::move(uid);
    scan_.messages.push_back(std::move(current_));
  }

  void inside(std::string_view text) {
    if (part_ == Part::first_field) {
      part_ = Part::header;
      if (auto marker = parse_marker(text)) {
        current_.marker = std::move(marker);
        current_.content = current_.content_end = at_ + text.size();
        return;
      }
    }
    if (text == "\n" || text == "\r\n") {
      if (part_ == Part::header) {
        part_ = Part::body;
        count(text, false);
        in_header_end_ = true;
      }
      return;  // in the body: held back, see line()
    }
    count(text, is_quoted_separator(text));
  }

  // A blank line may be the separator of the next message; it is content once more lines follow.
  void hold_blank(std::string_view text) {
    if (in_header_end_) {
      in_header_end_ = false;  // the end of the header is content at once
      return;
    }
    blank_ = text.size();
  }

  void flush_blank() {
    if (blank_ == 0) return;
    const std::string_view text = blank_ == 1 ? "\n" : "\r\n";
    blank_ = 0;
    count(text, false);
  }

  void count(std::string_view text, bool quoted) {
    current_.crc = base::crc32c(text, current_.crc);
    current_.content_end += text.size();
    current_.wire_octets += text.size() - (quoted ? 1 : 0);
    if (text.ends_with('\n') && !text.ends_with("\r\n")) ++current_.wire_octets;
    if (text.find('\0') != std::string_view::npos) current_.has_nul = true;
    if (current_.marker) return;  // the rest is for the uid of foreign messages
    if (part_ == Part::body) {
      body_octets_ += text.size();
      body_crc_ = base::crc32c(text, body_crc_);
      return;
    }
    const bool continued = text.front() == ' ' || text.front() == '\t';
    if (!continued) reader_field_ = is_reader_field(text);
    if (!reader_field_ && hashed_.size() < kMaxHashedHeader) hashed_ += text;
  }

  void name_messages() {
    std::unordered_map<std::string, unsigned> seen;
    for (MboxMessage& message : scan_.messages) {
      const unsigned copy = seen[message.uid]++;
      if (copy > 0 || message.uid.size() > kMaxUid) {
        message.uid = base::hex(base::sha256(message.uid + " " + std::to_string(copy)));
      }
    }
  }

  std::uint64_t at_;
  bool boundary_ = true;  // a From_ line may begin here: start of the file or behind a blank line
  bool open_ = false;     // current_ is a message
  bool reader_field_ = false;
  bool in_header_end_ = false;
  Part part_ = Part::first_field;
  std::size_t blank_ = 0;  // octets of the blank line held back
  MboxMessage current_;
  std::string hashed_;
  std::uint64_t body_octets_ = 0;
  std::uint32_t body_crc_ = 0;
  MboxScan scan_;
};

}  // namespace

std::string format_marker(const MboxMarker& marker) {
  // Fixed width: the line of a large message is written before its size is known.
  return fmt::format("{}: {}; size={:012}; crc={:08x}\n", kMarkerField, marker.uid, marker.size,
                     marker.crc);
}

std::optional<MboxMarker> parse_marker(std::string_view line) {
  static constexpr std::string_view kSize = "; size=";
  static constexpr std::string_view kCrc = "; crc=";
  if (!line.starts_with(kMarkerField)) return std::nullopt;
  line.remove_prefix(kMarkerField.size());
  if (!line.starts_with(": ") || !line.ends_with('\n')) return std::nullopt;
  line = line.substr(2, line.size() - 3);
  const std::size_t size_at = line.find(kSize);
  const std::size_t crc_at = line.find(kCrc);
  if (size_at == std::string_view::npos || crc_at == std::string_view::npos || crc_at < size_at) {
    return std::nullopt;
  }
  MboxMarker marker;
  marker.uid = line.substr(0, size_at);
  const auto size =
      base::parse_u64(line.substr(size_at + kSize.size(), crc_at - size_at - kSize.size()));
  const std::string_view crc = line.substr(crc_at + kCrc.size());
  const auto parsed = std::from_chars(crc.data(), crc.data() + crc.size(), marker.crc, 16);
  const bool printable = std::all_of(marker.uid.begin(), marker.uid.end(),
                                     [](char c) { return c > ' ' && c < '\x7f'; });
  if (!size || crc.size() != 8 || parsed.ptr != crc.data() + crc.size() || marker.uid.empty() ||
      !printable) {
    return std::nullopt;
  }
  marker.size = *size;
  return marker;
}

base::Result<MboxScan> scan_mbox(base::File& file, std::uint64_t from, std::uint64_t size) {
  Scanner scanner(from);
  std::string buffer;
  bool starts = true;
  std::uint32_t crc = 0;
  for (std::uint64_t offset = from; offset < size;) {
    const std::size_t kept = buffer.size();
    const std::size_t want =
        static_cast<std::size_t>(std::min<std::uint64_t>(kChunk, size - offset));
    buffer.resize(kept + want);
    const auto got = file.read_at(offset, std::span<char>(buffer.data() + kept, want));
    if (!got) return tl::unexpected(got.error());
    buffer.resize(kept + *got);
    crc = base::crc32c(std::string_view(buffer).substr(kept), crc);
    offset += *got;
    const bool last = *got < want || offset >= size;
    std::string_view rest = buffer;
    for (std::size_t lf = rest.find('\n'); lf != std::string_view::npos; lf = rest.find('\n')) {
      scanner.line(rest.substr(0, lf + 1), starts, true);
      starts = true;
      rest.remove_prefix(lf + 1);
    }
    // A line longer than the buffer goes on in pieces; CR and LF stay together.
    if (!rest.empty() && (last || rest.size() >= kChunk)) {
      const std::size_t back = !last && rest.ends_with('\r') ? 1 : 0;
      scanner.line(rest.substr(0, rest.size() - back), starts, false);
      starts = false;
      rest.remove_prefix(rest.size() - back);
    }
    buffer.erase(0, buffer.size() - rest.size());
    if (last) break;
  }
  MboxScan scan = scanner.finish();
  scan.crc = crc;
  return scan;
}

}  // namespace posthouse::mailbox
