// Recovery of the log: torn tails at every octet, damage, ghosts of recycled segments, leftovers of
// every step of a recovery that was itself cut, and what a newer program would leave.
#include <gtest/gtest.h>

#include <algorithm>

#include "queue/segment.hpp"
#include "tests/unit/queue/queue_house.hpp"

namespace posthouse::queue {
namespace {

using test::finished_batch;
using test::House;
using test::make_id;
using test::make_message;
using test::Seen;
using test::small_log;

constexpr const char* kQueue = "/spool/queue/";

// Where each message ended up, from a life that committed them one after the other.
struct Written {
  std::vector<RecordRef> refs;  // of message n at n - 1
};

Written write_messages(sim::SimDisk& disk, std::uint64_t count, std::size_t size,
                       const LogSpoolOptions& options = small_log()) {
  House house(disk);
  auto spool = house.make_spool(options);
  house.open(*spool);
  Written written;
  for (std::uint64_t n = 1; n <= count; ++n) {
    RecordRef ref;
    EXPECT_TRUE(house.commit(*spool, make_message(n, size), &ref).has_value());
    written.refs.push_back(ref);
  }
  house.world.run_for(std::chrono::seconds(1));
  house.world.shutdown();
  return written;
}

Seen recover(sim::SimDisk& disk, const LogSpoolOptions& options = small_log()) {
  House house(disk);
  auto spool = house.make_spool(options);
  Seen seen = house.open(*spool);
  house.world.shutdown();
  return seen;
}

std::string path_of(std::uint32_t segment) { return kQueue + segment_name(segment); }

TEST(Recovery, EveryTruncationOfTheLastSegment) {
  LogSpoolOptions options = small_log();
  options.segment_size = 3072;
  sim::SimDisk disk;
  const Written written = write_messages(disk, 6, 150, options);
  ASSERT_EQ(written.refs.front().segment, written.refs.back().segment);
  const std::string path = path_of(written.refs.front().segment);
  for (std::uint64_t length = kSegmentHeaderSize; length <= options.segment_size; ++length) {
    const auto copy = disk.after_crash(sim::LossPolicy::all());
    (*copy->open(path, base::OpenMode::read_write))->truncate(length);
    const Seen seen = recover(*copy, options);
    std::uint64_t whole = 0;
    for (const RecordRef& ref : written.refs) whole += ref.offset + ref.length <= length ? 1 : 0;
    ASSERT_EQ(seen.messages.size(), whole) << "cut at octet " << length;
    for (std::uint64_t n = 1; n <= whole; ++n) ASSERT_EQ(seen.messages[n - 1], make_id(n));
    ASSERT_TRUE(seen.damages.empty());
  }
}

// The same with zeros, and with octets of another life, instead of the end of the file.
TEST(Recovery, EveryTornTail) {
  LogSpoolOptions options = small_log();
  options.segment_size = 3072;
  sim::SimDisk disk;
  const Written written = write_messages(disk, 6, 150, options);
  const std::string path = path_of(written.refs.front().segment);
  for (const char filler : {'\0', '\x01'}) {
    for (std::uint64_t length = kSegmentHeaderSize; length < written.refs.back().offset + 200;
         length += 3) {
      const auto copy = disk.after_crash(sim::LossPolicy::all());
      const std::string junk(static_cast<std::size_t>(options.segment_size - length), filler);
      ASSERT_TRUE((*copy->open(path, base::OpenMode::read_write))->write_at(length, junk));
      std::uint64_t whole = 0;
      for (const RecordRef& ref : written.refs) whole += ref.offset + ref.length <= length ? 1 : 0;
      const Seen seen = recover(*copy, options);
      ASSERT_EQ(seen.messages.size(), whole) << "torn at octet " << length;
      ASSERT_TRUE(seen.damages.empty());
    }
  }
}

TEST(Recovery, ABatchWithoutItsEndNeverHappened) {
  LogSpoolOptions options = small_log();
  sim::SimDisk disk;
  RecordRef second;
  {
    House house(disk);
    auto spool = house.make_spool(options);
    house.open(*spool);
    ASSERT_TRUE(house.commit(*spool, make_message(1)).has_value());
    Batch batch = test::message_batch(make_message(2));
    batch.records.push_back(encode_message(make_message(3), {}, false));
    ASSERT_TRUE(house.commit(*spool, batch).has_value());
    second = batch.records[1].ref;
    house.world.shutdown();
  }
  const std::string zeros(second.length, '\0');
  ASSERT_TRUE((*disk.open(path_of(second.segment), base::OpenMode::read_write))
                  ->write_at(second.offset, zeros));
  Seen seen = recover(disk, options);
  ASSERT_EQ(seen.messages.size(), 1u);
  EXPECT_EQ(seen.messages.front(), make_id(1));

  // And its sequence numbers are given again without a gap.
  House house(disk);
  auto spool = house.make_spool(options);
  house.open(*spool);
  ASSERT_TRUE(house.commit(*spool, make_message(4)).has_value());
  house.world.shutdown();
  disk.kill();
  seen = recover(disk, options);
  EXPECT_EQ(seen.messages.size(), 2u);
  EXPECT_TRUE(seen.damages.empty());
}

TEST(Recovery, FlippedBitInASealedSegment) {
  sim::SimDisk disk;
  const Written written = write_messages(disk, 30, 900);
  const std::uint32_t sealed = written.refs.front().segment;
  ASSERT_NE(written.refs.back().segment, sealed);
  std::uint64_t records_end = 0;
  for (const RecordRef& ref : written.refs) {
    if (ref.segment == sealed) records_end = ref.offset + ref.length;
  }
  for (std::uint64_t octet = 0; octet < records_end; octet += 7) {
    const auto copy = disk.after_crash(sim::LossPolicy::all());
    ASSERT_TRUE(copy->flip_bit(path_of(sealed), octet, octet % 8));
    const Seen seen = recover(*copy);
    ASSERT_EQ(seen.damages.size(), 1u) << "octet " << octet;
    ASSERT_LE(seen.damages[0].from, octet);
    ASSERT_GT(seen.damages[0].to, octet);
    const auto kept = copy->stat(seen.damages[0].set_aside);
    ASSERT_TRUE(kept.has_value());
    ASSERT_EQ(kept->size, seen.damages[0].to - seen.damages[0].from);
    for (std::uint64_t n = 1; n <= written.refs.size(); ++n) {
      const RecordRef& ref = written.refs[n - 1];
      const bool hit =
          ref.segment == sealed && octet >= ref.offset && octet < ref.offset + ref.length;
      ASSERT_EQ(seen.has(n), !hit) << "octet " << octet << " message " << n;
    }
    // The damage stays reported, and nothing else changes.
    copy->kill();
    const Seen again = recover(*copy);
    ASSERT_EQ(again.damages.size(), 1u);
    ASSERT_EQ(again.messages.size(), seen.messages.size());
  }
}

TEST(Recovery, DamageInTheLastSegmentIsNotTakenForATornTail) {
  sim::SimDisk disk;
  const Written written = write_messages(disk, 8, 300);
  const RecordRef& hit = written.refs[2];
  ASSERT_TRUE(disk.flip_bit(path_of(hit.segment), hit.offset + 50, 3));
  const Seen seen = recover(disk);
  EXPECT_EQ(seen.damages.size(), 1u);
  EXPECT_EQ(seen.messages.size(), 7u);
  EXPECT_FALSE(seen.has(3));
  // In the copy the rest is whole again.
  disk.kill();
  const Seen again = recover(disk);
  EXPECT_TRUE(again.damages.empty());
  EXPECT_EQ(again.messages.size(), 7u);
}

TEST(Recovery, AMissingSegmentIsReported) {
  sim::SimDisk disk;
  const Written written = write_messages(disk, 60, 900);
  const std::uint32_t middle = written.refs.front().segment + 1;
  ASSERT_LT(middle, written.refs.back().segment);
  ASSERT_TRUE(disk.remove(path_of(middle)).has_value());
  const Seen seen = recover(disk);
  ASSERT_EQ(seen.damages.size(), 1u);
  EXPECT_EQ(seen.damages[0].segment, segment_name(middle));
  for (std::uint64_t n = 1; n <= written.refs.size(); ++n) {
    EXPECT_EQ(seen.has(n), written.refs[n - 1].segment != middle);
  }
}

// Records of one size in segments that are recycled many times: everything left from an older life
// stands exactly where the next record would be. Whatever part of the last writes survives, only
// what this life wrote may be seen.
TEST(Recovery, GhostsOfRecycledSegmentsNeverVerify) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    sim::SimDisk disk(seed);
    std::uint64_t n = 0;
    std::vector<std::uint64_t> live;
    House house(disk, seed);
    auto spool = house.make_spool();
    house.open(*spool);
    base::SeededRandom random(seed);
    const std::uint64_t count = 80 + random.below(60);
    while (n < count) {
      RecordRef ref;
      ASSERT_TRUE(house.commit(*spool, make_message(++n, 700), &ref).has_value());
      if (n + 5 > count) {
        live.push_back(n);
        continue;
      }
      spool->append_lazy(finished_batch({n}));
      spool->release(ref);
      house.world.run_for(std::chrono::milliseconds(70));
    }
    ASSERT_GT(spool->counters().recycled, 2u);
    // One that is written when the lights go out.
    Batch last = test::message_batch(make_message(++n, 700));
    disk.cut_at(disk.operations() + 1 + random.below(3));
    static_cast<void>(house.commit(*spool, last));
    house.world.shutdown();
    disk.crash(sim::LossPolicy::random(seed));
    const Seen seen = recover(disk);
    EXPECT_TRUE(seen.damages.empty());
    for (const std::uint64_t wanted : live) EXPECT_TRUE(seen.refs.contains(make_id(wanted)));
    for (const auto& [id, ref] : seen.refs) {
      EXPECT_GE(id, make_id(count - 4)) << "a finished message came back";
    }
  }
}

