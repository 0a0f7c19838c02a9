// The header section of a message (RFC 5322 2.2), tolerant of anything: lines without a colon,
// NULs, headers of many megabytes, CRLF or LF line ends mixed. Pure; nothing fails, nothing is
// collected, views point into the caller's memory.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace posthouse::mail {

// The fields that a server asks about while a message streams by.
enum class KnownField : std::uint8_t {
  received,
  return_path,
  delivered_to,
  date,
  from,
  sender,
  to,
  cc,
  bcc,
  subject,
  message_id,
  mime_version,
  other,  // any other well-formed field
};
inline constexpr std::size_t kKnownFields = static_cast<std::size_t>(KnownField::other) + 1;

// Counts the fields of a header that arrives in chunks, split anywhere. Costs one memchr over the
// header and nothing over the body.
class HeaderScanner {
 public:
  // Takes the next chunk of the message. Returns true once the end of the header was seen; further
  // chunks are ignored then.
  bool feed(std::string_view chunk);
  // The message is over: a header that no empty line ended, ends here.
  void finish();

  [[nodiscard]] bool done() const { return done_; }
  [[nodiscard]] std::uint32_t count(KnownField field) const {
    return counts_[static_cast<std::size_t>(field)];
  }
  // Received fields, for the loop limit (RFC 5321 6.3).
  [[nodiscard]] std::uint32_t received() const { return count(KnownField::received); }
  // Octets before the body, the empty line included; of what was fed so far while not done().
  [[nodiscard]] std::uint64_t header_octets() const { return octets_; }

 private:
  void end_line();

  static constexpr std::size_t kPrefix = 32;
  std::array<char, kPrefix> prefix_{};  // the beginning of the present line
  std::size_t prefix_size_ = 0;
  std::array<std::uint32_t, kKnownFields> counts_{};
  std::uint64_t octets_ = 0;
  bool done_ = false;
};

// One logical line of a header with its continuation lines.
struct HeaderField {
  std::string_view name;   // as written, without white space before the colon; empty: not a field
  std::string_view value;  // raw: after the colon, line breaks within, without the last line end
  std::size_t offset = 0;  // of the line in the message
  std::size_t size = 0;    // of the whole, the last line end included
};

// Walks the header of a message in memory.
class FieldReader {
 public:
  explicit FieldReader(std::string_view message) : message_(message) {}
  // The next field, or garbage (with an empty name); nullopt at the end of the header.
  std::optional<HeaderField> next();
  // After nullopt: where the body begins (behind the empty line, or the end of the message).
  [[nodiscard]] std::size_t body_offset() const { return at_; }

 private:
  std::string_view message_;
  std::size_t at_ = 0;
  bool done_ = false;
};

// Calls `callback(name, raw_value, offset)` for each well-formed field, garbage left out. A
// callback that returns bool ends the walk by returning false. Returns the offset of the body, or
// of the line after the last one visited.
template <class Callback>
std::size_t for_each_field(std::string_view message, Callback&& callback) {
  FieldReader reader(message);
  while (const auto field = reader.next()) {
    if (field->name.empty()) {
      continue;
    }
    if constexpr (std::is_convertible_v<std::invoke_result_t<Callback&, std::string_view,
                                                             std::string_view, std::size_t>,
                                        bool>) {
      if (!callback(field->name, field->value, field->offset)) {
        break;
      }
    } else {
      callback(field->name, field->value, field->offset);
    }
  }
  return reader.body_offset();
}

// A raw value as one line (RFC 5322 2.2.3): line breaks before white space go, white space at both
// ends goes, any other CR, LF or NUL becomes a space. At most `limit` octets of `raw` are looked
// at.
[[nodiscard]] std::string unfold(std::string_view raw, std::size_t limit = 16384);

}  // namespace posthouse::mail
