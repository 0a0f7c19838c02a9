// What is written into a mailbox for one delivery: the octets, as a pure function of the delivery
// (docs/spool.md), and the quoting of "From " lines that mbox files need. Called by maildir and
// mbox on a thread of the mailbox pool; the only I/O is reading the spooled body of a large
// message.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/disk.hpp"
#include "base/time.hpp"
#include "mail/eol.hpp"

namespace posthouse::mailbox {

enum class Format : std::uint8_t { maildir, mbox };

// One message for one mailbox. The content is `text` and, when `large_file` is not empty, that file
// behind it; both with CRLF line ends.
struct Delivery {
  std::string path;          // absolute path of the mailbox
  std::string uid;           // "<seconds>.<message id>-<leaf>": no comma, colon, slash or space
  std::string recipient;     // for Delivered-To
  std::string reverse_path;  // without brackets; empty: the null reverse-path
  base::WallTime arrival;    // for the From_ line of mbox
  std::shared_ptr<const std::string> text;
  std::string large_file;
};

// Header field by which mbox messages of ours are known; counts only as the first field after the
// From_ line. Its incoming namesakes are renamed.
inline constexpr std::string_view kMarkerField = "X-Posthouse-Uid";

// Quotes (or unquotes) lines that look like the separator of mbox: "From " behind any number of
// '>' gets one '>' more (or less). Incremental: any split of the input gives the same result.
class FromQuoter {
 public:
  enum class Mode : std::uint8_t { quote, unquote };
  explicit FromQuoter(Mode mode) : mode_(mode) {}
  void feed(std::string_view chunk, std::string& out);
  void finish(std::string& out);

 private:
  void line_start(std::string_view line, std::string& out);
  Mode mode_;
  bool at_start_ = true;
  std::string held_;  // the start of a line that may still turn out to be a separator
};

// The stored form of a delivery, piece by piece: Return-Path and Delivered-To, then the content
// with LF line ends, without incoming Return-Path fields, ending in LF. For mbox quoted, without
// From_ line, marker and the blank line behind it.
class Rendition {
 public:
  // Both must outlive the object.
  Rendition(base::Disk& disk, const Delivery& delivery, Format format);
  // Replaces `*piece` by the next octets; false (and nothing) after the last. A small message is
  // one piece.
  base::Result<bool> next(std::string* piece);
  // Sizes of what next() returned so far.
  [[nodiscard]] std::uint64_t octets() const { return counter_.octets(); }
  [[nodiscard]] std::uint64_t wire_octets() const { return counter_.crlf_size(); }

 private:
  base::Result<> first_piece();
  base::Result<> file_piece();
  base::Result<std::size_t> read_file(std::size_t at, std::string* into);
  void add_content(std::string_view crlf);
  void add_head(std::string_view head);
  void complete();

  base::Disk& disk_;
  const Delivery& delivery_;
  Format format_;
  bool started_ = false;
  bool done_ = false;
  std::unique_ptr<base::File> file_;
  std::uint64_t file_offset_ = 0;
  std::string buffer_;  // read from the file
  std::string plain_;   // converted, not yet quoted (mbox only)
  std::string* out_ = nullptr;
  char last_ = '\n';
  mail::CrlfToLf converter_;
  FromQuoter quoter_{FromQuoter::Mode::quote};
  mail::EolCounter counter_;
};

}  // namespace posthouse::mailbox
