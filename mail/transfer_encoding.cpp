// See transfer_encoding.hpp.
#include "mail/transfer_encoding.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "mail/header_scanner.hpp"

namespace posthouse::mail {

namespace {

bool is_seven_bit(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80 && c != '\0'; });
}

// RFC 2045 6.7: %d33-126 but "="; white space is for the caller to judge.
bool is_literal(char c) { return c >= 33 && c <= 126 && c != '='; }

void append_escape(std::string& out, char c) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  const auto octet = static_cast<unsigned char>(c);
  out += '=';
  out += kDigits[octet >> 4U];
  out += kDigits[octet & 0xfU];
}

// One line of text without its line end.
void append_quoted_line(std::string& out, std::string_view line) {
  constexpr std::size_t kWidth = 75;  // and one for the "=" of a soft line break
  std::size_t column = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    const bool blank = c == ' ' || c == '\t';
    const bool last = i + 1 == line.size();
    bool literal = is_literal(c) || (blank && !last);  // RFC 2045 6.7 (3)
    const std::size_t width = literal ? 1 : 3;
    if (column + width > kWidth) {
      out += "=\r\n";
      column = 0;
    }
    // The start of a line, as it will stand on the wire: "--" could be a boundary, "." is doubled
    // by SMTP, "From " gets a ">" in mbox files.
    if (column == 0 && (c == '-' || c == '.' || c == 'F')) {
      literal = false;
    }
    if (literal) {
      out += c;
      column += 1;
    } else {
      append_escape(out, c);
      column += 3;
    }
  }
}

struct ContentType {
  std::string type;     // "text", lower case
  std::string subtype;  // "plain"
  std::string boundary;
  [[nodiscard]] bool is(std::string_view t, std::string_view s) const {
    return type == t && subtype == s;
  }
};

// RFC 2045 5.1: a token, or a quoted string with its quotes taken off. Comments are not read: a
// value that holds one does not parse.
std::optional<std::string> take_value(std::string_view& text) {
  std::string out;
  if (!text.empty() && text.front() == '"') {
    for (std::size_t i = 1; i < text.size(); ++i) {
      if (text[i] == '"') {
        text.remove_prefix(i + 1);
        return out;
      }
      if (text[i] == '\\' && i + 1 < text.size()) {
        ++i;
      }
      out += text[i];
    }
    return std::nullopt;
  }
  const std::size_t end = std::min(text.find_first_of("; \t\"()<>@,:\\[]"), text.size());
  out = text.substr(0, end);
  text.remove_prefix(end);
  return out.empty() ? std::nullopt : std::optional(out);
}

std::optional<ContentType> parse_content_type(std::string_view raw) {
  const std::string unfolded = unfold(raw);
  std::string_view text = base::trim(unfolded);
  ContentType out;
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) {
    return std::nullopt;
  }
  out.type = base::to_lower(base::trim(text.substr(0, slash)));
  text.remove_prefix(slash + 1);
  const std::size_t end = std::min(text.find(';'), text.size());
  out.subtype = base::to_lower(base::trim(text.substr(0, end)));
  text.remove_prefix(end);
  if (out.type.empty() || out.subtype.empty() ||
      (out.type + out.subtype).find_first_of(" \t()<>@,:\\\"/[]?=") != std::string::npos) {
    return std::nullopt;
  }
  while (!text.empty()) {
    text.remove_prefix(1);  // the semicolon
    text = base::trim(text);
    if (text.empty()) {
      break;  // a final semicolon is common
    }
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) {
      return std::nullopt;
    }
    const std::string name = base::to_lower(base::trim(text.substr(0, equals)));
    text = base::trim(text.substr(equals + 1));
    auto value = take_value(text);
    text = base::trim(text);
    if (!value || (!text.empty() && text.front() != ';')) {
      return std::nullopt;
    }
    if (name == "boundary") {
      if (!out.boundary.empty()) {
        return std::nullopt;
      }
      out.boundary = std::move(*value);
    }
  }
  return out;
}

// RFC 2046 5.1.1
bool is_boundary(std::string_view text) {
  return !text.empty() && text.size() <= 70 && text.back() != ' ' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  std::string_view("'()+_,-./:=? *&%#$!@^~`{}|;<>[]").find(c) !=
                      std::string_view::npos;
         });
}

// What the header of an entity says.
struct EntityHeader {
  std::size_t body = 0;  // where the body begins
  std::optional<HeaderField> type;
  std::optional<HeaderField> encoding;
  bool mime_version = false;
  bool content_fields = false;
};

class Converter {
 public:
  explicit Converter(std::string* why) : why_(why) {}

  bool entity(std::string_view text, std::size_t depth, bool message, bool digest);
  std::string out;

 private:
  enum class Transfer { keep, seven_bit, quoted_printable, base64 };

