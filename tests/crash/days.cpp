// The days; see the header. Pauses are chosen against the checkpoint, which comes two seconds after
// the first delivery.
#include "tests/crash/days.hpp"

#include <fmt/core.h>

namespace posthouse::crash {
namespace {

using namespace std::chrono_literals;
using sim::Mail;
using sim::make_mail;
using sim::Outside;
using sim::Visit;

// Above 128 KiB a body has a file of its own.
constexpr std::size_t kLarge = 132 * 1024;

net::Task<> pause(Outside* outside, base::Duration time) {
  co_await outside->world.timer().sleep_until(outside->world.now() + time);
}

net::Task<> letters_day(Outside* outside) {
  std::vector<Mail> first;
  first.push_back(make_mail("small", {"ann"}, 700));
  first.push_back(make_mail("large", {"ann", "bob"}, kLarge));
  first.push_back(make_mail("short", {"bob"}, 1800));
  co_await send_mails(outside, std::move(first), true);
  co_await pause(outside, 300ms);
  co_await visit(outside, Visit("ann", 2));  // before the checkpoint
  co_await pause(outside, 3s);
  co_await visit(outside, Visit("bob", 1, true));  // behind it
  std::vector<Mail> second;
  second.push_back(make_mail("late", {"bob", "ann"}, 1100));
  co_await send_mails(outside, std::move(second), false);
  co_await pause(outside, 3s);  // the second checkpoint
  co_await visit(outside, Visit("ann", 0));
  co_await visit(outside, Visit("bob", 9));
  co_await pause(outside, 3s);
}

net::Task<> rolling_day(Outside* outside) {
  std::vector<Mail> stuck;
  for (int i = 0; i < 2; ++i) stuck.push_back(make_mail(fmt::format("stuck{}", i), {"cid"}, 3000));
  co_await send_mails(outside, std::move(stuck), true);
  for (int round = 0; round < 14; ++round) {
    std::vector<Mail> mails;
    mails.push_back(make_mail(fmt::format("a{}", round), {"ann"}, 14000));
    std::vector<std::string> readers = {"bob"};
    if (round == 4) readers.push_back("cid");
    mails.push_back(make_mail(fmt::format("b{}", round), readers, 5000));
    co_await send_mails(outside, std::move(mails), round % 2 == 0);
    co_await pause(outside, 800ms);
    if (round % 3 == 1) co_await visit(outside, Visit("ann", 2));
    if (round % 5 == 2) co_await visit(outside, Visit("bob", 3));
  }
  co_await pause(outside, 75s);  // the obstructed mailbox is written in the end
  co_await visit(outside, Visit("cid", 3));
  co_await pause(outside, 3s);
}

}  // namespace

net::Task<> day_of(Day day, Outside* outside, bool* over) {
  net::Task<> living = day == Day::letters ? letters_day(outside) : rolling_day(outside);
  co_await std::move(living);
  *over = true;
}

}  // namespace posthouse::crash
