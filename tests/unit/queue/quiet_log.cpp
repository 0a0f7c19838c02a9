// Damage and full disks are logged as errors; here they are made by the thousand, so the log lines
// of this program go nowhere.
#include <gtest/gtest.h>

#include "base/log.hpp"

namespace posthouse::queue {
namespace {

class QuietLog final : public testing::Environment {
 public:
  void SetUp() override {
    base::set_log_capture([](std::string_view) {});
  }
  void TearDown() override { base::set_log_capture({}); }
};

[[maybe_unused]] const testing::Environment* const kQuietLog =
    testing::AddGlobalTestEnvironment(new QuietLog);

}  // namespace
}  // namespace posthouse::queue