  bool refuse(std::string_view why) {
    *why_ = why;
    return false;
  }
  bool read_header(std::string_view text, EntityHeader& header);
  bool leaf(std::string_view text, const EntityHeader& header, const ContentType& type,
            bool message);
  bool multipart(std::string_view text, const EntityHeader& header, const ContentType& type,
                 std::size_t depth, bool message);
  void write_header(std::string_view text, const EntityHeader& header, Transfer transfer,
                    bool message);
  static std::string encoding_of(const EntityHeader& header);

  std::string* why_;
  std::size_t parts_ = 0;
};

bool Converter::read_header(std::string_view text, EntityHeader& header) {
  FieldReader reader(text);
  while (const auto field = reader.next()) {
    if (base::iequals(field->name, "Content-Type")) {
      if (header.type) {
        return refuse("a part has two Content-Type fields");
      }
      header.type = field;
    } else if (base::iequals(field->name, "Content-Transfer-Encoding")) {
      if (header.encoding) {
        return refuse("a part has two Content-Transfer-Encoding fields");
      }
      header.encoding = field;
    } else if (base::iequals(field->name, "MIME-Version")) {
      header.mime_version = true;
    }
    header.content_fields = header.content_fields || base::istarts_with(field->name, "Content-");
  }
  header.body = reader.body_offset();
  if (!is_seven_bit(text.substr(0, header.body))) {
    return refuse("a header has octets beyond ASCII");
  }
  return true;
}

std::string Converter::encoding_of(const EntityHeader& header) {
  if (!header.encoding) {
    return "7bit";  // RFC 2045 6.1
  }
  const std::string value = unfold(header.encoding->value);
  return base::to_lower(base::trim(std::string_view(value)));
}

// Copies the header with the field that says how the body is encoded put right.
void Converter::write_header(std::string_view text, const EntityHeader& header, Transfer transfer,
                             bool message) {
  std::string_view end = "\r\n";
  std::string_view fields = text.substr(0, header.body);
  // The empty line, when there is one; an entity may end with its header or begin with its body.
  if (fields.ends_with("\r\n\r\n") || fields == "\r\n") {
    fields.remove_suffix(2);
  } else if (!fields.empty() && !fields.ends_with("\r\n")) {
    end = "\r\n\r\n";
  }
  std::string_view name;
  switch (transfer) {
    case Transfer::keep:
      out += text.substr(0, header.body);
      return;
    case Transfer::seven_bit:
      name = "7bit";
      break;
    case Transfer::quoted_printable:
      name = "quoted-printable";
      break;
    case Transfer::base64:
      name = "base64";
      break;
  }
  const std::string field = "Content-Transfer-Encoding: " + std::string(name) + "\r\n";
  if (header.encoding) {
    out += fields.substr(0, header.encoding->offset);
    out += field;
    out += fields.substr(header.encoding->offset + header.encoding->size);
  } else {
    out += fields;
    if (message && !header.mime_version) {
      out += "MIME-Version: 1.0\r\n";
      if (!header.content_fields) {
        out += "Content-Type: text/plain; charset=unknown-8bit\r\n";  // RFC 1428 3
      }
    }
    if (transfer != Transfer::seven_bit) {
      out += field;
    }
  }
  out += end;
}

bool Converter::leaf(std::string_view text, const EntityHeader& header, const ContentType& type,
                     bool message) {
  const std::string encoding = encoding_of(header);
  const std::string_view body = text.substr(header.body);
  // 7bit with octets beyond ASCII is wrong and common; it means 8bit.
  if (encoding != "7bit" && encoding != "8bit" && encoding != "binary") {
    return refuse("a part is encoded as \"" + base::printable(encoding, 40) +
                  "\" and has octets beyond ASCII");
  }
  if (type.type == "message" && !type.subtype.starts_with("global")) {
    return refuse("a part of type message may not be encoded");  // RFC 2046 5.2.2, 5.2.3
  }
  const auto high = static_cast<std::size_t>(std::count_if(
      body.begin(), body.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }));
  // Text stays readable unless that would be larger: 3 for 1 against 4 for 3.
  const bool quoted = type.type == "text" && high * 6 <= body.size();
  write_header(text, header, quoted ? Transfer::quoted_printable : Transfer::base64, message);
  if (quoted) {
    append_quoted_printable(out, body);
  } else {
    append_base64_lines(out, body);
    // The line end before a boundary belongs to the boundary (RFC 2046 5.1.1).
    if (!message && out.ends_with("\r\n")) {
      out.resize(out.size() - 2);
    }
  }
  return true;
}

// A line of a multipart's body that may be a delimiter.
struct Delimiter {
  std::size_t begin = 0;  // of the line
  std::size_t end = 0;    // behind its CRLF
  bool close = false;
};

