// check: what is looked at on the machine, with a machine made up for the test.
#include "conf/check.hpp"

#include <gtest/gtest.h>

#include "tests/unit/conf/helper.hpp"

namespace posthouse::conf::test {
namespace {

constexpr std::uint32_t kRoot = 0;
constexpr std::uint32_t kMailer = 100;
constexpr std::uint32_t kOther = 1000;

class FakeHost final : public Host {
 public:
  FakeHost() {
    folder("/", kRoot, 0755);
    folder("/work", kMailer, 0711);
    folder("/work/drop", kMailer, 0700);
    file("/work/users", kMailer, 0600);
    file("t.conf", kRoot, 0644);
    users_["root"] = {"root", kRoot, {0}};
    users_["mailer"] = {"mailer", kMailer, {100, 50}};
    users_["other"] = {"other", kOther, {1000}};
    self_ = users_["mailer"];
  }

  void folder(const std::string& path, std::uint32_t owner, unsigned mode) {
    files_[path] = {true, false, mode, owner, owner};
  }
  void file(const std::string& path, std::uint32_t owner, unsigned mode) {
    files_[path] = {false, true, mode, owner, owner};
  }
  void set(const std::string& path, const FileFacts& facts) { files_[path] = facts; }
  void remove(const std::string& path) { files_.erase(path); }
  void add_user(const Identity& who) { users_[who.name] = who; }
  void be(const std::string& name) { self_ = users_.at(name); }

  base::Result<FileFacts> facts(const std::string& path) override {
    if (path == "/locked/x") return base::fail_errno(EACCES, "stat", path);
    const auto found = files_.find(path);
    if (found == files_.end()) return base::fail_errno(ENOENT, "stat", path);
    return found->second;
  }
  std::optional<Identity> user(const std::string& name) override {
    const auto found = users_.find(name);
    if (found == users_.end()) return std::nullopt;
    return found->second;
  }
  std::optional<Identity> user(std::uint32_t uid) override {
    for (const auto& [name, who] : users_) {
      if (who.uid == uid) return who;
    }
    return std::nullopt;
  }
  Identity self() override { return self_; }

