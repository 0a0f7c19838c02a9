// The segment files of the log as files: making them, starting one, recycling one, and the free
// ones kept ready. The blocking functions are static in spirit: they touch only the disk, run on
// pool threads or at start, and may run at the same time; the list of free files belongs to the
// queue owner's thread. After an error nothing is half done that recovery would mistake: a file has
// its segment name only when its header is on disk.
//
//   spare-NNN.free   zero-filled or recycled, octets of older epochs only
//   *.tmp            being made; removed by recovery, never used, as it may hold a future epoch
//   NNNNNNNNNNNN.seg a segment
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/disk.hpp"
#include "queue/segment.hpp"

namespace posthouse::queue {

struct SegmentStoreOptions {
  std::string directory;  // the queue's
  std::uint64_t segment_size = 64ULL * 1024 * 1024;
  std::size_t reserve = 2;    // free files that only records that free something may use
  std::size_t keep_free = 8;  // recycled files beyond that are removed
};

class SegmentStore {
 public:
  SegmentStore(base::Disk& disk, SegmentStoreOptions options);

  // Blocking.
  // Makes a zero-filled free file under `name`: overwriting allocated blocks makes fdatasync twice
  // as fast as growing into new ones.
  base::Result<> create(const std::string& name);
  // Turns free file `name` into segment header.number, durable under its name when this returns.
  // After no_space_on_device it is a free file still; any other error is final.
  base::Result<std::unique_ptr<base::File>> start(const std::string& name,
                                                  const SegmentHeader& header);
  // The same in two steps, with the records of an unsealed segment copied in between: a crash
  // before publish() leaves a .tmp file only.
  base::Result<std::unique_ptr<base::File>> stage(const std::string& name,
                                                  const SegmentHeader& header);
  base::Result<> publish(base::File& file, std::uint32_t number);
  // Turns segment `number` into free file `name`; its octets may be overwritten when this returns.
  base::Result<> recycle(std::uint32_t number, const std::string& name);
  base::Result<> remove(const std::string& name);

  // Owner's thread.
  void add_free(std::string name) { free_.push_back(std::move(name)); }
  // A free file to use up; empty when there is none, or only the reserve and `frees` is false.
  [[nodiscard]] std::string take_free(bool frees);
  [[nodiscard]] std::string new_name();  // never used before in this life of the program
  [[nodiscard]] std::size_t free_count() const { return free_.size(); }
  [[nodiscard]] bool wants_more() const { return free_.size() < options_.reserve + 1; }
  [[nodiscard]] bool has_enough() const { return free_.size() >= options_.keep_free; }
  // Numbers in names of existing free files are skipped by new_name().
  void note_existing(std::string_view name);

  [[nodiscard]] std::string path(std::string_view name) const;
  [[nodiscard]] const SegmentStoreOptions& options() const { return options_; }

 private:
  base::Disk& disk_;
  SegmentStoreOptions options_;
  std::vector<std::string> free_;
  std::uint64_t next_name_ = 1;
};

[[nodiscard]] bool is_free_name(std::string_view name);
[[nodiscard]] bool is_temporary_name(std::string_view name);

}  // namespace posthouse::queue
