// What every Spool promises, run against the memory spool and the log.
#include <gtest/gtest.h>

#include "queue/mem_spool.hpp"
#include "tests/unit/queue/queue_house.hpp"

namespace posthouse::queue {
namespace {

using test::finished_batch;
using test::make_id;
using test::make_message;
using test::Seen;

// Makes spools of one kind; what they committed outlives them.
class Store {
 public:
  virtual ~Store() = default;
  virtual std::unique_ptr<Spool> make(test::House& house) = 0;
};

class MemStore final : public Store {
 public:
  std::unique_ptr<Spool> make(test::House& house) override {
    return std::make_unique<MemSpool>(house.world.executor(), house.world.timer(), log_);
  }

 private:
  std::shared_ptr<MemLog> log_ = std::make_shared<MemLog>();
};

class LogStore final : public Store {
 public:
  std::unique_ptr<Spool> make(test::House& house) override { return house.make_spool(); }
};

class SpoolConformance : public testing::TestWithParam<const char*> {
 protected:
  SpoolConformance() {
    if (std::string_view(GetParam()) == "memory") {
      store_ = std::make_unique<MemStore>();
    } else {
      store_ = std::make_unique<LogStore>();
    }
    start();
  }
  ~SpoolConformance() override { end(); }

  void start() {
    house_ = std::make_unique<test::House>(disk_);
    spool_ = store_->make(*house_);
  }
  void end() {
    if (house_) house_->world.shutdown();
    spool_.reset();
    house_.reset();
    disk_.kill();
  }
  // Ends this life, with or without a farewell, and recovers in the next.
  Seen restart(bool clean = true) {
    if (clean) {
      EXPECT_TRUE(house_->world.run(spool_->stop()));
    }
    end();
    start();
    return house_->open(*spool_);
  }