 private:
  std::map<std::string, FileFacts> files_;
  std::map<std::string, Identity> users_;
  Identity self_;
};

std::string checked(FakeHost& host, const std::string& lines = "") {
  return problems(check(load(lines + kRest), host));
}

TEST(Check, NothingToSay) {
  FakeHost host;
  EXPECT_EQ(checked(host), "");
  host.be("root");
  EXPECT_EQ(checked(host), "");  // run_user: the owner of work_path
  EXPECT_EQ(checked(host, "run_user mailer\n"), "");
}

TEST(Check, WorkPath) {
  FakeHost host;
  host.folder("/work", kOther, 0755);
  EXPECT_EQ(
      checked(host),
      "t.conf:3: error: `work_path': /work is not writable for user mailer: chown mailer /work\n");
  host.folder("/work", kMailer, 0500);
  EXPECT_EQ(
      checked(host),
      "t.conf:3: error: `work_path': /work is not writable for user mailer: chown mailer /work\n");
  host.file("/work", kMailer, 0700);
  EXPECT_EQ(checked(host),
            "t.conf:3: error: `work_path': /work is not a folder; write another path\n");
}

TEST(Check, GroupsCount) {
  FakeHost host;
  host.set("/work", {true, false, 0770, kOther, 50});
  EXPECT_EQ(checked(host), "");
  host.set("/work", {true, false, 0757, kOther, 50});  // the group's bits decide, not everybody's
  EXPECT_NE(checked(host), "");
}

TEST(Check, MissingFoldersAreCreatedIfPossible) {
  FakeHost host;
  host.remove("/work/drop");
  EXPECT_EQ(checked(host), "");
  host.remove("/work");
  host.remove("/work/users");
  EXPECT_EQ(
      checked(host),
      "t.conf:1: error: `drop_path': /work/drop does not exist and cannot be created in / by user "
      "mailer; create it, then chown mailer /work/drop\n"
      "t.conf:1: warning: `user_file': /work/users does not exist, so there are no users yet; add "
      "one with `posthouse user add ADDRESS'\n"
      "t.conf:3: error: `work_path': /work does not exist and cannot be created in / by user "
      "mailer; create it, then chown mailer /work\n");
  host.be("root");  // creates them
  EXPECT_EQ(
      problems(check(load(std::string("run_user mailer\n") + kRest), host)),
      "t.conf:1: warning: `user_file': /work/users does not exist, so there are no users yet; add "
      "one with `posthouse user add ADDRESS'\n");
}

TEST(Check, FoldersThatCannotBeLookedAt) {
  FakeHost host;
  EXPECT_EQ(checked(host, "drop_path /locked/x\n"),
            "t.conf:1: error: `drop_path': cannot look at /locked/x: Permission denied; make it "
            "accessible for user mailer\n");
}

TEST(Check, VirtualDomainsAtTheirLines) {
  FakeHost host;
  host.folder("/a", kOther, 0700);
  EXPECT_EQ(
      checked(host, "\nvdomain a @a.example a.example /a\nvdomain b @b.example b.example /b/c\n"),
      "t.conf:2: error: `vdomain': /a is not writable for user mailer: chown mailer /a\n"
      "t.conf:3: error: `vdomain': /b/c does not exist and cannot be created in / by user mailer; "
      "create it, then chown mailer /b/c\n");
}

TEST(Check, Secrets) {
  FakeHost host;
  host.file("/c", kMailer, 0644);
  host.file("/k", kMailer, 0640);
  const std::string lines = "tls_cert /c\ntls_key /k\n";
  EXPECT_EQ(checked(host, lines), "");
  host.file("/k", kMailer, 0644);
  EXPECT_EQ(
      checked(host, lines),
      "t.conf:2: error: `tls_key': /k holds secrets and must not be readable by others: chmod 600 "
      "/k\n");
  host.file("/k", kMailer, 0602);
  EXPECT_NE(checked(host, lines), "");
  host.file("/k", kOther, 0600);
  EXPECT_EQ(checked(host, lines),
            "t.conf:2: error: `tls_key': /k is not readable for user mailer: chown mailer /k\n");
  host.be("root");  // reads it before it becomes run_user
  EXPECT_EQ(checked(host, lines), "");
  host.remove("/k");
  host.folder("/c", kMailer, 0755);
  EXPECT_EQ(
      checked(host, lines),
      "t.conf:1: error: `tls_cert': /c is not a file; write another path\n"
      "t.conf:2: error: `tls_key': cannot read /k: No such file or directory; write the right path "
      "or create the file\n");
}

TEST(Check, EachKeyAtItsOwnLine) {
  FakeHost host;
  for (const char* name : {"/c", "/d", "/k"}) host.file(name, kMailer, 0600);
  host.file("/l", kMailer, 0604);
  EXPECT_EQ(
      checked(host, "tls_cert /c\ntls_key /k\ntls_cert /d\ntls_key /l\n"),
      "t.conf:4: error: `tls_key': /l holds secrets and must not be readable by others: chmod 600 "
      "/l\n");
}

TEST(Check, UserFile) {
  FakeHost host;
  host.file("/work/users", kMailer, 0644);
  EXPECT_EQ(checked(host),
            "t.conf:1: error: `user_file': /work/users holds secrets and must not be "
            "readable by others: chmod 600 /work/users\n");
  host.file("/u", kOther, 0600);
  EXPECT_EQ(checked(host, "\nuser_file /u\n"),
            "t.conf:2: error: `user_file': /u is not readable for user mailer: chown mailer /u\n");
  host.be("root");  // the worker reads it, not root
  EXPECT_EQ(checked(host, "\nuser_file /u\n"),
            "t.conf:2: error: `user_file': /u is not readable for user mailer: chown mailer /u\n");
}

TEST(Check, RunUser) {
  FakeHost host;
  EXPECT_EQ(
      checked(host, "run_user nobody-here\n"),
      "t.conf:1: error: `run_user': there is no user `nobody-here'; create it (adduser --system "
      "--group nobody-here) or write another\n");
  host.be("root");
  host.folder("/work", kRoot, 0711);
  EXPECT_EQ(checked(host),
            "t.conf:1: warning: `run_user': the server will run as root; create a user "
            "posthouse or write run_user\n");
  host.add_user({"posthouse", 77, {77}});
  EXPECT_EQ(checked(host).substr(0, 71),
            "t.conf:1: error: `drop_path': /work/drop is not writable for user posth");
}

TEST(Check, LogFile) {
  FakeHost host;
  host.folder("/log", kOther, 0755);
  EXPECT_EQ(
      checked(host, "log_file /log/x\n"),
      "t.conf:1: error: `log_file': /log/x cannot be created by user mailer; create its folder, "
      "then chown mailer /log\n");
  host.file("/log/x", kOther, 0644);
  EXPECT_EQ(
      checked(host, "log_file /log/x\n"),
      "t.conf:1: error: `log_file': /log/x is not writable for user mailer: chown mailer /log/x\n");
  host.file("/log/x", kMailer, 0644);
  EXPECT_EQ(checked(host, "log_file /log/x\n"), "");
  EXPECT_EQ(checked(host, "log_file /log\n"),
            "t.conf:1: error: `log_file': /log is a folder; write a file in it\n");
}

TEST(Check, AConfigurationEverybodyCanChange) {
  FakeHost host;
  host.file("t.conf", kRoot, 0646);
  EXPECT_EQ(checked(host), "t.conf:1: error: everybody can change this file: chmod o-w t.conf\n");
}

TEST(Check, BrokenConfigurationsAreOnlySorted) {
  FakeHost host;
  const auto loaded = load("\nsmtp_port x\nhost_domain example.org\n");
  EXPECT_EQ(
      problems(check(loaded, host)),
      "t.conf:1: error: `work_path' is missing; write for example `work_path "
      "/var/spool/posthouse'\n"
      "t.conf:2: error: `smtp_port': `x' is not a port; write a number from 1 to 65535, or 0 to "
      "turn the port off\n");
}

TEST(Check, OthersAddTheirsAtTheRightLine) {
  const auto loaded = load(std::string("\nsysadmin bob\n") + kRest);
  std::vector<Diagnostic> found;
  add_diagnostic(loaded, found, "user_file", {Severity::error, {}, "second"});
  add_diagnostic(loaded, found, "sysadmin", {Severity::warning, {}, "third"});
  found.push_back({Severity::error, {"a.conf", 1}, "last: another file"});
  found.push_back({Severity::error, {"t.conf", 1}, "after second"});
  sort_diagnostics(loaded, found);
  EXPECT_EQ(problems(found),
            "t.conf:1: error: second\nt.conf:1: error: after second\nt.conf:2: warning: third\n"
            "a.conf:1: error: last: another file\n");
}

TEST(SystemHost, ThisMachine) {
  Host& host = system_host();
  const auto root = host.facts("/");
  ASSERT_TRUE(root);
  EXPECT_TRUE(root->is_dir);
  EXPECT_EQ(host.facts("/no/such").error().code, std::errc::no_such_file_or_directory);
  ASSERT_TRUE(host.user("root"));
  EXPECT_EQ(host.user("root")->uid, 0U);
  EXPECT_EQ(host.user(0U)->name, "root");
  EXPECT_FALSE(host.user("no-such-user-here"));
  EXPECT_FALSE(host.self().name.empty());
  EXPECT_FALSE(host.self().groups.empty());
}

}  // namespace
}  // namespace posthouse::conf::test
