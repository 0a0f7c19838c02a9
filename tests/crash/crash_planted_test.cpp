// The suite must be able to fail: with one line of the program missing (planted_disk.hpp), the same
// run that finds nothing otherwise reports a broken promise.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "tests/crash/crash_lab.hpp"

namespace posthouse::crash {
namespace {

class CrashPlanted : public testing::TestWithParam<PlantName> {};

TEST_P(CrashPlanted, IsFound) {
  Scenario scenario = letters(std::string(GetParam().name), conf::MailboxFormat::maildir);
  scenario.plant = GetParam().plant;
  Effort effort;
  effort.first = 24;  // the house is built, the first message is on its way
  effort.losses.exhaustive = 2;
  effort.losses.each_limit = 3;
  effort.losses.random_subsets = 4;
  effort.again_every = 29;  // a bug in recovery shows when recovery is cut
  effort.again_step = 3;
  effort.give_up_after = 1;
  const Report report = cut_everywhere(scenario, effort);
  if (report.operations == 0) GTEST_SKIP() << "POSTHOUSE_CRASH names another scenario";
  ASSERT_FALSE(report.violations.empty()) << "not found in " << report.cases << " cases";
  fmt::print("found after {} cases: {}\n", report.cases, report.violations.front());
}

INSTANTIATE_TEST_SUITE_P(Bugs, CrashPlanted, testing::ValuesIn(kPlants),
                         [](const auto& plant) { return std::string(plant.param.name); });

}  // namespace
}  // namespace posthouse::crash
