// The octets of a delivery (see content.hpp). Mailbox pool threads; after an error the rendition is
// of no further use.
#include "mailbox/content.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace posthouse::mailbox {
namespace {

constexpr std::size_t kPiece = 256 * 1024;
constexpr std::string_view kSeparator = "From ";

// True when `field` is the header field `name`; RFC 5322 4.5 allows blanks before the colon.
bool is_field(std::string_view field, std::string_view name) {
  if (!base::istarts_with(field, name)) return false;
  const std::size_t colon = field.find_first_not_of(" \t", name.size());
  return colon != std::string_view::npos && field[colon] == ':';
}

// Addresses are checked long before; a line end that slipped through must not start a field.
void append_clean(std::string& out, std::string_view text) {
  for (const char c : text) out += c == '\r' || c == '\n' ? '?' : c;
}

}  // namespace

void FromQuoter::line_start(std::string_view line, std::string& out) {
  const std::size_t quotes = std::min(line.find_first_not_of('>'), line.size());
  if (line.substr(quotes).starts_with(kSeparator)) {
    if (mode_ == Mode::quote) {
      out += '>';
    } else if (quotes > 0) {
      line.remove_prefix(1);
    }
  }
  out += line;
}

void FromQuoter::feed(std::string_view chunk, std::string& out) {
  while (!chunk.empty()) {
    const std::size_t lf = chunk.find('\n');
    const std::string_view line = chunk.substr(0, lf == std::string_view::npos ? lf : lf + 1);
    chunk.remove_prefix(line.size());
    if (!at_start_) {
      out += line;
    } else if (held_.empty() && lf != std::string_view::npos) {
      line_start(line, out);
    } else {
      held_ += line;
      const std::size_t quotes = std::min(held_.find_first_not_of('>'), held_.size());
      const std::string_view rest = std::string_view(held_).substr(quotes);
      if (rest.size() < kSeparator.size() && kSeparator.starts_with(rest)) continue;  // undecided
      line_start(held_, out);
      held_.clear();
    }
    at_start_ = lf != std::string_view::npos;
  }
}

void FromQuoter::finish(std::string& out) {
  out += held_;
  held_.clear();
  at_start_ = true;
}

Rendition::Rendition(base::Disk& disk, const Delivery& delivery, Format format)
    : disk_(disk), delivery_(delivery), format_(format) {}

base::Result<bool> Rendition::next(std::string* piece) {
  piece->clear();
  if (done_) return false;
  out_ = piece;
  const base::Result<> made = started_ ? file_piece() : first_piece();
  started_ = true;
  if (!made) return tl::unexpected(made.error());
  if (!piece->empty()) last_ = piece->back();
  counter_.feed(*piece);
  return true;
}

void Rendition::add_content(std::string_view crlf) {
  if (format_ == Format::maildir) {
    converter_.feed(crlf, *out_);
    return;
  }
  plain_.clear();
  converter_.feed(crlf, plain_);
  quoter_.feed(plain_, *out_);
}

// Feeds `head` up to the end of its header section field by field, and the rest as it is.
void Rendition::add_head(std::string_view head) {
  std::size_t kept = 0;  // start of what was not fed yet
  std::size_t at = 0;
  while (at < head.size() && head[at] != '\r' && head[at] != '\n') {
    std::size_t end = at;  // behind the field with its continuation lines, RFC 5322 2.2.3
    do {
      const std::size_t lf = head.find('\n', end);
      end = lf == std::string_view::npos ? head.size() : lf + 1;
    } while (end < head.size() && (head[end] == ' ' || head[end] == '\t'));
    const std::string_view field = head.substr(at, end - at);
    if (is_field(field, "Return-Path")) {
      // RFC 5321 4.4: the server making final delivery replaces what an earlier one wrote.
      add_content(head.substr(kept, at - kept));
      kept = end;
    } else if (format_ == Format::mbox && is_field(field, kMarkerField)) {
      add_content(head.substr(kept, at - kept));
      add_content("X-Original-");
      kept = at + 2;  // "X-"
    }
    at = end;
  }
  add_content(head.substr(kept));
}

base::Result<> Rendition::first_piece() {
  const std::string& text = *delivery_.text;
  out_->reserve(text.size() + delivery_.recipient.size() + delivery_.reverse_path.size() + 64);
  *out_ += "Return-Path: <";
  append_clean(*out_, delivery_.reverse_path);
  *out_ += ">\nDelivered-To: ";
  append_clean(*out_, delivery_.recipient);
  *out_ += '\n';
  if (delivery_.large_file.empty()) {
    add_head(text);
    complete();
    return {};
  }
  auto file = disk_.open(delivery_.large_file, base::OpenMode::read);
  if (!file) return tl::unexpected(file.error());
  file_ = std::move(*file);
  // LIMIT: fields beyond the first piece of a large message are passed through unseen.
  buffer_ = text;
  const auto got = read_file(text.size(), &buffer_);
  if (!got) return tl::unexpected(got.error());
  add_head(buffer_);
  if (*got < kPiece) complete();
  return {};
}

base::Result<> Rendition::file_piece() {
  const auto got = read_file(0, &buffer_);
  if (!got) return tl::unexpected(got.error());
  add_content(buffer_);
  if (*got < kPiece) complete();
  return {};
}

base::Result<std::size_t> Rendition::read_file(std::size_t at, std::string* into) {
  into->resize(at + kPiece);
  const auto got = file_->read_at(file_offset_, std::span<char>(into->data() + at, kPiece));
  if (!got) return got;
  into->resize(at + *got);
  file_offset_ += *got;
  return got;
}

void Rendition::complete() {
  done_ = true;
  file_.reset();
  if (format_ == Format::maildir) {
    converter_.finish(*out_);
  } else {
    plain_.clear();
    converter_.finish(plain_);
    quoter_.feed(plain_, *out_);
    quoter_.finish(*out_);
  }
  const char last = out_->empty() ? last_ : out_->back();
  if (last != '\n') *out_ += '\n';
}

}  // namespace posthouse::mailbox
