// Which reports are due: every NOTIFY × fate × next-hop-speaks-DSN × sender-may-be-told, against
// the rules of RFC 3461 5.2 written down a second time, as a table.
#include "mail/dsn_due.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string_view>

namespace posthouse::mail {
namespace {

// One row for each value of NOTIFY; a column for each fate, in the order of RcptFate, with the
// relayed column twice: next hop without and with DSN. 'x': the fate's own report, '.': none.
//  delivered, relayed to plain, relayed to DSN, expanded, delayed, failed
struct Row {
  std::string_view notify;
  std::string_view due;
};
constexpr Row kTable[] = {
    {"", "....xx"},
    {"NEVER", "......"},
    {"SUCCESS", "xx.x.."},
    {"FAILURE", ".....x"},
    {"DELAY", "....x."},
    {"SUCCESS,FAILURE", "xx.x.x"},
    {"SUCCESS,DELAY", "xx.xx."},
    {"FAILURE,DELAY", "....xx"},
    {"SUCCESS,FAILURE,DELAY", "xx.xxx"},
};

struct Column {
  RcptFate fate;
  DsnAction action;
  int only_if_dsn;  // 0 or 1: this column is for that value alone; -1: for both
};
constexpr Column kColumns[] = {
    {RcptFate::delivered, DsnAction::delivered, -1}, {RcptFate::relayed, DsnAction::relayed, 0},
    {RcptFate::relayed, DsnAction::relayed, 1},      {RcptFate::expanded, DsnAction::expanded, -1},
    {RcptFate::delayed, DsnAction::delayed, -1},     {RcptFate::failed, DsnAction::failed, -1},
};

TEST(DsnDue, FullTable) {
  int asked = 0;
  for (const Row& row : kTable) {
    const Notify notify = row.notify.empty() ? Notify() : parse_notify(row.notify).value();
    for (std::size_t i = 0; i < row.due.size(); ++i) {
      const Column& column = kColumns[i];
      for (const bool dsn : {false, true}) {
        if (column.only_if_dsn == (dsn ? 0 : 1)) {
          continue;
        }
        for (const bool may_report : {false, true}) {
          const DsnVerdict verdict = dsn_due({column.fate, notify, dsn, may_report});
          const bool due = may_report && row.due[i] == 'x';
          const auto where = std::string(row.notify) + " column " + std::to_string(i);
          EXPECT_EQ(verdict.report.has_value(), due) << where;
          if (verdict.report) {
            EXPECT_EQ(*verdict.report, column.action) << where;
          }
          // A failure that nobody is told of is kept (and nothing else is).
          EXPECT_EQ(verdict.dead_letter, column.fate == RcptFate::failed && !due) << where;
          ++asked;
        }
      }
    }
  }
  EXPECT_EQ(asked, 9 * 5 * 2 * 2);
}

TEST(DsnDue, WhoMayBeTold) {
  EXPECT_FALSE(may_be_reported_to({}));
  EXPECT_FALSE(may_be_reported_to({"MAILER-DAEMON", "example.org"}));
  EXPECT_FALSE(may_be_reported_to({"Mailer-Daemon", "example.org"}));
  EXPECT_TRUE(may_be_reported_to({"mailer-daemon-fan", "example.org"}));
  EXPECT_TRUE(may_be_reported_to({"bob", "example.org"}));
  EXPECT_TRUE(may_be_reported_to({"", "example.org"}));  // `""@example.org`
}

TEST(DsnDue, WhatIsReturned) {
  const std::array<DsnAction, 2> failed{DsnAction::delayed, DsnAction::failed};
  const std::array<DsnAction, 2> other{DsnAction::delayed, DsnAction::relayed};
  const ReturnRule no{false, 1000};
  const ReturnRule yes{true, 1000};
  EXPECT_EQ(return_part(no, Ret::none, 10, failed), ReturnPart::header);
  EXPECT_EQ(return_part(yes, Ret::none, 10, failed), ReturnPart::message);
  EXPECT_EQ(return_part(yes, Ret::hdrs, 10, failed), ReturnPart::header);
  EXPECT_EQ(return_part(no, Ret::full, 10, failed), ReturnPart::message);
  EXPECT_EQ(return_part(no, Ret::full, 1000, failed), ReturnPart::message);
  EXPECT_EQ(return_part(yes, Ret::full, 1001, failed), ReturnPart::header);
  EXPECT_EQ(return_part(yes, Ret::full, 10, other), ReturnPart::header);
}

}  // namespace
}  // namespace posthouse::mail