// A write that fails for want of space may leave whole records behind; they must not come to life
// behind a shorter one written later.
TEST(Recovery, RemainsOfAFailedWriteStayDead) {
  sim::SimDisk disk;
  {
    House house(disk);
    auto spool = house.make_spool();
    house.open(*spool);
    ASSERT_TRUE(house.commit(*spool, make_message(1, 700)).has_value());
    house.world.run_for(std::chrono::seconds(1));
    Batch failing = test::message_batch(make_message(2, 700));
    failing.records.push_back(encode_message(make_message(3, 700), {}, false));
    // All of it is written, and still the answer is an error.
    disk.short_write_at(disk.operations() + 1, failing.size(), ENOSPC);
    const auto refused = house.commit(*spool, failing);
    ASSERT_FALSE(refused.has_value());
    EXPECT_TRUE(refused.error().code == std::errc::no_space_on_device);
    ASSERT_TRUE(house.commit(*spool, make_message(4, 700)).has_value());
    house.world.shutdown();
  }
  disk.crash(sim::LossPolicy::all());
  const Seen seen = recover(disk);
  EXPECT_EQ(seen.messages.size(), 2u);
  EXPECT_TRUE(seen.has(1));
  EXPECT_TRUE(seen.has(4));
  EXPECT_TRUE(seen.damages.empty());
}

