// Finding what a crash left of our own messages in an mbox file. Part of mbox (see mbox.hpp), runs
// under the write lock. A crash keeps any part of the sectors written since the last sync; the
// others hold zeros, or what they held before, or lie beyond the end of the file.
#include <algorithm>
#include <unordered_map>

#include "base/digest.hpp"
#include "mailbox/mbox.hpp"

namespace posthouse::mailbox {
namespace {

class Finder {
 public:
  Finder(base::Disk& disk, base::File& file, std::uint64_t size,
         std::span<const Delivery> deliveries)
      : disk_(disk), file_(file), size_(size), deliveries_(deliveries) {
    for (const Delivery& delivery : deliveries) wanted_.emplace(delivery.uid, false);
  }

  base::Result<std::vector<Extent>> run() {
    std::uint64_t from = 0;
    while (from < size_) {
      auto next = step(from);
      if (!next) return tl::unexpected(next.error());
      from = *next;
    }
    return std::move(extents_);
  }

 private:
  // A place where one of our messages may begin.
  struct Candidate {
    std::uint64_t at = 0;
    const MboxMessage* message = nullptr;  // with one of the wanted markers
  };

  // Scans from a message boundary; returns where to scan on after the first damage (its end may
  // hide the boundary of the next message), or the end of the file.
  base::Result<std::uint64_t> step(std::uint64_t from) {
    const auto scan = scan_mbox(file_, from, size_);
    if (!scan) return tl::unexpected(scan.error());
    std::vector<Candidate> candidates;
    for (const MboxMessage& message : scan->messages) {
      if (message.marker && wanted_.contains(message.marker->uid)) {
        candidates.push_back(Candidate{message.start, &message});
      } else if (!message.marker && (message.has_nul || message.end == size_)) {
        candidates.push_back(Candidate{message.start, nullptr});
      }
    }
    for (const std::uint64_t at : scan->nul_lines) candidates.push_back(Candidate{at, nullptr});
    std::sort(candidates.begin(), candidates.end(),
              [](const Candidate& a, const Candidate& b) { return a.at < b.at; });
    for (const Candidate& candidate : candidates) {
      // Inside the last one: its own zeros would be taken for another message.
      if (!extents_.empty() && extents_.back().end > candidate.at) continue;
      auto end = candidate.message != nullptr ? marked_end(*candidate.message)
                                              : unmarked_end(candidate.at);
      if (!end) return end;
      if (*end == 0) continue;
      extents_.push_back(Extent{candidate.at, *end});
      const bool whole = candidate.message != nullptr && *end == candidate.message->end;
      if (!whole) return end;
    }
    return size_;
  }

  base::Result<char> octet(std::uint64_t at) {
    char c = '\0';
    const auto got = file_.read_at(at, std::span<char>(&c, 1));
    if (!got) return tl::unexpected(got.error());
    return c;
  }

  base::Result<std::string> octets(std::uint64_t at, std::uint64_t length) {
    std::string text(static_cast<std::size_t>(std::min(length, at < size_ ? size_ - at : 0)), '\0');
    const auto got = file_.read_at(at, text);
    if (!got) return tl::unexpected(got.error());
    text.resize(*got);
    return text;
  }

  // The end of a message with one of the wanted markers. Its header may be all that is left.
  base::Result<std::uint64_t> marked_end(const MboxMessage& message) {
    wanted_[message.marker->uid] = true;
    if (message.content_end - message.content == message.marker->size &&
        message.crc == message.marker->crc) {
      return message.end;  // whole
    }
    // The marker says where it ended, unless a mail reader changed its length. That of a large
    // message may be the one written before its size was known.
    const auto size = message.marker->size == 0 ? content_size(message.marker->uid)
                                                : base::Result<std::uint64_t>(message.marker->size);
    if (!size) return size;
    const std::uint64_t length = *size + 1;  // with its blank line
    if (length <= size_ - message.content) {
      const std::uint64_t end = message.content + length;
      if (end == size_) return end;
      const auto behind = octets(end, 5);
      if (!behind) return tl::unexpected(behind.error());
      if (std::string_view("From ").starts_with(behind->substr(0, behind->find('\0')))) return end;
    }
    return separator_behind(message.content);
  }