// The next delimiter line at or after `from`, which is the start of a line.
std::optional<Delimiter> find_delimiter(std::string_view body, std::size_t from,
                                        const std::string& dashes) {
  for (std::size_t at = from; at < body.size();) {
    std::size_t end = body.find("\r\n", at);
    end = end == std::string_view::npos ? body.size() : end;
    std::string_view line = body.substr(at, end - at);
    const std::size_t next = std::min(end + 2, body.size());
    if (line.starts_with(dashes)) {
      line.remove_prefix(dashes.size());
      const bool close = line.starts_with("--");
      if (close) {
        line.remove_prefix(2);
      }
      if (line.find_first_not_of(" \t") == std::string_view::npos) {
        return Delimiter{at, next, close};
      }
    }
    at = end == body.size() ? body.size() : end + 2;
  }
  return std::nullopt;
}

bool Converter::multipart(std::string_view text, const EntityHeader& header,
                          const ContentType& type, std::size_t depth, bool message) {
  const std::string encoding = encoding_of(header);
  if (encoding != "7bit" && encoding != "8bit" && encoding != "binary") {
    return refuse("a multipart has a transfer encoding");  // RFC 2045 6.4
  }
  if (type.subtype == "signed" || type.subtype == "encrypted") {
    return refuse("a signed or encrypted part may not be changed");  // RFC 1847 2.1
  }
  if (!is_boundary(type.boundary)) {
    return refuse("a multipart has no valid boundary");
  }
  const std::string_view body = text.substr(header.body);
  const std::string dashes = "--" + type.boundary;
  auto delimiter = find_delimiter(body, 0, dashes);
  if (!delimiter || delimiter->close) {
    return refuse("a multipart has no part");
  }
  if (!is_seven_bit(body.substr(0, delimiter->begin))) {
    return refuse("octets beyond ASCII stand outside the parts of a multipart");
  }
  write_header(text, header, Transfer::seven_bit, message);
  out += body.substr(0, delimiter->begin);
  while (!delimiter->close) {
    if (++parts_ > kMaxMimeParts) {
      return refuse("the message has too many parts");
    }
    out += body.substr(delimiter->begin, delimiter->end - delimiter->begin);
    const auto next = find_delimiter(body, delimiter->end, dashes);
    if (!next) {
      return refuse("a multipart has no end");
    }
    // The CRLF before a delimiter belongs to it; an empty part has none of its own.
    const std::size_t end = std::max(delimiter->end, next->begin - 2);
    if (!entity(body.substr(delimiter->end, end - delimiter->end), depth + 1, false,
                type.subtype == "digest")) {
      return false;
    }
    out += body.substr(end, next->begin - end);
    delimiter = next;
  }
  const std::string_view rest = body.substr(delimiter->begin);
  if (!is_seven_bit(rest)) {
    return refuse("octets beyond ASCII stand outside the parts of a multipart");
  }
  out += rest;
  return true;
}

// `message`: the entity is a message and not a part. `digest`: it lies in a multipart/digest, whose
// parts are messages if they do not say otherwise (RFC 2046 5.1.5).
bool Converter::entity(std::string_view text, std::size_t depth, bool message, bool digest) {
  if (is_seven_bit(text)) {
    out += text;
    return true;
  }
  if (depth > kMaxMimeDepth) {
    return refuse("the message is nested too deeply");
  }
  EntityHeader header;
  if (!read_header(text, header)) {
    return false;
  }
  ContentType type;
  type.type = digest ? "message" : "text";
  type.subtype = digest ? "rfc822" : "plain";
  if (header.type) {
    const auto parsed = parse_content_type(header.type->value);
    if (!parsed) {
      return refuse("a Content-Type field does not parse");
    }
    type = *parsed;
  }
  if (type.type == "multipart") {
    return multipart(text, header, type, depth, message);
  }
  if (!type.is("message", "rfc822")) {
    return leaf(text, header, type, message);
  }
  const std::string encoding = encoding_of(header);
  if (encoding != "7bit" && encoding != "8bit" && encoding != "binary") {
    return refuse("a message inside has a transfer encoding");  // RFC 2046 5.2.1
  }
  write_header(text, header, Transfer::seven_bit, message);
  return entity(text.substr(header.body), depth + 1, true, false);
}

}  // namespace

void append_quoted_printable(std::string& out, std::string_view text) {
  for (;;) {
    const std::size_t end = text.find("\r\n");
    append_quoted_line(out, text.substr(0, end));
    if (end == std::string_view::npos) {
      return;
    }
    out += "\r\n";
    text.remove_prefix(end + 2);
  }
}

void append_base64_lines(std::string& out, std::string_view octets) {
  constexpr std::size_t kOctets = 57;  // 76 characters
  while (!octets.empty()) {
    out += base::base64_encode(octets.substr(0, kOctets));
    out += "\r\n";
    octets.remove_prefix(std::min(kOctets, octets.size()));
  }
}

std::optional<std::string> to_seven_bit(std::string_view message, std::string* why) {
  Converter converter(why);
  converter.out.reserve(message.size() + message.size() / 2);
  if (!converter.entity(message, 0, true, false)) {
    return std::nullopt;
  }
  return std::move(converter.out);
}

}  // namespace posthouse::mail
