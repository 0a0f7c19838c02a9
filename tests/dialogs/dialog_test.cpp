// The dialogue format itself: reading, patterns, escapes, and that a wrong answer is found.
#include "tests/dialogs/dialog.hpp"

#include <gtest/gtest.h>

namespace posthouse::dialogs {
namespace {

// Answers every complete line with "got LINE"; "BYE" closes.
class Parrot final : public Peer {
 public:
  void send(std::string_view octets) override {
    input_ += octets;
    for (std::size_t end = input_.find("\r\n"); end != std::string::npos;
         end = input_.find("\r\n")) {
      const std::string line = input_.substr(0, end);
      input_.erase(0, end + 2);
      output_ += "got " + line + "\r\n";
      events_.push_back("heard " + line);
      closed_ = closed_ || line == "BYE";
    }
  }
  std::string take_output() override { return std::exchange(output_, {}); }
  bool closed() const override { return closed_; }
  void start_tls() override { output_ += "secured\r\n"; }
  void trigger(const std::string& what) override { output_ += "felt " + what + "\r\n"; }
  std::vector<std::string> take_events() override { return std::exchange(events_, {}); }

 private:
  std::string input_;
  std::string output_;
  std::vector<std::string> events_;
  bool closed_ = false;
};

std::string play_text(std::string_view text) {
  std::string first;
  for (const Split split : {Split::whole, Split::octets, Split::random, Split::pipelined}) {
    Dialog dialog;
    std::string error;
    if (!parse_dialog("t.dlg", text, &dialog, &error)) {
      return error;
    }
    substitute(dialog, {{"who", "you"}});
    Parrot parrot;
    std::string trouble = play(dialog, parrot, split, 7);
    if (split == Split::whole) {
      first = trouble;
    } else if (trouble.empty() != first.empty()) {
      return "the ways of cutting disagree: " + trouble;
    }
  }
  return first;
}

TEST(Dialog, PlaysWhatMatches) {
  EXPECT_EQ(play_text("# a comment\nkind: odd\n\nC: hello {who}\nS: got hello you\n"), "");
  EXPECT_EQ(play_text("C: a\nC: b\nS: got *\nS: got b\nE: heard a\nE: heard b\n"), "");
  EXPECT_EQ(play_text("TLS\nS: secured\nT: rain\nS: felt rain\n"), "");
  EXPECT_EQ(play_text("raw: x\\x41\\t\\0\\\\y\\r\\n\nS: got xA\t*\\y\n"), "");
  EXPECT_EQ(play_text("raw*3: ab\nC:\nS: got ababab\n"), "");
  EXPECT_EQ(play_text("S64: x\n"), "t.dlg: holds no dialogue");  // taken for an option
  EXPECT_EQ(play_text("C64: \\0u\\0p\nS: got AHUAcA==\n"), "");
  EXPECT_EQ(play_text("C: BYE\nS: got BYE\nCLOSE\n"), "");
}

TEST(Dialog, FindsWhatDiffers) {
  EXPECT_EQ(play_text("C: a\nS: got b\n"), "t.dlg:2: expected: got b\n       got: got a");
  EXPECT_NE(play_text("C: a\nS: got a\nS: got c\n"), "");
  EXPECT_NE(play_text("C: a\n"), "");
  EXPECT_NE(play_text("C: BYE\nS: got BYE\n"), "");
  EXPECT_NE(play_text("C: a\nS: got a\nCLOSE\n"), "");
  EXPECT_NE(play_text("C: a\nS: got a\nE: heard b\n"), "");
  EXPECT_NE(play_text("C: a\nC: b\nS: got a\nS: got b\nE: heard a\n"), "");
  EXPECT_NE(play_text("C: a\nS: got a\nwho: me\n"), "");
  EXPECT_NE(play_text(""), "");
}

TEST(Dialog, StarsInPatterns) {
  EXPECT_TRUE(matches("250 *", "250 "));
  EXPECT_TRUE(matches("a*b*c", "a--b--b-c"));
  EXPECT_FALSE(matches("a*b", "a-b-"));
  EXPECT_TRUE(matches("\\*", "*"));
  EXPECT_FALSE(matches("\\*", "x"));
  EXPECT_FALSE(matches("", "x"));
}

TEST(Dialog, EscapesBothWays) {
  const std::string octets("\0\r\n\t\\\x80 a", 8);
  EXPECT_EQ(unescape(escape(octets)), octets);
  EXPECT_EQ(unescape("\\q\\x4"), "\\q\\x4");
}

}  // namespace
}  // namespace posthouse::dialogs
