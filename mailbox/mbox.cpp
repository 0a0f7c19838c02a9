// mbox files (see mbox.hpp). Temporary names begin with a dot, which no mailbox does (naming.hpp);
// one left behind by a crash is overwritten by the next use.
#include "mailbox/mbox.hpp"

#include <algorithm>
#include <array>
#include <unordered_set>

#include "base/digest.hpp"
#include "mail/date.hpp"
#include "mailbox/paths.hpp"

namespace posthouse::mailbox {
namespace {

constexpr std::size_t kCopyChunk = 256 * 1024;

std::string temporary_name(const std::string& path, std::string_view suffix) {
  const std::size_t slash = path.rfind('/');
  const std::size_t name = slash == std::string::npos ? 0 : slash + 1;
  return path.substr(0, name) + "." + path.substr(name) + std::string(suffix);
}

iovec part(const std::string& text) {
  return iovec{const_cast<char*>(text.data()), text.size()};  // write_at only reads it
}

// Copies ranges of `source` one behind the other into `target`.
struct Copy {
  base::File& source;
  base::File& target;
  std::uint64_t offset = 0;
  std::string buffer;

  base::Result<> run(std::uint64_t from, std::uint64_t to) {
    while (from < to) {
      buffer.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kCopyChunk, to - from)));
      const auto got = source.read_at(from, buffer);
      if (!got) return tl::unexpected(got.error());
      if (*got == 0) return base::fail(std::errc::io_error, "read", "mailbox became shorter");
      buffer.resize(*got);
      if (auto written = target.write_at(offset, buffer); !written) return written;
      offset += *got;
      from += *got;
    }
    return {};
  }
};

base::Result<std::uint32_t> checksum(base::File& file, std::uint64_t size) {
  std::uint32_t crc = 0;
  std::string buffer(kCopyChunk, '\0');
  for (std::uint64_t at = 0; at < size;) {
    const auto got = file.read_at(
        at, std::span<char>(buffer.data(), static_cast<std::size_t>(
                                               std::min<std::uint64_t>(kCopyChunk, size - at))));
    if (!got) return tl::unexpected(got.error());
    if (*got == 0) break;
    crc = base::crc32c(std::string_view(buffer).substr(0, *got), crc);
    at += *got;
  }
  return crc;
}

// Line ends missing before a From_ line may follow.
base::Result<std::string> missing_blank(base::File& file, std::uint64_t size) {
  if (size == 0) return std::string();
  std::array<char, 2> tail{'\n', '\n'};
  const std::uint64_t want = std::min<std::uint64_t>(size, 2);
  const auto got =
      file.read_at(size - want, std::span<char>(tail).last(static_cast<std::size_t>(want)));
  if (!got) return tl::unexpected(got.error());
  if (tail[1] != '\n') return std::string("\n\n");
  return std::string(tail[0] != '\n' ? "\n" : "");
}

// A new file under a temporary name, removed unless it was put in place.
class Replacement {
 public:
  Replacement(base::Disk& disk, const std::string& path, std::string_view suffix)
      : disk_(disk), path_(path), name_(temporary_name(path, suffix)) {}
  ~Replacement() {
    if (file_ && !placed_) (void)disk_.remove(name_);
  }
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;

  base::Result<> open() {
    auto file = disk_.open(name_, base::OpenMode::create);
    if (!file) return tl::unexpected(file.error());
    file_ = std::move(*file);
    return file_->truncate(0);
  }
  base::Result<> place() {
    if (auto synced = file_->sync_data(); !synced) return synced;
    if (auto renamed = disk_.rename(name_, path_); !renamed) return renamed;
    placed_ = true;
    return disk_.sync_dir(directory_of(path_));
  }
  base::File& file() { return *file_; }

 private:
  base::Disk& disk_;
  const std::string path_;
  const std::string name_;
  std::unique_ptr<base::File> file_;
  bool placed_ = false;
};

// The octets of [0, size) outside `extents` (in order), appended to the copy's target.
base::Result<> copy_outside(Copy& copy, std::span<const Extent> extents, std::uint64_t size) {
  std::uint64_t at = 0;
  for (const Extent& extent : extents) {
    if (auto done = copy.run(at, extent.start); !done) return done;
    at = extent.end;
  }
  return copy.run(at, size);
}

