// The crash suite in full: every operation, every loss that tests/crash/README.md names, both
// formats, second crashes, failing operations. Takes many minutes; label "extra".
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "tests/crash/crash_lab.hpp"

namespace posthouse::crash {
namespace {

using conf::DeliverySync;
using conf::MailboxFormat;

Effort long_effort() {
  Effort effort;
  effort.losses.exhaustive = 6;
  effort.losses.each_limit = 40;
  effort.losses.random_subsets = 200;
  effort.again_every = 331;
  effort.again_step = 3;
  return effort;
}

void expect_kept(const Report& report) {
  for (const std::string& violation : report.violations) ADD_FAILURE() << violation;
  fmt::print("{} operations, {} cases\n", report.operations, report.cases);
}

TEST(CrashLong, Maildir) {
  expect_kept(cut_everywhere(letters("maildir", MailboxFormat::maildir), long_effort()));
}

TEST(CrashLong, Mbox) {
  expect_kept(cut_everywhere(letters("mbox", MailboxFormat::mbox), long_effort()));
}

TEST(CrashLong, DeliverySyncAlways) {
  Effort effort = long_effort();
  effort.losses.random_subsets = 40;
  expect_kept(
      cut_everywhere(letters("always", MailboxFormat::maildir, DeliverySync::always), effort));
  expect_kept(
      cut_everywhere(letters("always-mbox", MailboxFormat::mbox, DeliverySync::always), effort));
}

TEST(CrashLong, Rolling) {
  Effort effort = long_effort();
  effort.losses.each_limit = 10;
  effort.losses.random_subsets = 20;
  expect_kept(cut_everywhere(rolling(MailboxFormat::maildir), effort));
  effort.step = 5;
  expect_kept(cut_everywhere(rolling(MailboxFormat::mbox), effort));
}

TEST(CrashLong, OperationsFail) {
  const Effort effort = long_effort();
  for (const MailboxFormat format : {MailboxFormat::maildir, MailboxFormat::mbox}) {
    const Scenario scenario = letters(format == MailboxFormat::mbox ? "fail-mbox" : "fail", format);
    for (const Failure failure : {Failure::io_error, Failure::no_space, Failure::short_write}) {
      expect_kept(fail_everywhere(scenario, effort, failure));
    }
  }
}

}  // namespace
}  // namespace posthouse::crash
