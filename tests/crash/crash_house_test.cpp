// The crash suite in the size of every day: each disk operation of a small working day is cut once,
// with a sample of the losses; crash_long_test.cpp takes all of them.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "tests/crash/crash_lab.hpp"

namespace posthouse::crash {
namespace {

using conf::DeliverySync;
using conf::MailboxFormat;

Effort short_effort() {
  Effort effort;
  effort.losses.exhaustive = 2;
  effort.losses.each_limit = 2;
  effort.losses.random_subsets = 3;
  effort.again_every = 149;
  effort.again_step = 5;
  return effort;
}

void expect_kept(const Report& report, std::uint64_t least_cases) {
  for (const std::string& violation : report.violations) ADD_FAILURE() << violation;
  if (report.cases == 0) GTEST_SKIP() << "POSTHOUSE_CRASH names another scenario";
  fmt::print("{} operations, {} cases\n", report.operations, report.cases);
  EXPECT_GE(report.cases, least_cases);
}

TEST(CrashHouse, MaildirCutAtEveryOperation) {
  expect_kept(cut_everywhere(letters("maildir", MailboxFormat::maildir), short_effort()), 800);
}

TEST(CrashHouse, MboxCutAtEveryOperation) {
  expect_kept(cut_everywhere(letters("mbox", MailboxFormat::mbox), short_effort()), 800);
}

TEST(CrashHouse, DeliverySyncAlwaysCutAtEveryThirdOperation) {
  Effort effort = short_effort();
  effort.step = 3;
  expect_kept(
      cut_everywhere(letters("always", MailboxFormat::maildir, DeliverySync::always), effort), 300);
}

TEST(CrashHouse, SegmentsRollCleanAndRecycle) {
  Effort effort = short_effort();
  effort.first = 3;
  effort.step = 5;
  const Report report = cut_everywhere(rolling(MailboxFormat::maildir), effort);
  expect_kept(report, 400);
  EXPECT_GE(report.recycled, 4U) << "the day is too short";
}

TEST(CrashHouse, OperationsFail) {
  Effort effort;
  effort.step = 3;
  const Scenario scenario = letters("fail", MailboxFormat::maildir);
  Report report = fail_everywhere(scenario, effort, Failure::io_error);
  effort.first = 2;
  report.add(fail_everywhere(scenario, effort, Failure::no_space));
  effort.first = 3;
  report.add(fail_everywhere(scenario, effort, Failure::short_write));
  expect_kept(report, 300);
}

}  // namespace
}  // namespace posthouse::crash
