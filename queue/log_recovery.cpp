// Recovery of the log; see log_recovery.hpp for what it promises and docs/spool.md for the table of
// what each kind of crash leaves.
#include "queue/log_recovery.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.hpp"
#include "base/log.hpp"

namespace posthouse::queue {
namespace {

constexpr std::size_t kPiece = 1024 * 1024;

// A record that verifies but that this program cannot know is no damage: a newer one wrote it.
base::Result<> refuse_unknown(const ScannedRecord& record, std::uint32_t segment) {
  if (is_known_type(record.header.type) && (record.header.flags & ~kEndOfBatch) == 0) return {};
  return base::fail(
      std::errc::not_supported, "unknown record version",
      fmt::format("type {} flags {} in {} at octet {}: written by a newer posthouse",
                  record.header.type, record.header.flags, segment_name(segment), record.offset));
}

}  // namespace

LogRecovery::LogRecovery(base::Disk& disk, SegmentStore& store, RecordVisitor& visitor)
    : disk_(disk), store_(store), visitor_(visitor) {}

base::Result<RecoveredLog> LogRecovery::run() {
  auto found = find_segments();
  if (!found) return tl::unexpected(found.error());
  if (auto dropped = drop_replaced(*found); !dropped) return tl::unexpected(dropped.error());
  report_gaps(*found);

  const Found* tail = found->empty() ? nullptr : &found->back();
  for (std::size_t i = 0; i + 1 < found->size(); ++i) {
    const Found& segment = (*found)[i];
    const Found& next = (*found)[i + 1];
    const bool end_known = next.header_ok && next.header.previous == segment.number;
    const std::uint64_t end = end_known ? next.header.previous_end : segment.size;
    if (auto visited = visit_sealed(segment, end); !visited) {
      return tl::unexpected(visited.error());
    }
  }

  SegmentHeader fresh;
  fresh.size = store_.options().segment_size;
  if (tail == nullptr) {
    fresh.number = 1;
    fresh.first_lsn = 1;
  } else {
    PH_ASSERT(tail->number < UINT32_MAX, "segment numbers last for 256 PiB of mail");
    fresh.number = tail->number + 1;
    fresh.replaces = tail->number;
    fresh.first_lsn = tail->header_ok ? tail->header.first_lsn : log_.next_lsn;
    if (!log_.segments.empty()) {
      fresh.previous = log_.segments.back().number;
      fresh.previous_end = log_.segments.back().end;
    }
  }
  if (auto copied = copy_tail(tail, fresh); !copied) return tl::unexpected(copied.error());
  return std::move(log_);
}

base::Result<std::vector<LogRecovery::Found>> LogRecovery::find_segments() {
  auto names = disk_.list(store_.options().directory);
  if (!names) return tl::unexpected(names.error());
  std::sort(names->begin(), names->end());
  std::vector<Found> found;
  std::vector<std::string> free_names;
  for (const std::string& name : *names) {
    if (is_temporary_name(name)) {
      // May hold records of an epoch that is given next: never used again.
      if (auto removed = store_.remove(name); !removed) return tl::unexpected(removed.error());
    } else if (is_free_name(name)) {
      store_.note_existing(name);
      free_names.push_back(name);
    } else if (const auto number = parse_segment_name(name)) {
      auto header = read_header(*number);
      if (!header) return tl::unexpected(header.error());
      found.push_back(*header);
    }
  }
  for (std::string& name : free_names) {
    const auto info = disk_.stat(store_.path(name));
    // Without any segment numbers begin at 1 again, and a free file might hold that epoch.
    const bool usable = info && info->size == store_.options().segment_size && !found.empty();
    if (usable) {
      store_.add_free(std::move(name));
    } else if (auto removed = store_.remove(name); !removed) {
      return tl::unexpected(removed.error());
    }
  }
  return found;
}

base::Result<LogRecovery::Found> LogRecovery::read_header(std::uint32_t number) {
  Found found;
  found.number = number;
  auto file = disk_.open(store_.path(segment_name(number)), base::OpenMode::read);
  if (!file) return tl::unexpected(file.error());
  const auto size = (*file)->size();
  if (!size) return tl::unexpected(size.error());
  found.size = *size;
  char octets[kSegmentHeaderSize];
  const auto got = (*file)->read_at(0, octets);
  if (!got) return tl::unexpected(got.error());
  auto header = decode_segment_header(std::string_view(octets, *got));
  if (!header && header.error().code == std::errc::not_supported) {
    return base::fail(std::errc::not_supported, "unknown segment version",
                      segment_name(number) + ": written by a newer posthouse");
  }
  found.header_ok = header && header->number == number;
  if (found.header_ok) {
    found.header = *header;
  } else {
    // Its name is given only after its header was flushed: no crash leaves this.
    set_aside(**file, number, 0, std::min<std::uint64_t>(found.size, kSegmentHeaderSize));
  }
  return found;
}

// A segment whose copy has its name was superseded; the crash came before it was recycled.
base::Result<> LogRecovery::drop_replaced(std::vector<Found>& found) {
  for (std::size_t i = 1; i < found.size();) {
    const std::uint32_t replaced = found[i].header_ok ? found[i].header.replaces : 0;
    if (replaced == 0 || found[i - 1].number != replaced) {
      ++i;
      continue;
    }
    const std::string name = store_.new_name();
    if (auto recycled = store_.recycle(replaced, name); !recycled) return recycled;
    if (found[i - 1].size == store_.options().segment_size) {
      store_.add_free(name);
    } else if (auto removed = store_.remove(name); !removed) {
      return removed;
    }
    found.erase(found.begin() + static_cast<std::ptrdiff_t>(i) - 1);
  }
  return {};
}

void LogRecovery::report_gaps(const std::vector<Found>& found) {
  for (std::size_t i = 1; i < found.size(); ++i) {
    const Found& segment = found[i];
    if (!segment.header_ok || segment.header.previous == found[i - 1].number) continue;
    log_.damaged = true;
    Damage damage;
    damage.segment = segment_name(segment.header.previous);
    visitor_.on_damage(damage);
  }
}

base::Result<> LogRecovery::visit_sealed(const Found& found, std::uint64_t end) {
  auto file = disk_.open(store_.path(segment_name(found.number)), base::OpenMode::read);
  if (!file) return tl::unexpected(file.error());
  SegmentScanner scanner(**file, found.number, end);
  std::uint64_t offset = kSegmentHeaderSize;
  std::uint64_t lsn = found.header_ok ? found.header.first_lsn : 0;
  while (offset < end) {
    auto record = scanner.at(offset);
    if (!record) return tl::unexpected(record.error());
    if (!*record || (lsn != 0 && (*record)->header.lsn != lsn)) {
      record = scanner.find(offset + 1, lsn == 0 ? 0 : lsn - 1);
      if (!record) return tl::unexpected(record.error());
      const std::uint64_t to = *record ? (*record)->offset : end;
      set_aside(**file, found.number, offset, to);
      offset = to;
      if (!*record) break;
      lsn = (*record)->header.lsn;
      continue;
    }
    if (auto known = refuse_unknown(**record, found.number); !known) return known;
    lsn = (*record)->header.lsn + 1;
    offset = (*record)->end();
    if ((*record)->header.type == static_cast<std::uint8_t>(RecordType::seal)) break;
    if (auto visited = visit(**record, found.number); !visited) return visited;
  }
  log_.next_lsn = std::max(log_.next_lsn, lsn);
  RecoveredSegment segment;
  segment.number = found.number;
  segment.end = offset;
  log_.segments.push_back(segment);
  return {};
}

base::Result<> LogRecovery::visit(const ScannedRecord& record, std::uint32_t segment) {
  RecordView view;
  view.type = static_cast<RecordType>(record.header.type);
  view.ref.segment = segment;
  view.ref.offset = static_cast<std::uint32_t>(record.offset);
  view.ref.length = static_cast<std::uint32_t>(kRecordHeaderSize + record.payload.size());
  view.payload = record.payload;
  return visitor_.on_record(view);
}

base::Result<> LogRecovery::copy_tail(const Found* tail, const SegmentHeader& header) {
  std::string name = store_.take_free(true);
  if (name.empty()) {
    name = store_.new_name();
    if (auto made = store_.create(name); !made) return made;
  }
  auto staged = store_.stage(name, header);
  if (!staged) return tl::unexpected(staged.error());
  Copy copy(**staged);
  copy.epoch = header.number;
  copy.lsn = header.first_lsn;
  copy.offset = kSegmentHeaderSize;
  if (tail != nullptr) {
    auto from = disk_.open(store_.path(segment_name(tail->number)), base::OpenMode::read);
    if (!from) return tl::unexpected(from.error());
    if (auto copied = copy_records(**from, *tail, copy); !copied) return copied;
  }
  if (auto published = store_.publish(**staged, header.number); !published) return published;

  // From here on the copy is the truth; the old file goes back to the free ones.
  if (tail != nullptr) {
    const std::string free_name = store_.new_name();
    if (auto recycled = store_.recycle(tail->number, free_name); !recycled) return recycled;
    if (tail->size == store_.options().segment_size) {
      store_.add_free(free_name);
    } else if (auto removed = store_.remove(free_name); !removed) {
      return removed;
    }
  }
  SegmentScanner scanner(**staged, header.number, copy.offset);
  for (std::uint64_t offset = kSegmentHeaderSize; offset < copy.offset;) {
    auto record = scanner.at(offset);
    if (!record) return tl::unexpected(record.error());
    if (!*record) {
      return base::fail(std::errc::io_error, "read back the recovered segment",
                        segment_name(header.number));
    }
    offset = (*record)->end();
    if (auto visited = visit(**record, header.number); !visited) return visited;
  }
  RecoveredSegment segment;
  segment.number = header.number;
  segment.end = copy.offset;
  log_.segments.push_back(segment);
  log_.active = std::move(*staged);
  log_.active_records = copy.records;
  log_.next_lsn = copy.lsn;
  return {};
}

base::Result<> LogRecovery::copy_records(base::File& from, const Found& tail, Copy& copy) {
  SegmentScanner scanner(from, tail.number, tail.size);
  std::uint64_t offset = kSegmentHeaderSize;
  std::uint64_t expected = tail.header_ok ? tail.header.first_lsn : 0;
  while (true) {
    auto record = scanner.at(offset);
    if (!record) return tl::unexpected(record.error());
    if (!*record || (expected != 0 && (*record)->header.lsn != expected)) {
      auto next = skip_damage(scanner, offset, expected);
      if (!next) return tl::unexpected(next.error());
      if (*next == 0) break;  // torn: what was being written when the crash came
      set_aside(from, tail.number, offset, *next);
      end_batch(copy);
      offset = *next;
      expected = 0;
      continue;
    }
    if (auto known = refuse_unknown(**record, tail.number); !known) return known;
    if ((*record)->header.type == static_cast<std::uint8_t>(RecordType::seal)) break;
    expected = (*record)->header.lsn + 1;
    offset = (*record)->end();
    const bool ends = (*record)->end_of_batch();
    add_record(copy, **record);
    if (!ends) continue;
    end_batch(copy);
    if (copy.buffer.size() < kPiece) continue;
    if (auto written = write_out(copy); !written) return written;
  }
  // A batch without its end never happened.
  copy.lsn -= copy.batch_records;
  return write_out(copy);
}

// The octets at `offset` are no record that could stand there. Torn (answer 0), unless a later
// record says that this one had been flushed when it was written: then they were damaged since, and
// the answer is where the next intact record begins.
base::Result<std::uint64_t> LogRecovery::skip_damage(SegmentScanner& scanner, std::uint64_t offset,
                                                     std::uint64_t expected) {
  std::uint64_t first = 0;
  std::uint64_t after = expected;
  for (std::uint64_t from = offset + 1;;) {
    auto record = scanner.find(from, after);
    if (!record) return tl::unexpected(record.error());
    if (!*record) return 0;
    if (first == 0) first = (*record)->offset;
    if (expected == 0 || (*record)->header.flushed >= expected) return first;
    after = (*record)->header.lsn;
    from = (*record)->end();
  }
}

void LogRecovery::add_record(Copy& copy, const ScannedRecord& record) {
  RecordHeader header = record.header;
  header.epoch = copy.epoch;
  header.lsn = copy.lsn++;
  header.flushed = header.lsn - 1;  // all of the copy is flushed before it counts
  header.crc = record_crc(header, record.payload);
  char octets[kRecordHeaderSize];
  encode_header(header, octets);
  copy.last = copy.batch.size();
  copy.batch.append(octets, kRecordHeaderSize).append(record.payload);
  ++copy.batch_records;
}

void LogRecovery::end_batch(Copy& copy) {
  if (copy.batch.empty()) return;
  // After damage the end of the batch is gone; what is left of it stands for itself.
  const std::string_view last = std::string_view(copy.batch).substr(copy.last);
  RecordHeader header = decode_header(last);
  if ((header.flags & kEndOfBatch) == 0) {
    header.flags |= kEndOfBatch;
    header.crc = record_crc(header, last.substr(kRecordHeaderSize));
    encode_header(header, copy.batch.data() + copy.last);
  }
  copy.buffer += copy.batch;
  copy.records += copy.batch_records;
  copy.batch.clear();
  copy.batch_records = 0;
}

base::Result<> LogRecovery::write_out(Copy& copy) {
  if (copy.buffer.empty()) return {};
  auto written = copy.to.write_at(copy.offset, copy.buffer);
  if (!written) return written;
  copy.offset += copy.buffer.size();
  copy.buffer.clear();
  return {};
}

void LogRecovery::set_aside(base::File& file, std::uint32_t number, std::uint64_t from,
                            std::uint64_t to) {
  log_.damaged = true;
  Damage damage;
  damage.segment = segment_name(number);
  damage.from = from;
  damage.to = to;
  const std::string path =
      fmt::format("{}/corrupt/{:012}-{}.bin", store_.options().directory, number, from);
  std::string octets(static_cast<std::size_t>(to - from), '\0');
  const auto got = file.read_at(from, std::span<char>(octets));
  if (got) {
    octets.resize(*got);
    // The same damage is met at every start until the segment is recycled.
    const auto kept = disk_.stat(path);
    const bool there = kept && kept->size == octets.size();
    if (there || base::replace_file(disk_, path, octets)) damage.set_aside = path;
  }
  base::log_event(base::LogLevel::error, "queue", "-", "damaged log segment",
                  {{"segment", damage.segment},
                   {"from", from},
                   {"to", to},
                   {"set_aside", damage.set_aside.empty() ? "failed" : damage.set_aside}});
  visitor_.on_damage(damage);
}

}  // namespace posthouse::queue