  // The next line that begins with "From ", whatever precedes it: ours never hold one (mboxrd).
  base::Result<std::uint64_t> separator_behind(std::uint64_t at) {
    static constexpr std::string_view kSeparator = "\nFrom ";
    static constexpr std::uint64_t kWindow = 64 * 1024;
    while (at < size_) {
      const auto text = octets(at, kWindow);
      if (!text) return tl::unexpected(text.error());
      const std::size_t found = text->find(kSeparator);
      if (found != std::string::npos) return at + found + 1;
      if (text->size() < kWindow) break;
      at += kWindow - kSeparator.size();
    }
    return size_;
  }

  base::Result<std::uint64_t> content_size(const std::string& uid) {
    for (const Delivery& delivery : deliveries_) {
      if (delivery.uid != uid) continue;
      Rendition rendition(disk_, delivery, Format::mbox);
      std::string piece;
      for (bool more = true; more;) {
        const auto next = rendition.next(&piece);
        if (!next) return tl::unexpected(next.error());
        more = *next;
      }
      return rendition.octets();
    }
    return 0;
  }

  // The end of a wanted message whose marker is lost but whose other octets, as far as they are not
  // zero, stand at `at`; 0: none does.
  base::Result<std::uint64_t> unmarked_end(std::uint64_t at) {
    for (const Delivery& delivery : deliveries_) {
      if (wanted_[delivery.uid]) continue;
      auto expected = rendered(delivery);
      if (!expected) return tl::unexpected(expected.error());
      // Line ends that completed the message before may be lost as well.
      for (std::uint64_t lead = 0; lead <= 2; ++lead) {
        const auto found = octets(at + lead, expected->size());
        if (!found) return tl::unexpected(found.error());
        if (matches(*found, *expected, delivery)) {
          wanted_[delivery.uid] = true;
          return at + lead + found->size();
        }
        const auto first = octets(at + lead, 1);
        if (!first) return tl::unexpected(first.error());
        if (*first != std::string(1, '\0')) break;
      }
    }
    return 0;
  }

  static bool matches(const std::string& found, const std::string& expected,
                      const Delivery& delivery) {
    if (found.empty()) return false;
    const auto same = [](char there, char ours) { return there == '\0' || there == ours; };
    if (std::equal(found.begin(), found.end(), expected.begin(), same)) return true;
    if (delivery.large_file.empty()) return false;
    // The marker of a large message is written a second time when its size is known.
    MboxMarker marker;
    marker.uid = delivery.uid;
    const std::string first = format_marker(marker);
    std::string before = expected;
    before.replace(from_line(delivery).size(), first.size(), first);
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (!same(found[i], expected[i]) && !same(found[i], before[i])) return false;
    }
    return true;
  }

  base::Result<std::string> rendered(const Delivery& delivery) {
    Rendition rendition(disk_, delivery, Format::mbox);
    std::string content;
    std::string piece;
    while (true) {
      const auto more = rendition.next(&piece);
      if (!more) return tl::unexpected(more.error());
      if (!*more) break;
      content += piece;
    }
    MboxMarker marker;
    marker.uid = delivery.uid;
    marker.size = content.size();
    marker.crc = base::crc32c(content);
    return from_line(delivery) + format_marker(marker) + content + "\n";
  }

  base::Disk& disk_;
  base::File& file_;
  const std::uint64_t size_;
  std::span<const Delivery> deliveries_;
  std::unordered_map<std::string, bool> wanted_;  // found?
  std::vector<Extent> extents_;
};

}  // namespace

base::Result<std::vector<Extent>> find_deliveries(base::Disk& disk, base::File& file,
                                                  std::uint64_t size,
                                                  std::span<const Delivery> deliveries) {
  return Finder(disk, file, size, deliveries).run();
}

}  // namespace posthouse::mailbox
