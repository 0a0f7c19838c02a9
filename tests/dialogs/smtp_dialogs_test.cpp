// Plays every dialogue of tests/dialogs/smtp to the SMTP session core, the client's octets cut in
// every way. A new file is found by itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/dialogs/dialog.hpp"
#include "tests/dialogs/smtp_peer.hpp"

namespace posthouse::dialogs {
namespace {

constexpr int kRandomSplits = 25;

std::vector<std::filesystem::path> files() {
  std::vector<std::filesystem::path> found;
  for (const auto& entry :
       std::filesystem::directory_iterator(POSTHOUSE_SOURCE_DIR "/tests/dialogs/smtp")) {
    if (entry.path().extension() == ".dlg") {
      found.push_back(entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

class SmtpDialog : public testing::TestWithParam<std::filesystem::path> {
 protected:
  void SetUp() override {
    std::ifstream file(GetParam());
    const std::string text((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    std::string error;
    ASSERT_TRUE(parse_dialog(GetParam().filename().string(), text, &dialog_, &error)) << error;
    substitute(dialog_, SmtpPeer::variables());
  }

  void play_once(Split split, std::uint64_t seed) {
    SmtpPeer peer(dialog_);
    EXPECT_EQ(play(dialog_, peer, split, seed), "");
  }

  Dialog dialog_;
};

TEST_P(SmtpDialog, Whole) { play_once(Split::whole, 0); }
TEST_P(SmtpDialog, OctetByOctet) { play_once(Split::octets, 0); }
TEST_P(SmtpDialog, AllPipelined) { play_once(Split::pipelined, 0); }
TEST_P(SmtpDialog, RandomSplits) {
  for (int seed = 0; seed < kRandomSplits && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    play_once(Split::random, static_cast<std::uint64_t>(seed));
  }
}

std::string test_name(const testing::TestParamInfo<std::filesystem::path>& file) {
  std::string name = file.param.stem().string();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Files, SmtpDialog, testing::ValuesIn(files()), test_name);

}  // namespace
}  // namespace posthouse::dialogs
