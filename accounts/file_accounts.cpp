// Accounts from the user file; see file_accounts.hpp.
#include "accounts/file_accounts.hpp"

#include <unordered_map>
#include <utility>

#include "accounts/hasher.hpp"
#include "accounts/user_file.hpp"
#include "base/log.hpp"

namespace posthouse::accounts {

// What lookups read; never changed after it was published.
struct UserTable {
  bool readable = true;
  std::unordered_map<std::string, std::string> hashes;  // Address::key() -> hash
};

namespace {

constexpr base::Duration kCheckEvery = std::chrono::seconds(1);
// `posthouse user add` followed at once by mail for the new user must not bounce it.
constexpr base::Duration kCheckBeforeMissing = std::chrono::milliseconds(10);
// A file that is being written in place is left alone until it stood still for so long.
constexpr base::Duration kStandStill = std::chrono::seconds(1);
constexpr std::size_t kMaxLoggedProblems = 20;

class HashJob final : public net::Job {
 public:
  HashJob(base::Secret password, std::string hash)
      : password_(std::move(password)), hash_(std::move(hash)) {}
  void execute() noexcept override { matched_ = verify_hash(password_.view(), hash_); }
  [[nodiscard]] bool matched() const { return matched_; }
  [[nodiscard]] std::string_view password() const { return password_.view(); }

 private:
  base::Secret password_;
  std::string hash_;
  bool matched_ = false;
};

void log_problems(const std::string& path, const UserFile& file) {
  std::size_t logged = 0;
  for (const UserProblem& problem : file.problems) {
    if (++logged > kMaxLoggedProblems) return;
    base::log_event(problem.skipped ? base::LogLevel::error : base::LogLevel::info, "accounts", "-",
                    problem.skipped ? "line of the user file skipped" : "user file",
                    {{"file", path}, {"line", problem.line}, {"why", problem.text}});
  }
}

}  // namespace

FileAccounts::FileAccounts(const Ports& ports, Options options)
    : ports_(ports),
      options_(std::move(options)),
      cache_(options_.cache_entries, options_.cache_lifetime, *ports.random),
      table_(std::make_shared<UserTable>()) {
  reload();
}

FileAccounts::~FileAccounts() = default;

std::shared_ptr<const UserTable> FileAccounts::table() const {
  const std::lock_guard lock(table_mutex_);
  return table_;
}

void FileAccounts::publish(std::shared_ptr<const UserTable> table) {
  const std::lock_guard lock(table_mutex_);
  table_.swap(table);  // the old one is freed after the lock
}

Lookup FileAccounts::find(const std::string& key) const {
  const auto users = table();
  if (!users->readable) return Lookup::unavailable;
  return users->hashes.contains(key) ? Lookup::exists : Lookup::missing;
}

Lookup FileAccounts::lookup(const mail::Address& address) {
  refresh(kCheckEvery);
  const std::string key = address.key();
  const Lookup answer = find(key);
  if (answer == Lookup::exists) return answer;
  refresh(kCheckBeforeMissing);
  return find(key);
}

net::Task<Verdict> FileAccounts::verify(mail::Address address, base::Secret password) {
  refresh(kCheckBeforeMissing);
  const std::string key = address.key();
  // Unknown and locked users cost a hash as well: the time must not tell who exists.
  std::string hash(dummy_hash());
  bool can_log_in = false;
  {
    const auto users = table();
    if (!users->readable) co_return Verdict::unavailable;
    const auto user = users->hashes.find(key);
    if (user != users->hashes.end() && is_accepted_hash(user->second)) {
      hash = user->second;
      can_log_in = true;
    }
  }
  VerifyCache::Login login;
  login.user = key;
  login.hash = hash;
  login.password = password.view();
  if (can_log_in && cache_.knows(login, ports_.clock->mono())) co_return Verdict::accepted;

  HashJob job(std::move(password), hash);
  const bool ran = co_await ports_.hashing->run(job);
  if (!ran) co_return Verdict::unavailable;
  if (!can_log_in || !job.matched()) co_return Verdict::refused;
  login.password = job.password();
  cache_.remember(login, ports_.clock->mono());
  co_return Verdict::accepted;
}

void FileAccounts::reload() {
  const std::lock_guard lock(check_mutex_);
  checked_at_.store(ports_.clock->mono().time_since_epoch().count(), std::memory_order_relaxed);
  check_file(true);
}

void FileAccounts::refresh(base::Duration max_age) {
  const base::MonoTime now = ports_.clock->mono();
  const auto is_fresh = [&] {
    const base::Duration checked_at(checked_at_.load(std::memory_order_relaxed));
    return now.time_since_epoch() - checked_at < max_age;
  };
  if (is_fresh()) return;
  // Another shard is at it: its old table is good enough for this caller.
  const std::unique_lock lock(check_mutex_, std::try_to_lock);
  if (!lock.owns_lock() || is_fresh()) return;
  checked_at_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  check_file(false);
}

void FileAccounts::check_file(bool take_at_once) {
  const auto info = ports_.disk->stat(options_.path);
  if (!info) {
    const bool missing = info.error().code == std::errc::no_such_file_or_directory;
    // A server without a user file yet has no users. A file that was there and is gone is an
    // accident or an edit half done, and must not bounce everybody's mail.
    if (!missing || existed_) return set_unavailable(info.error());
    if (!table()->readable) publish(std::make_shared<UserTable>());
    return;
  }
  const Identity identity{info->size, info->mtime_ns, info->inode};
  if (loaded_ == identity) {
    changing_.reset();
    return;
  }
  // A new inode came by rename(2) and is complete. The same inode with other content is being
  // written in place, perhaps by an editor that has just emptied it: wait until it stands still.
  if (!take_at_once && loaded_ && loaded_->inode == identity.inode) {
    const base::MonoTime now = ports_.clock->mono();
    if (changing_ != identity) {
      changing_ = identity;
      changing_since_ = now;
    }
    if (now - changing_since_ < kStandStill) return;
  }
  load(identity);
}

void FileAccounts::load(const Identity& identity) {
  changing_.reset();
  existed_ = true;
  const auto text = base::read_file(*ports_.disk, options_.path, kMaxUserFile);
  if (!text) return set_unavailable(text.error());
  UserFile file = parse_user_file(*text);
  auto fresh = std::make_shared<UserTable>();
  fresh->hashes.reserve(file.entries.size());
  for (UserEntry& entry : file.entries) {
    fresh->hashes.emplace(entry.address.key(), std::move(entry.hash));
  }
  publish(std::move(fresh));
  loaded_ = identity;
  log_problems(options_.path, file);
  base::log_event(base::LogLevel::info, "accounts", "-", "user file read",
                  {{"file", options_.path}, {"users", file.entries.size()}});
}

void FileAccounts::set_unavailable(const base::Error& error) {
  loaded_.reset();
  changing_.reset();
  if (!table()->readable) return;
  auto closed = std::make_shared<UserTable>();
  closed->readable = false;
  publish(std::move(closed));
  base::log_event(base::LogLevel::error, "accounts", "-", "user file cannot be read",
                  {{"file", options_.path}, {"why", error.message()}});
}

}  // namespace posthouse::accounts