// Nor when nothing was written after it: a refusal is given when the remains are dead.
TEST(Recovery, RefusedMailDoesNotComeBack) {
  sim::SimDisk disk;
  {
    House house(disk);
    auto spool = house.make_spool();
    house.open(*spool);
    Batch failing = test::message_batch(make_message(1, 700));
    disk.short_write_at(disk.operations() + 1, failing.size(), ENOSPC);
    ASSERT_FALSE(house.commit(*spool, failing).has_value());
    EXPECT_FALSE(failing.perhaps_written);
    house.world.shutdown();
  }
  const auto killed = disk.after_crash(sim::LossPolicy::all());
  EXPECT_TRUE(recover(*killed).messages.empty());
}

// When not even the seal can be written, the batch says so.
TEST(Recovery, RefusedMailMayComeBackWhenTheSegmentCannotBeSealed) {
  sim::SimDisk disk;
  {
    House house(disk);
    auto spool = house.make_spool();
    house.open(*spool);
    Batch failing = test::message_batch(make_message(1, 700));
    disk.short_write_at(disk.operations() + 1, failing.size(), ENOSPC);
    disk.set_fault_hook([](const sim::DiskOp& op) {
      sim::DiskFault fault;
      if (op.name == "write" && op.octets == kSealSize) fault.error = ENOSPC;
      return fault;
    });
    const auto refused = house.commit(*spool, failing);
    ASSERT_FALSE(refused.has_value());
    EXPECT_TRUE(refused.error().code == std::errc::no_space_on_device);
    EXPECT_TRUE(failing.perhaps_written);
    disk.clear_faults();
    ASSERT_TRUE(house.commit(*spool, make_message(2, 700)).has_value());
    house.world.shutdown();
  }
  const auto killed = disk.after_crash(sim::LossPolicy::all());
  const Seen seen = recover(*killed);
  EXPECT_TRUE(seen.has(2));
  EXPECT_FALSE(seen.has(1)) << "sealed in the end";
}

