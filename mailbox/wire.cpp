// Reading messages in wire form (see wire.hpp). After an error the cursor is of no further use.
#include "mailbox/wire.hpp"

#include <algorithm>

namespace posthouse::mailbox {
namespace {
constexpr std::size_t kChunk = 64 * 1024;
}

WireCursor::WireCursor(WireSource source, std::uint64_t body_lines)
    : source_(std::move(source)),
      body_lines_(body_lines),
      at_(source_.begin),
      lines_left_(body_lines) {}

base::Result<bool> WireCursor::read(std::size_t limit, std::string* out) {
  while (limit > 0) {
    if (pending_at_ == pending_.size()) {
      if (ended_) break;
      if (auto filled = fill(); !filled) return tl::unexpected(filled.error());
      continue;
    }
    const std::size_t part = std::min(limit, pending_.size() - pending_at_);
    out->append(pending_, pending_at_, part);
    pending_at_ += part;
    position_ += part;
    limit -= part;
  }
  return ended_ && pending_at_ == pending_.size();
}

base::Result<> WireCursor::fill() {
  pending_.clear();
  pending_at_ = 0;
  // One octet more than expected tells with the first read that it was all.
  std::uint64_t want = kChunk;
  if (at_ == source_.begin && source_.expected > 0) {
    want = std::min<std::uint64_t>(want, source_.expected + 1);
  }
  want = std::min(want, source_.end - at_);
  raw_.resize(static_cast<std::size_t>(want));
  const auto got = source_.file->read_at(at_, raw_);
  if (!got) return tl::unexpected(got.error());
  at_ += *got;
  ended_ = *got < want || at_ >= source_.end;
  const std::string_view raw = std::string_view(raw_).substr(0, *got);
  pending_.reserve(*got + *got / 16 + 16);
  if (!source_.unquote) {
    converter_.feed(raw, pending_);
  } else {
    plain_.clear();
    quoter_.feed(raw, plain_);
    if (ended_) quoter_.finish(plain_);
    converter_.feed(plain_, pending_);
  }
  if (body_lines_ != UINT64_MAX) cut_at_last_line(0);
  return {};
}

// RFC 1939 7 TOP: the header, the blank line, and the first lines of the body.
void WireCursor::cut_at_last_line(std::size_t from) {
  while (from < pending_.size()) {
    if (in_body_ && lines_left_ == 0) {
      pending_.resize(from);
      ended_ = true;
      return;
    }
    const std::size_t lf = pending_.find('\n', from);
    const std::size_t end = lf == std::string::npos ? pending_.size() : lf + 1;
    if (in_body_) {
      if (lf != std::string::npos) --lines_left_;
    } else {
      for (std::size_t i = from; i < end; ++i) {
        if (pending_[i] != '\r' && pending_[i] != '\n') ++line_octets_;
      }
      if (lf != std::string::npos) {
        in_body_ = line_octets_ == 0;
        line_octets_ = 0;
      }
    }
    from = end;
  }
}

}  // namespace posthouse::mailbox
