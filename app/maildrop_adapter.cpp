// Maildrops for POP3 (see maildrop_adapter.hpp).
#include "app/maildrop_adapter.hpp"

#include <algorithm>
#include <deque>

#include "base/log.hpp"
#include "mailbox/maildrop.hpp"

namespace posthouse::app {
namespace {

// LIMIT: octets of messages read ahead in one job, so that a client that fetches a mailbox of small
// messages in order pays for one thread hop in about sixteen.
constexpr std::size_t kReadAhead = 64 * 1024;

// A message in wire form, whole, waiting to be asked for.
struct Ahead {
  std::size_t index = 0;
  std::string text;
};

void log_failure(const std::string& box, const base::Error& error) {
  base::log_event(base::LogLevel::error, "app", "-", "maildrop failed",
                  {{"box", box}, {"error", error.message()}});
}

class OpenJob final : public net::Job {
 public:
  OpenJob(mailbox::Store& store, std::string path) : store_(store), path_(std::move(path)) {}
  void execute() noexcept override {
    auto opened = mailbox::Maildrop::open(store_, path_);
    if (!opened) {
      result_ = tl::unexpected(opened.error());
      return;
    }
    drop_ = std::move(*opened);
    // Here rather than on the shard: there may be 100,000.
    listing_.reserve(drop_->count());
    for (std::size_t i = 0; i < drop_->count(); ++i) {
      pop3d::Listing& listing = listing_.emplace_back();
      listing.size = drop_->size(i);
      listing.uid = drop_->uid(i);
    }
  }
  base::Result<> result_;
  std::unique_ptr<mailbox::Maildrop> drop_;
  std::vector<pop3d::Listing> listing_;

 private:
  mailbox::Store& store_;
  const std::string path_;
};

// Reads one message or a piece of it, and when that was all of it perhaps the ones behind it.
class ReadJob final : public net::Job {
 public:
  ReadJob(mailbox::Maildrop& drop, const mailbox::Maildrop::Request& request, std::string* out)
      : drop_(drop), request_(request), out_(out) {}

  // The sizes of all messages, when reading ahead is wanted.
  void read_ahead(const std::vector<pop3d::Listing>* sizes) { sizes_ = sizes; }

  void execute() noexcept override {
    end_ = drop_.read(request_, out_);
    if (sizes_ == nullptr || !end_ || !*end_) return;
    std::uint64_t total = out_->size();
    for (std::size_t i = request_.index + 1; i < sizes_->size(); ++i) {
      total += (*sizes_)[i].size;
      if (total > kReadAhead) return;
      mailbox::Maildrop::Request next;
      next.index = i;
      next.limit = kReadAhead;
      Ahead ahead;
      ahead.index = i;
      ahead.text.reserve(static_cast<std::size_t>((*sizes_)[i].size));
      const auto whole = drop_.read(next, &ahead.text);
      if (!whole || !*whole) return;  // whoever asks for it learns why
      ahead_.push_back(std::move(ahead));
    }
  }
  base::Result<bool> end_ = false;
  std::deque<Ahead> ahead_;

 private:
  mailbox::Maildrop& drop_;
  const mailbox::Maildrop::Request request_;
  std::string* out_;
  const std::vector<pop3d::Listing>* sizes_ = nullptr;
};

class SettleJob final : public net::Job {
 public:
  explicit SettleJob(mailbox::Maildrop& drop) : drop_(drop) {}
  void execute() noexcept override { result_ = drop_.settle(); }
  base::Result<> result_;

 private:
  mailbox::Maildrop& drop_;
};

class RemoveJob final : public net::Job {
 public:
  RemoveJob(mailbox::Maildrop& drop, const std::vector<std::size_t>& indexes)
      : drop_(drop), indexes_(indexes) {}
  void execute() noexcept override { result_ = drop_.remove(indexes_); }
  base::Result<> result_;

 private:
  mailbox::Maildrop& drop_;
  const std::vector<std::size_t>& indexes_;
};

class MaildropAdapter final : public pop3d::Maildrop {
 public:
  MaildropAdapter(net::Blocking& pool, Removals& removals, std::string box, OpenJob& opened)
      : pool_(pool),
        removals_(removals),
        box_(std::move(box)),
        drop_(std::move(opened.drop_)),
        listing_(std::move(opened.listing_)) {}