  sim::SimDisk disk_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<test::House> house_;
  std::unique_ptr<Spool> spool_;
};

TEST_P(SpoolConformance, StartsEmpty) {
  const Seen seen = house_->open(*spool_);
  EXPECT_EQ(seen.records, 0u);
  EXPECT_TRUE(spool_->accepting());
  EXPECT_TRUE(spool_->free_space().has_value());
}

TEST_P(SpoolConformance, CommittedBatchesComeBackInOrder) {
  house_->open(*spool_);
  for (std::uint64_t n = 1; n <= 10; ++n) {
    ASSERT_TRUE(house_->commit(*spool_, make_message(n)).has_value());
  }
  const Seen seen = restart(false);
  ASSERT_EQ(seen.messages.size(), 10u);
  for (std::uint64_t n = 1; n <= 10; ++n) {
    EXPECT_EQ(seen.messages[n - 1], make_id(n));
    EXPECT_EQ(seen.texts.at(make_id(n)), *make_message(n).content.text);
  }
}

TEST_P(SpoolConformance, ABatchOfSeveralRecordsKeepsThemTogether) {
  house_->open(*spool_);
  Batch batch = test::message_batch(make_message(1));
  batch.records.push_back(encode_message(make_message(2), {}, false));
  batch.records.push_back(encode_leaves_finished(test::finished({1})));
  ASSERT_TRUE(house_->commit(*spool_, batch).has_value());
  const Seen seen = restart(false);
  EXPECT_EQ(seen.records, 3u);
  EXPECT_EQ(seen.live().size(), 1u);
}

TEST_P(SpoolConformance, LazyBatchesAreFlushedInTime) {
  house_->open(*spool_);
  ASSERT_TRUE(house_->commit(*spool_, make_message(1)).has_value());
  spool_->append_lazy(finished_batch({1}));
  house_->world.run_for(std::chrono::milliseconds(60));
  const Seen seen = restart(false);
  EXPECT_EQ(seen.ended_ids, std::vector<base::MessageId>{make_id(1)});
}

TEST_P(SpoolConformance, LazyBatchesRideWithTheNextCommit) {
  house_->open(*spool_);
  ASSERT_TRUE(house_->commit(*spool_, make_message(1)).has_value());
  spool_->append_lazy(finished_batch({1}));
  ASSERT_TRUE(house_->commit(*spool_, make_message(2)).has_value());
  const Seen seen = restart(false);
  EXPECT_EQ(seen.ended_ids.size(), 1u);
  EXPECT_TRUE(seen.has(2));
}

TEST_P(SpoolConformance, FlushWaitsForLazyBatches) {
  house_->open(*spool_);
  ASSERT_TRUE(house_->commit(*spool_, make_message(1)).has_value());
  spool_->append_lazy(finished_batch({1}));
  const auto flushed = house_->world.run(spool_->flush());
  ASSERT_TRUE(flushed.has_value() && flushed->has_value());
  EXPECT_EQ(restart(false).ended_ids.size(), 1u);
}

TEST_P(SpoolConformance, StopFlushesWhatIsLazy) {
  house_->open(*spool_);
  ASSERT_TRUE(house_->commit(*spool_, make_message(1)).has_value());
  spool_->append_lazy(finished_batch({1}));
  EXPECT_EQ(restart(true).ended_ids.size(), 1u);
}

net::Task<> commit_one(Spool& spool, std::uint64_t n, std::size_t& done) {
  Batch batch = test::message_batch(make_message(n));
  const auto result = co_await spool.commit(batch);
  EXPECT_TRUE(result.has_value());
  EXPECT_GT(batch.records.front().ref.length, 0u);
  ++done;
}

TEST_P(SpoolConformance, ManyWaitersShareFlushes) {
  house_->open(*spool_);
  std::size_t done = 0;
  for (std::uint64_t n = 1; n <= 40; ++n) {
    house_->world.spawn(commit_one(*spool_, n, done), "commit");
  }
  EXPECT_TRUE(house_->world.run_until_true([&] { return done == 40; }, std::chrono::seconds(5)));
  const SpoolCounters counters = spool_->counters();
  EXPECT_EQ(counters.batches, 40u);
  EXPECT_EQ(counters.records, 40u);
  EXPECT_LT(counters.flushes, 10u);
  const Seen seen = restart(false);
  EXPECT_EQ(seen.messages.size(), 40u);
}

TEST_P(SpoolConformance, TextIsReadBack) {
  house_->open(*spool_);
  RecordRef ref;
  ASSERT_TRUE(house_->commit(*spool_, make_message(1, 3000), &ref).has_value());
  auto text = house_->world.run(spool_->read_text(ref));
  ASSERT_TRUE(text.has_value() && text->has_value());
  EXPECT_EQ(***text, *make_message(1, 3000).content.text);

  const Seen seen = restart(false);
  text = house_->world.run(spool_->read_text(seen.refs.at(make_id(1))));
  ASSERT_TRUE(text.has_value() && text->has_value());
  EXPECT_EQ(***text, *make_message(1, 3000).content.text);
}

TEST_P(SpoolConformance, ReleasedRecordsMakeRoom) {
  house_->open(*spool_);
  for (std::uint64_t n = 1; n <= 100; ++n) {
    RecordRef ref;
    ASSERT_TRUE(house_->commit(*spool_, make_message(n, 2000), &ref).has_value()) << n;
    spool_->append_lazy(finished_batch({n}));
    spool_->release(ref);
  }
  house_->world.run_for(std::chrono::seconds(1));
  EXPECT_EQ(spool_->counters().live_bytes, 0u);
  EXPECT_LE(spool_->counters().segments, 2u);
  EXPECT_LT(restart().messages.size(), 20u) << "the old ones are gone";
}

TEST_P(SpoolConformance, SecondOwnerIsRefused) {
  house_->open(*spool_);
  auto second = store_->make(*house_);
  Seen seen;
  const auto recovered = second->recover(seen);
  ASSERT_FALSE(recovered.has_value());
  EXPECT_TRUE(recovered.error().code == std::errc::resource_unavailable_try_again);
  ASSERT_TRUE(house_->commit(*spool_, make_message(1)).has_value()) << "the first is not disturbed";
  second.reset();
}

TEST_P(SpoolConformance, SurvivesManyRestarts) {
  house_->open(*spool_);
  for (std::uint64_t n = 1; n <= 12; ++n) {
    ASSERT_TRUE(house_->commit(*spool_, make_message(n, 1000)).has_value());
    const Seen seen = restart(n % 2 == 0);
    ASSERT_EQ(seen.messages.size(), n);
    EXPECT_TRUE(seen.damages.empty());
  }
}

INSTANTIATE_TEST_SUITE_P(Spools, SpoolConformance, testing::Values("memory", "log"),
                         [](const auto& which) { return std::string(which.param); });

}  // namespace
}  // namespace posthouse::queue