std::vector<Extent> extents_of(const std::vector<MboxMessage>& messages,
                               std::span<const std::string> uids) {
  const std::unordered_set<std::string_view> wanted(uids.begin(), uids.end());
  std::vector<Extent> extents;
  for (const MboxMessage& message : messages) {
    if (wanted.contains(message.uid)) extents.push_back(Extent{message.start, message.end});
  }
  return extents;
}

}  // namespace

std::string from_line(const Delivery& delivery) {
  std::string line = "From ";  // the sender is one word there
  if (delivery.reverse_path.empty()) line += "MAILER-DAEMON";
  for (const char c : delivery.reverse_path) {
    line += static_cast<unsigned char>(c) <= ' ' || c == '\x7f' ? '_' : c;
  }
  return line + " " + mail::format_mbox_date(delivery.arrival) + "\n";
}

base::Result<std::uint64_t> append_message(base::Disk& disk, base::File& file, std::uint64_t offset,
                                           const Delivery& delivery) {
  auto lead = missing_blank(file, offset);
  if (!lead) return tl::unexpected(lead.error());
  const std::string from = from_line(delivery);
  const std::string blank = "\n";
  Rendition rendition(disk, delivery, Format::mbox);
  std::string piece;
  auto more = rendition.next(&piece);
  if (!more) return tl::unexpected(more.error());

  MboxMarker marker;
  marker.uid = delivery.uid;
  const bool large = !delivery.large_file.empty();
  if (!large) {
    marker.size = piece.size();
    marker.crc = base::crc32c(piece);
  }
  std::string line = format_marker(marker);
  const std::uint64_t line_at = offset + lead->size() + from.size();
  std::uint64_t at = line_at + line.size() + piece.size();
  const std::array<iovec, 5> parts = {part(*lead), part(from), part(line), part(piece),
                                      part(blank)};
  auto written = file.write_at(offset, std::span<const iovec>(parts).first(large ? 4 : 5));
  if (!written) return tl::unexpected(written.error());
  if (!large) return at + blank.size();

  std::uint32_t crc = base::crc32c(piece);
  while (true) {
    more = rendition.next(&piece);
    if (!more) return tl::unexpected(more.error());
    if (!*more) break;
    crc = base::crc32c(piece, crc);
    if (written = file.write_at(at, piece); !written) return tl::unexpected(written.error());
    at += piece.size();
  }
  marker.size = rendition.octets();
  marker.crc = crc;
  line = format_marker(marker);
  if (written = file.write_at(at, blank); !written) return tl::unexpected(written.error());
  if (written = file.write_at(line_at, line); !written) return tl::unexpected(written.error());
  return at + blank.size();
}

base::Result<std::unique_ptr<MboxLocks::Held>> Mbox::lock_for_writing(const std::string& path) {
  auto held = locks_.lock(path);
  if (held || !is_missing(held.error())) return held;
  // No place for the dot-lock: the first delivery makes the directory.
  if (auto made = make_path(disk_, directory_of(path)); !made) return tl::unexpected(made.error());
  return locks_.lock(path);
}

base::Result<Stored> Mbox::deliver(const Delivery& delivery) {
  const auto held = lock_for_writing(delivery.path);
  if (!held) return tl::unexpected(held.error());
  auto file = disk_.open(delivery.path, base::OpenMode::create);
  if (!file) return tl::unexpected(file.error());
  const auto size = (*file)->size();
  if (!size) return tl::unexpected(size.error());
  const auto end = append_message(disk_, **file, *size, delivery);
  if (!end) {
    (void)(*file)->truncate(*size);  // should even this fail, the redo of the delivery repairs it
    return tl::unexpected(end.error());
  }
  // By name, under the lock: the file of that name is the one that was opened.
  const auto info = disk_.stat(delivery.path);
  if (!info) return tl::unexpected(info.error());
  Stored stored;
  stored.inode = info->inode;
  stored.file = std::move(*file);
  stored.name = delivery.path;
  stored.octets = *end - *size;
  stored.made = *size == 0;
  return stored;
}