  const std::vector<pop3d::Listing>& messages() const override { return listing_; }

  net::Task<pop3d::DropStatus> read(std::size_t index, std::uint64_t offset, std::size_t limit,
                                    std::string* out, bool* done) override {
    if (serve_ahead(index, offset, limit, out, done)) co_return pop3d::DropStatus::ok;
    mailbox::Maildrop::Request request;
    request.index = index;
    request.offset = offset;
    request.limit = limit;
    ReadJob job(*drop_, request, out);
    // A client that began with the first message or goes on with the next will want more.
    if (offset == 0 && index == next_index_) job.read_ahead(&listing_);
    const std::size_t before = out->size();
    const bool ran = co_await pool_.run(job);
    if (!ran) co_return pop3d::DropStatus::unavailable;
    if (!job.end_) {
      out->resize(before);
      if (job.end_.error().code == std::errc::no_such_file_or_directory) {
        co_return pop3d::DropStatus::gone;
      }
      log_failure(box_, job.end_.error());
      co_return pop3d::DropStatus::unavailable;
    }
    *done = *job.end_;
    ahead_ = std::move(job.ahead_);
    next_index_ = index + 1;
    co_return pop3d::DropStatus::ok;
  }

  net::Task<pop3d::DropStatus> remove(std::vector<std::size_t> indexes) override {
    if (indexes.empty()) co_return pop3d::DropStatus::ok;
    std::vector<std::string> keys;
    keys.reserve(indexes.size());
    for (const std::size_t index : indexes) keys.push_back(drop_->removal_key(index));
    if (drop_->must_settle()) {
      SettleJob settle(*drop_);
      const bool settled = co_await pool_.run(settle);
      if (!settled) co_return pop3d::DropStatus::unavailable;
      if (!settle.result_) {
        log_failure(box_, settle.result_.error());
        co_return pop3d::DropStatus::unavailable;
      }
    }
    const base::Result<std::uint64_t> recorded = co_await removals_.record(box_, std::move(keys));
    if (!recorded) {
      log_failure(box_, recorded.error());
      co_return pop3d::DropStatus::unavailable;
    }
    RemoveJob job(*drop_, indexes);
    const bool ran = co_await pool_.run(job);
    if (!ran) co_return pop3d::DropStatus::unavailable;
    if (!job.result_) {
      log_failure(box_, job.result_.error());
      co_return pop3d::DropStatus::unavailable;
    }
    co_await removals_.done(box_, *recorded);
    co_return pop3d::DropStatus::ok;
  }

 private:
  bool serve_ahead(std::size_t index, std::uint64_t offset, std::size_t limit, std::string* out,
                   bool* done) {
    // Those before it were passed over and will hardly be asked for now.
    while (!ahead_.empty() && ahead_.front().index < index) ahead_.pop_front();
    if (ahead_.empty() || ahead_.front().index != index) return false;
    const std::string& text = ahead_.front().text;
    const std::size_t from = static_cast<std::size_t>(std::min<std::uint64_t>(offset, text.size()));
    const std::size_t part = std::min(limit, text.size() - from);
    out->append(text, from, part);
    *done = from + part == text.size();
    next_index_ = index + 1;
    if (*done) ahead_.pop_front();
    return true;
  }

  net::Blocking& pool_;
  Removals& removals_;
  const std::string box_;
  std::unique_ptr<mailbox::Maildrop> drop_;
  std::vector<pop3d::Listing> listing_;
  std::deque<Ahead> ahead_;     // ascending
  std::size_t next_index_ = 0;  // the message a client reading in order asks for next
};

}  // namespace

net::Task<base::Result<std::unique_ptr<pop3d::Maildrop>>> open_maildrop(mailbox::Store& store,
                                                                        net::Blocking& pool,
                                                                        Removals& removals,
                                                                        std::string box) {
  OpenJob job(store, store.path_of(box));
  const bool ran = co_await pool.run(job);
  if (!ran) {
    co_return base::fail(std::errc::resource_unavailable_try_again, "open",
                         "too much work is waiting for the mailbox disk");
  }
  if (!job.result_) co_return tl::unexpected(job.result_.error());
  std::unique_ptr<pop3d::Maildrop> drop =
      std::make_unique<MaildropAdapter>(pool, removals, std::move(box), job);
  co_return drop;
}

}  // namespace posthouse::app
