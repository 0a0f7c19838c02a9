// Recovery of the log: what is on disk becomes a list of segments, a fresh one to append to, and a
// sequence of records for the visitor. Runs once at start, before any other use of the files,
// blocking, on the owner's thread. After an error nothing has been removed that held a record.
//
// The last segment may hold octets that are readable but not on disk (docs/spool.md), so its intact
// batches are copied into a fresh segment and flushed before one of them is visited. Segments
// before it were flushed before their successor got its name; damage in them is set aside and
// skipped.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/disk.hpp"
#include "queue/segment_store.hpp"
#include "queue/spool.hpp"

namespace posthouse::queue {

struct RecoveredSegment {
  std::uint32_t number = 0;
  std::uint64_t end = 0;  // octets with records
};

struct RecoveredLog {
  std::vector<RecoveredSegment> segments;  // ascending; the last is the one to append to
  std::unique_ptr<base::File> active;
  std::uint64_t active_records = 0;
  std::uint64_t next_lsn = 1;
  bool damaged = false;  // something was set aside or is missing
};

class LogRecovery {
 public:
  LogRecovery(base::Disk& disk, SegmentStore& store, RecordVisitor& visitor);
  // Errors: not_supported when a newer program wrote something here, else I/O.
  [[nodiscard]] base::Result<RecoveredLog> run();

 private:
  struct Found {
    std::uint32_t number = 0;
    bool header_ok = false;
    SegmentHeader header;
    std::uint64_t size = 0;  // of the file
  };
  // Where copying the last segment has got to.
  struct Copy {
    explicit Copy(base::File& t) : to(t) {}
    base::File& to;
    std::uint32_t epoch = 0;
    std::uint64_t lsn = 0;     // of the next record
    std::uint64_t offset = 0;  // of `buffer` in the file
    std::string buffer;        // whole batches
    std::string batch;         // records whose end of batch has not come yet
    std::size_t last = 0;      // of the last record in `batch`
    std::uint64_t batch_records = 0;
    std::uint64_t records = 0;
  };

  base::Result<std::vector<Found>> find_segments();
  base::Result<Found> read_header(std::uint32_t number);
  base::Result<> drop_replaced(std::vector<Found>& found);
  void report_gaps(const std::vector<Found>& found);
  base::Result<> visit_sealed(const Found& found, std::uint64_t end);
  base::Result<> visit(const ScannedRecord& record, std::uint32_t segment);
  base::Result<> copy_tail(const Found* tail, const SegmentHeader& header);
  base::Result<> copy_records(base::File& from, const Found& tail, Copy& copy);
  base::Result<std::uint64_t> skip_damage(SegmentScanner& scanner, std::uint64_t offset,
                                          std::uint64_t expected);
  static void add_record(Copy& copy, const ScannedRecord& record);
  static void end_batch(Copy& copy);
  static base::Result<> write_out(Copy& copy);
  void set_aside(base::File& file, std::uint32_t number, std::uint64_t from, std::uint64_t to);

  base::Disk& disk_;
  SegmentStore& store_;
  RecordVisitor& visitor_;
  RecoveredLog log_;
};

}  // namespace posthouse::queue