base::Result<> Mbox::redo_all(std::span<const Delivery> deliveries) {
  const std::string& path = deliveries.front().path;
  const auto held = lock_for_writing(path);
  if (!held) return tl::unexpected(held.error());
  Replacement replacement(disk_, path, ".redo");
  if (auto opened = replacement.open(); !opened) return opened;

  std::uint64_t offset = 0;
  auto old = disk_.open(path, base::OpenMode::read);
  if (old) {
    const auto size = (*old)->size();
    if (!size) return tl::unexpected(size.error());
    const auto extents = find_deliveries(disk_, **old, *size, deliveries);
    if (!extents) return tl::unexpected(extents.error());
    Copy copy{**old, replacement.file(), 0, {}};
    if (auto done = copy_outside(copy, *extents, *size); !done) return done;
    offset = copy.offset;
  } else if (!is_missing(old.error())) {
    return tl::unexpected(old.error());
  }
  for (const Delivery& delivery : deliveries) {
    const auto end = append_message(disk_, replacement.file(), offset, delivery);
    if (!end) return tl::unexpected(end.error());
    offset = *end;
  }
  return replacement.place();
}

std::vector<base::Result<>> Mbox::redo(std::span<const Delivery> deliveries) {
  if (deliveries.empty()) return {};
  return std::vector<base::Result<>>(deliveries.size(), redo_all(deliveries));
}

base::Result<MboxListing> Mbox::list(const std::string& path) {
  MboxListing listing;
  auto info = disk_.stat(path);
  if (!info) {
    if (is_missing(info.error())) return listing;
    return tl::unexpected(info.error());
  }
  {
    // The size at a moment when nobody is in the middle of appending.
    const auto held = locks_.lock(path);
    if (!held) return tl::unexpected(held.error());
    info = disk_.stat(path);
  }
  if (!info) return tl::unexpected(info.error());
  listing.info = *info;
  auto file = disk_.open(path, base::OpenMode::read);
  if (!file) return tl::unexpected(file.error());
  auto scan = scan_mbox(**file, 0, info->size);
  if (!scan) return tl::unexpected(scan.error());
  listing.crc = scan->crc;
  listing.messages = std::move(scan->messages);
  return listing;
}

base::Result<> Mbox::remove(const std::string& path, std::span<const std::string> uids) {
  // First without the lock: everything that was there a moment ago.
  auto before = list(path);
  if (!before) return tl::unexpected(before.error());
  std::vector<Extent> extents = extents_of(before->messages, uids);
  if (extents.empty()) return {};
  const std::uint64_t size = before->info.size;
  auto old = disk_.open(path, base::OpenMode::read);
  if (!old) return tl::unexpected(old.error());
  Replacement replacement(disk_, path, ".tmp");
  if (auto opened = replacement.open(); !opened) return opened;
  Copy copy{**old, replacement.file(), 0, {}};
  if (auto done = copy_outside(copy, extents, size); !done) return done;
  if (auto synced = replacement.file().sync_data(); !synced) return synced;

  // Then with it: what was appended meanwhile. When the part copied is no longer the same (another
  // program rewrote the file), all is done again under the lock.
  const auto held = locks_.lock(path);
  if (!held) return tl::unexpected(held.error());
  auto now = disk_.open(path, base::OpenMode::read);
  if (!now) return tl::unexpected(now.error());
  const auto new_size = (*now)->size();
  if (!new_size) return tl::unexpected(new_size.error());
  const auto unchanged = checksum(**now, std::min(size, *new_size));
  if (!unchanged) return tl::unexpected(unchanged.error());
  Copy rest{**now, replacement.file(), copy.offset, {}};
  if (*new_size < size || *unchanged != before->crc) {
    if (auto cut = replacement.file().truncate(0); !cut) return cut;
    const auto scan = scan_mbox(**now, 0, *new_size);
    if (!scan) return tl::unexpected(scan.error());
    rest.offset = 0;
    extents = extents_of(scan->messages, uids);
    if (auto done = copy_outside(rest, extents, *new_size); !done) return done;
  } else if (auto done = rest.run(size, *new_size); !done) {
    return done;
  }
  return replacement.place();
}

}  // namespace posthouse::mailbox
