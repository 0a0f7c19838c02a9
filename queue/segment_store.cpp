// Segment files as files; see segment_store.hpp for the names and the promises.
#include "queue/segment_store.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "queue/errors.hpp"

namespace posthouse::queue {
namespace {
constexpr std::string_view kFreePrefix = "spare-";
constexpr std::string_view kFreeSuffix = ".free";
constexpr std::string_view kTemporarySuffix = ".tmp";
constexpr std::size_t kFillPiece = 1024 * 1024;

std::string temporary_name(std::string_view name) {
  return std::string(name) + std::string(kTemporarySuffix);
}
}  // namespace

bool is_free_name(std::string_view name) {
  return name.starts_with(kFreePrefix) && name.ends_with(kFreeSuffix);
}

bool is_temporary_name(std::string_view name) { return name.ends_with(kTemporarySuffix); }

SegmentStore::SegmentStore(base::Disk& disk, SegmentStoreOptions options)
    : disk_(disk), options_(std::move(options)) {}

std::string SegmentStore::path(std::string_view name) const {
  return options_.directory + "/" + std::string(name);
}

std::string SegmentStore::new_name() {
  return fmt::format("{}{:012}{}", kFreePrefix, next_name_++, kFreeSuffix);
}

void SegmentStore::note_existing(std::string_view name) {
  if (!is_free_name(name)) return;
  name.remove_prefix(kFreePrefix.size());
  name.remove_suffix(kFreeSuffix.size());
  if (const auto number = base::parse_u64(name)) next_name_ = std::max(next_name_, *number + 1);
}

std::string SegmentStore::take_free(bool frees) {
  if (free_.empty() || (!frees && free_.size() <= options_.reserve)) return {};
  std::string name = std::move(free_.back());
  free_.pop_back();
  return name;
}

base::Result<> SegmentStore::create(const std::string& name) {
  const std::string temporary = path(temporary_name(name));
  auto file = disk_.open(temporary, base::OpenMode::create);
  if (!file) return tl::unexpected(file.error());
  const std::string zeros(
      static_cast<std::size_t>(std::min<std::uint64_t>(kFillPiece, options_.segment_size)), '\0');
  base::Result<> result;
  for (std::uint64_t offset = 0; result && offset < options_.segment_size;) {
    const auto piece = static_cast<std::size_t>(
        std::min<std::uint64_t>(zeros.size(), options_.segment_size - offset));
    result = (*file)->write_at(offset, std::string_view(zeros).substr(0, piece));
    offset += piece;
  }
  if (result) result = (*file)->sync_data();
  if (result) result = disk_.rename(temporary, path(name));
  // The name need not be durable: a lost free file is made again.
  if (!result) static_cast<void>(disk_.remove(temporary));
  return result;
}

base::Result<std::unique_ptr<base::File>> SegmentStore::start(const std::string& name,
                                                              const SegmentHeader& header) {
  auto file = disk_.open(path(name), base::OpenMode::read_write);
  if (!file) return file;
  base::Result<> result = (*file)->write_at(0, encode_segment_header(header));
  if (result) result = final_if_failed((*file)->sync_data());
  if (result) result = disk_.rename(path(name), path(segment_name(header.number)));
  // Before any record is written: otherwise the file could be found as a free one with records of
  // an epoch that is given again.
  if (result) result = final_if_failed(disk_.sync_dir(options_.directory));
  if (!result) return tl::unexpected(result.error());
  return file;
}

base::Result<std::unique_ptr<base::File>> SegmentStore::stage(const std::string& name,
                                                              const SegmentHeader& header) {
  const std::string temporary = path(temporary_name(segment_name(header.number)));
  base::Result<> result = disk_.rename(path(name), temporary);
  if (result) result = disk_.sync_dir(options_.directory);
  if (!result) return tl::unexpected(result.error());
  auto file = disk_.open(temporary, base::OpenMode::read_write);
  if (!file) return file;
  result = (*file)->write_at(0, encode_segment_header(header));
  if (!result) return tl::unexpected(result.error());
  return file;
}

base::Result<> SegmentStore::publish(base::File& file, std::uint32_t number) {
  base::Result<> result = file.sync_data();
  if (result) {
    const std::string name = segment_name(number);
    result = disk_.rename(path(temporary_name(name)), path(name));
  }
  if (result) result = disk_.sync_dir(options_.directory);
  return result;
}

base::Result<> SegmentStore::recycle(std::uint32_t number, const std::string& name) {
  base::Result<> result = disk_.rename(path(segment_name(number)), path(name));
  // Before it may be overwritten: otherwise a crash brings the old name back over new octets.
  if (result) result = disk_.sync_dir(options_.directory);
  return result;
}

base::Result<> SegmentStore::remove(const std::string& name) { return disk_.remove(path(name)); }

}  // namespace posthouse::queue
