// Bodies on their way in: memory, file, budget, errors, and what an abandoned one leaves.
#include "queue/body_writer.hpp"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/unit/queue/queue_house.hpp"

namespace posthouse::queue {
namespace {

using test::House;
using test::make_id;

class BodyTest : public testing::Test {
 protected:
  BodyTest() {
    EXPECT_TRUE(base::make_dirs(disk_, "/spool/queue/large").has_value());
    options_.large_directory = "/spool/queue/large";
    options_.in_memory = 1000;
  }
  ~BodyTest() override { house_.world.shutdown(); }

  std::unique_ptr<BodyWriter> writer() {
    const BodyWriterDeps deps{disk_, house_.file_pool, budget_};
    return std::make_unique<BodyWriter>(deps, options_, make_id(next_++));
  }
  // As the SMTP driver does it.
  void append(BodyWriter& body, std::string chunk) {
    if (body.try_append(chunk)) return;
    ASSERT_TRUE(house_.world.run(body.append(chunk)));
    EXPECT_TRUE(chunk.empty());
  }
  base::Result<Content> finish(BodyWriter& body) {
    auto content = house_.world.run(body.finish("Trace: x\r\n"));
    EXPECT_TRUE(content.has_value());
    return content ? std::move(*content) : base::fail(std::errc::timed_out, "finish");
  }
  std::size_t large_files() { return disk_.list("/spool/queue/large")->size(); }

  sim::SimDisk disk_;
  House house_{disk_};
  BodyBudget budget_{4000};
  BodyWriterOptions options_;
  std::uint64_t next_ = 1;
};

TEST_F(BodyTest, SmallBodyStaysInMemory) {
  auto body = writer();
  append(*body, "hello ");
  append(*body, "world\r\n");
  EXPECT_EQ(body->size(), 13u);
  EXPECT_EQ(budget_.used(), 13u);
  const auto content = finish(*body);
  ASSERT_TRUE(content.has_value());
  EXPECT_EQ(*content->text, "Trace: x\r\nhello world\r\n");
  EXPECT_EQ(content->size, content->text->size());
  EXPECT_TRUE(content->large_file.empty());
  body.reset();
  EXPECT_EQ(budget_.used(), 0u);
  EXPECT_EQ(large_files(), 0u);
}

TEST_F(BodyTest, EmptyBody) {
  auto body = writer();
  const auto content = finish(*body);
  ASSERT_TRUE(content.has_value());
  EXPECT_EQ(*content->text, "Trace: x\r\n");
}

TEST_F(BodyTest, LongBodyGoesToItsFileAndSurvivesAPowerCut) {
  auto body = writer();
  std::string all;
  for (int i = 0; i < 50; ++i) {
    const std::string chunk(97, static_cast<char>('a' + i % 26));
    all += chunk;
    append(*body, chunk);
    EXPECT_LE(budget_.used(), 1000u);
  }
  const auto content = finish(*body);
  ASSERT_TRUE(content.has_value());
  EXPECT_EQ(*content->text, "Trace: x\r\n");
  EXPECT_EQ(content->size, content->text->size() + all.size());
  EXPECT_EQ(content->large_file, "/spool/queue/large/" + base::format_message_id(make_id(1)));
  body.reset();
  EXPECT_EQ(budget_.used(), 0u);
  disk_.crash(sim::LossPolicy::none());
  const auto kept = base::read_file(disk_, content->large_file, 1 << 20);
  ASSERT_TRUE(kept.has_value());
  EXPECT_EQ(*kept, all);
}

TEST_F(BodyTest, BodiesBeyondTheBudgetGoToFiles) {
  std::vector<std::unique_ptr<BodyWriter>> bodies;
  const std::string chunk(900, 'x');
  for (int i = 0; i < 10; ++i) {
    bodies.push_back(writer());
    append(*bodies.back(), chunk);
    EXPECT_LE(budget_.used(), 4000u);
  }
  EXPECT_EQ(large_files(), 6u);
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    const auto content = finish(*bodies[i]);
    ASSERT_TRUE(content.has_value());
    EXPECT_EQ(content->large_file.empty(), i < 4);
    EXPECT_EQ(content->size, 910u);
  }
}

TEST_F(BodyTest, AbandonedBodyLeavesNothing) {
  auto body = writer();
  for (int i = 0; i < 5; ++i) append(*body, std::string(500, 'x'));
  EXPECT_EQ(large_files(), 1u);
  body.reset();
  EXPECT_EQ(large_files(), 0u);
  EXPECT_EQ(budget_.used(), 0u);
}

// Each operation of a large body fails once: finish() says so and nothing stays behind.
TEST_F(BodyTest, ErrorsAreRememberedAndAnswered) {
  std::uint64_t n = 1;
  for (;; ++n) {
    disk_.clear_faults();
    disk_.fail_at(disk_.operations() + n, ENOSPC);
    auto body = writer();
    for (int i = 0; i < 6; ++i) append(*body, std::string(500, 'x'));
    const auto content = finish(*body);
    if (content) break;
    EXPECT_TRUE(content.error().code == std::errc::no_space_on_device);
    EXPECT_TRUE(body->try_append("more")) << "later octets are dropped";
    body.reset();
    EXPECT_EQ(large_files(), 0u);
    EXPECT_EQ(budget_.used(), 0u);
  }
  EXPECT_GE(n, 5u) << "create, writes, sync_data and sync_dir";
}

}  // namespace
}  // namespace posthouse::queue
