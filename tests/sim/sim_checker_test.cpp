// The ledger finds every kind of broken promise, and nothing where all is well.
#include "tests/sim/lib/checker.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace posthouse::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Ledger two_recipients() {
  Ledger ledger;
  ledger.sent("m1", {"ann", "bob"}, "text");
  ledger.acknowledged("m1");
  return ledger;
}

TEST(Ledger, DeliveredQueuedReportedOrDeletedIsWell) {
  Ledger ledger;
  ledger.sent("m1", {"ann", "bob", "cid", "dan"}, "text");
  ledger.acknowledged("m1");
  ledger.deleted("dan", "m1");
  ledger.found("ann", "m1", "text");
  ledger.queued("bob", "m1");
  ledger.reported("cid", "m1");
  EXPECT_THAT(ledger.broken(), IsEmpty());
  EXPECT_THAT(ledger.broken(true), ElementsAre(HasSubstr("still queued")));
}

TEST(Ledger, LostForOneRecipient) {
  Ledger ledger = two_recipients();
  ledger.found("ann", "m1", "text");
  EXPECT_THAT(ledger.broken(), ElementsAre("m1 was acknowledged and is lost for bob"));
  EXPECT_EQ(joined(ledger.broken()), "m1 was acknowledged and is lost for bob\n");
}

TEST(Ledger, TwiceDamagedAndMisdirected) {
  Ledger ledger = two_recipients();
  ledger.found("ann", "m1", "text");
  ledger.found("ann", "m1", "text");
  ledger.found("bob", "m1", "tex");
  ledger.found("eve", "m1", "text");
  ledger.found("ann", "m9", "text");
  EXPECT_THAT(ledger.broken(),
              ElementsAre(HasSubstr("2 times"), HasSubstr("nobody sent it"),
                          HasSubstr("content is not"), HasSubstr("not sent there")));
}

TEST(Ledger, DeletedMailMustNotComeBack) {
  Ledger ledger;
  ledger.sent("m1", {"ann"}, "text");
  ledger.acknowledged("m1");
  ledger.deleting("ann", "m1");
  EXPECT_THAT(ledger.broken(), IsEmpty()) << "the answer to QUIT is not known";
  ledger.found("ann", "m1", "text");
  EXPECT_THAT(ledger.broken(), IsEmpty());
  ledger.deleted("ann", "m1");
  EXPECT_THAT(ledger.broken(), ElementsAre(HasSubstr("came back")));
}

TEST(Ledger, RefusedAndUnknownOutcomes) {
  Ledger ledger;
  ledger.sent("m1", {"ann"}, "text");
  ledger.sent("m2", {"ann"}, "text");
  ledger.refused("m2");
  EXPECT_THAT(ledger.broken(), IsEmpty());
  ledger.found("ann", "m1", "text");
  ledger.found("ann", "m2", "text");
  EXPECT_THAT(ledger.broken(), ElementsAre(HasSubstr("refused")));
}

TEST(Ledger, Reports) {
  Ledger ledger;
  ledger.sent("m1", {"ann"}, "text");
  ledger.sent("m2", {"ann"}, "text", true);
  ledger.reported("ann", "m1");
  ledger.reported("ann", "m1");
  ledger.reported("ann", "m2");
  EXPECT_THAT(ledger.broken(), ElementsAre(HasSubstr("2 reports"), HasSubstr("null sender")));
  ledger.new_findings();
  EXPECT_THAT(ledger.broken(), IsEmpty());
}

}  // namespace
}  // namespace posthouse::sim
