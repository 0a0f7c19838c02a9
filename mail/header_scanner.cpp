// Owns the reading of header sections. Pure; any thread.
#include "mail/header_scanner.hpp"

#include <algorithm>
#include <cstring>

#include "base/text.hpp"

namespace posthouse::mail {

namespace {

constexpr std::array<std::string_view, kKnownFields - 1> kNames{
    "received", "return-path", "delivered-to", "date",    "from",       "sender",
    "to",       "cc",          "bcc",          "subject", "message-id", "mime-version"};

bool is_wsp(char c) { return c == ' ' || c == '\t'; }

// The field name at the start of a line (RFC 5322 3.6.8: %d33-57 / %d59-126), with the white space
// before the colon that RFC 5322 4.5 lets old software write; empty when there is none.
std::string_view name_of(std::string_view line, std::size_t* value_begin) {
  std::size_t end = 0;
  while (end < line.size() && line[end] > ' ' && line[end] <= '~' && line[end] != ':') {
    ++end;
  }
  std::size_t colon = end;
  while (colon < line.size() && is_wsp(line[colon])) {
    ++colon;
  }
  if (end == 0 || colon == line.size() || line[colon] != ':') {
    return {};
  }
  *value_begin = colon + 1;
  return line.substr(0, end);
}

KnownField known(std::string_view name) {
  const auto* const hit = std::find_if(kNames.begin(), kNames.end(), [name](std::string_view one) {
    return base::iequals(one, name);
  });
  return static_cast<KnownField>(hit - kNames.begin());
}

// Size of the physical line at the start of `text`, its LF included.
std::size_t line_size(std::string_view text) {
  const auto end = text.find('\n');
  return end == std::string_view::npos ? text.size() : end + 1;
}

std::string_view without_line_end(std::string_view line) {
  if (!line.empty() && line.back() == '\n') {
    line.remove_suffix(1);
    if (!line.empty() && line.back() == '\r') {
      line.remove_suffix(1);
    }
  }
  return line;
}

}  // namespace

bool HeaderScanner::feed(std::string_view chunk) {
  while (!done_ && !chunk.empty()) {
    const std::size_t size = line_size(chunk);
    const std::size_t kept = std::min(size, kPrefix - prefix_size_);
    std::memcpy(prefix_.data() + prefix_size_, chunk.data(), kept);
    prefix_size_ += kept;
    octets_ += size;
    if (chunk[size - 1] == '\n') {
      end_line();
    }
    chunk.remove_prefix(size);
  }
  return done_;
}

void HeaderScanner::finish() {
  if (!done_ && prefix_size_ != 0) {
    end_line();
  }
  done_ = true;
}

void HeaderScanner::end_line() {
  const std::string_view line(prefix_.data(), prefix_size_);
  prefix_size_ = 0;
  if (without_line_end(line).empty()) {
    done_ = true;  // the empty line
    return;
  }
  std::size_t ignored = 0;
  const auto name = name_of(line, &ignored);
  if (!name.empty()) {
    ++counts_[static_cast<std::size_t>(known(name))];
  }
}

std::optional<HeaderField> FieldReader::next() {
  if (done_ || at_ == message_.size()) {
    return std::nullopt;
  }
  const std::size_t first = line_size(message_.substr(at_));
  if (without_line_end(message_.substr(at_, first)).empty()) {
    at_ += first;
    done_ = true;
    return std::nullopt;
  }
  HeaderField field;
  field.offset = at_;
  field.size = first;
  // RFC 5322 2.2.3: lines that begin with white space continue the field.
  while (at_ + field.size < message_.size() && is_wsp(message_[at_ + field.size])) {
    field.size += line_size(message_.substr(at_ + field.size));
  }
  const auto whole = message_.substr(at_, field.size);
  std::size_t value_begin = 0;
  field.name = name_of(whole.substr(0, first), &value_begin);
  if (!field.name.empty()) {
    field.value = without_line_end(whole).substr(value_begin);
  }
  at_ += field.size;
  return field;
}

std::string unfold(std::string_view raw, std::size_t limit) {
  raw = raw.substr(0, limit);
  std::string out;
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const char c = raw[i];
    if (c != '\r' && c != '\n' && c != '\0') {
      out += c;
      continue;
    }
    const std::size_t after = i + (c == '\r' && i + 1 < raw.size() && raw[i + 1] == '\n' ? 2 : 1);
    const bool folds = raw[after - 1] == '\n' && (after == raw.size() || is_wsp(raw[after]));
    if (!folds) {
      out += ' ';
    }
    i = after - 1;
  }
  const auto first = out.find_first_not_of(" \t");
  if (first == std::string::npos) {
    return {};
  }
  out.erase(out.find_last_not_of(" \t") + 1);
  out.erase(0, first);
  return out;
}

}  // namespace posthouse::mail