// Recovery itself is cut at every operation, with every kind of loss.
TEST(Recovery, CutAtEveryOperation) {
  sim::SimDisk disk;
  write_messages(disk, 25, 900);
  disk.crash(sim::LossPolicy::all());
  std::uint64_t n = 1;
  for (;; ++n) {
    const auto copy = disk.after_crash(sim::LossPolicy::all());
    copy->cut_at(n);
    {
      House house(*copy);
      auto spool = house.make_spool();
      Seen seen;
      if (spool->recover(seen) && spool->begin(seen.live(), {})) {
        house.world.run_for(std::chrono::seconds(1));
      }
      house.world.shutdown();
    }
    if (!copy->cut()) break;
    sim::LossPlan plan;
    plan.random_subsets = 10;
    plan.each_limit = 6;
    plan.seed = n;
    for (const sim::LossPolicy& policy : sim::loss_policies(copy->pending_items(), plan)) {
      const auto after = copy->after_crash(policy);
      const Seen seen = recover(*after);
      ASSERT_EQ(seen.messages.size(), 25u) << "cut at " << n << ", " << policy.text();
      for (std::uint64_t m = 1; m <= 25; ++m) ASSERT_EQ(seen.messages[m - 1], make_id(m));
      ASSERT_TRUE(seen.damages.empty()) << "cut at " << n << ", " << policy.text();
    }
  }
  EXPECT_GT(n, 8u);
}

TEST(Recovery, LeftoversAreRemoved) {
  sim::SimDisk disk;
  write_messages(disk, 3, 200);
  disk.kill();
  ASSERT_TRUE(disk.open("/spool/queue/000000000009.seg.tmp", base::OpenMode::create).has_value());
  ASSERT_TRUE(
      disk.open("/spool/queue/spare-000000000099.free", base::OpenMode::create).has_value());
  ASSERT_TRUE(disk.open("/spool/queue/large/orphan", base::OpenMode::create).has_value());
  const Seen seen = recover(disk);
  EXPECT_EQ(seen.messages.size(), 3u);
  EXPECT_FALSE(disk.stat("/spool/queue/000000000009.seg.tmp").has_value());
  EXPECT_FALSE(disk.stat("/spool/queue/spare-000000000099.free").has_value());
  EXPECT_FALSE(disk.stat("/spool/queue/large/orphan").has_value());
}

TEST(Recovery, BodiesAreKeptWhenTheLogIsDamaged) {
  sim::SimDisk disk;
  const Written written = write_messages(disk, 30, 900);
  disk.kill();
  ASSERT_TRUE(disk.open("/spool/queue/large/orphan", base::OpenMode::create).has_value());
  ASSERT_TRUE(disk.flip_bit(path_of(written.refs.front().segment), 200, 1));
  EXPECT_EQ(recover(disk).damages.size(), 1u);
  EXPECT_TRUE(disk.stat("/spool/queue/corrupt/orphan").has_value());
}

// Refusals: what a newer program wrote is never skipped.
base::Error refusal(sim::SimDisk& disk) {
  House house(disk);
  auto spool = house.make_spool();
  Seen seen;
  const auto recovered = spool->recover(seen);
  EXPECT_FALSE(recovered.has_value());
  return recovered ? base::Error() : recovered.error();
}

TEST(Recovery, UnknownRecordTypeIsRefused) {
  for (const std::uint64_t count : {1u, 30u}) {  // in the last segment, in a sealed one
    sim::SimDisk disk;
    const Written written = write_messages(disk, count, 900);
    const RecordRef& ref = written.refs.front();
    auto file = *disk.open(path_of(ref.segment), base::OpenMode::read_write);
    std::string octets(ref.length, '\0');
    ASSERT_TRUE(file->read_at(ref.offset, std::span<char>(octets)).has_value());
    RecordHeader header = decode_header(octets);
    header.type = 60;
    header.crc = record_crc(header, std::string_view(octets).substr(kRecordHeaderSize));
    encode_header(header, octets.data());
    ASSERT_TRUE(file->write_at(ref.offset, octets).has_value());
    disk.kill();
    const base::Error error = refusal(disk);
    EXPECT_TRUE(error.code == std::errc::not_supported);
    EXPECT_EQ(error.op, "unknown record version");
  }
}

TEST(Recovery, UnknownSegmentVersionIsRefused) {
  sim::SimDisk disk;
  const Written written = write_messages(disk, 1, 100);
  auto file = *disk.open(path_of(written.refs[0].segment), base::OpenMode::read_write);
  std::string octets(kSegmentHeaderSize, '\0');
  ASSERT_TRUE(file->read_at(0, std::span<char>(octets)).has_value());
  octets[8] = 2;  // the version
  const std::uint32_t crc =
      base::crc32c(std::string_view(octets).substr(0, kSegmentHeaderSize - 4));
  for (int i = 0; i < 4; ++i)
    octets[60 + static_cast<std::size_t>(i)] = static_cast<char>((crc >> (8 * i)) & 0xff);
  ASSERT_TRUE(file->write_at(0, octets).has_value());
  disk.kill();
  EXPECT_TRUE(refusal(disk).code == std::errc::not_supported);
}

}  // namespace
}  // namespace posthouse::queue
