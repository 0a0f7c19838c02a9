// From text to Settings: every setting's values and refusals, defaults, duplicates, unknown and
// obsolete names, and the rules between settings, each with its exact diagnostics.
#include "conf/load.hpp"

#include <gtest/gtest.h>

#include "conf/setting.hpp"
#include "tests/unit/conf/helper.hpp"

namespace posthouse::conf::test {
namespace {

Settings settings_of(const std::string& lines) {
  const auto loaded = load(lines + kRest);
  EXPECT_TRUE(loaded.settings) << problems(loaded.diagnostics);
  return loaded.settings ? *loaded.settings : Settings{};
}

TEST(Load, EveryValueReachesItsMember) {
  const Settings s = settings_of(
      "host_domain Example.COM\n"
      "vdomain shop @Shop.Example Shop.example /drop/shop\n"
      "vdomain \"\" @other.example other.example /drop/other\n"
      "sysadmin alice@Example.com\nrun_user mailer\n"
      "drop_path /drop/main/\nmailbox_format mbox\ndelivery_sync always\nhash_spool 2\n"
      "drop_prefix no\nvdomain_separator -\n"
      "listen 127.0.0.1\nlisten [::1]\nsmtp_port 1\nsubmission_port 2\nsubmissions_port 3\n"
      "pop_port 4\npops_port 5\n"
      "tls_cert /c1\ntls_key /k1\ntls_cert /c2\ntls_key /k2\ntls_min 1.3\npop_cleartext on\n"
      "authent_method FILE\nuser_file ./users\nauthent_cache 0\n"
      "forward_from_ip 10.0.0.1, 10.0.0.2\nforward_from_ip 192.168.0.0/16\n"
      "msg_max_size 1G\nmax_rcpts 500\nmax_connections 7\nmax_connections_per_ip 6\nmin_space 5\n"
      "log_level debug\nlog_format json\nlog_file /log\n");
  EXPECT_EQ(s.host_name, "mail.example.org");
  EXPECT_EQ(s.host_domain, (std::vector<std::string>{"example.com", "example.org"}));
  ASSERT_EQ(s.vdomain.size(), 2U);
  EXPECT_EQ(s.vdomain[0].prefix, "shop");
  EXPECT_EQ(s.vdomain[0].suffix, "shop.example");
  EXPECT_EQ(s.vdomain[0].domain, "shop.example");
  EXPECT_EQ(s.vdomain[0].drop_dir, "/drop/shop");
  EXPECT_EQ(s.vdomain[0].origin.text(), "t.conf:2");
  EXPECT_EQ(s.vdomain[1].prefix, "");
  EXPECT_EQ(s.sysadmin, "alice@example.com");
  EXPECT_EQ(s.run_user, "mailer");
  EXPECT_EQ(s.work_path, "/work");
  EXPECT_EQ(s.drop_path, "/drop/main");
  EXPECT_EQ(s.mailbox_format, MailboxFormat::mbox);
  EXPECT_EQ(s.delivery_sync, DeliverySync::always);
  EXPECT_EQ(s.hash_spool, 2U);
  EXPECT_FALSE(s.drop_prefix);
  EXPECT_EQ(s.vdomain_separator, '-');
  EXPECT_EQ(s.listen, (std::vector<std::string>{"127.0.0.1", "::1"}));
  EXPECT_EQ(s.smtp_port, 1);
  EXPECT_EQ(s.submission_port, 2);
  EXPECT_EQ(s.submissions_port, 3);
  EXPECT_EQ(s.pop_port, 4);
  EXPECT_EQ(s.pops_port, 5);
  EXPECT_EQ(s.tls_cert, (std::vector<std::string>{"/c1", "/c2"}));
  EXPECT_EQ(s.tls_key, (std::vector<std::string>{"/k1", "/k2"}));
  EXPECT_EQ(s.tls_min, TlsMin::tls1_3);
  EXPECT_TRUE(s.pop_cleartext);
  EXPECT_EQ(s.authent_method, AuthentMethod::file);
  EXPECT_EQ(s.user_file, folder_of("t.conf") + "/users");
  EXPECT_EQ(s.authent_cache, 0U);
  EXPECT_EQ(s.forward_from_ip,
            (std::vector<std::string>{"10.0.0.1", "10.0.0.2", "192.168.0.0/16"}));
  EXPECT_EQ(s.msg_max_size, 1ULL << 30);
  EXPECT_EQ(s.max_rcpts, 500U);
  EXPECT_EQ(s.max_connections, 7U);
  EXPECT_EQ(s.max_connections_per_ip, 6U);
  EXPECT_EQ(s.min_space, 5ULL << 20);
  EXPECT_EQ(s.log_level, LogLevel::debug);
  EXPECT_EQ(s.log_format, LogFormat::json);
  EXPECT_EQ(s.log_file, "/log");
}

TEST(Load, Defaults) {
  const auto loaded = load("host_domain example.org\nhost_domain example.net\nwork_path /work\n");
  ASSERT_TRUE(loaded.settings) << problems(loaded.diagnostics);
  const Settings& s = *loaded.settings;
  EXPECT_EQ(s.host_name, "host.example.org");
  EXPECT_EQ(s.drop_path, "/work/drop");
  EXPECT_EQ(s.user_file, "/work/users");
  EXPECT_EQ(s.sysadmin, "postmaster@example.org");
  EXPECT_EQ(s.run_user, "");
  EXPECT_TRUE(s.listen.empty());
  EXPECT_TRUE(s.vdomain.empty());
  EXPECT_EQ(s.smtp_port, 25);
  EXPECT_EQ(s.submission_port, 587);
  EXPECT_EQ(s.submissions_port, 465);
  EXPECT_EQ(s.pop_port, 110);
  EXPECT_EQ(s.pops_port, 995);
  EXPECT_EQ(s.forward_from_ip, (std::vector<std::string>{"127.0.0.0/8", "::1"}));
  EXPECT_EQ(s.msg_max_size, 25ULL << 20);
  EXPECT_EQ(s.min_space, 100ULL << 20);
  EXPECT_EQ(s.log_file, "");
}

TEST(Load, ABareSysadminBelongsToTheMainDomain) {
  EXPECT_EQ(settings_of("sysadmin alice\n").sysadmin, "alice@example.org");
}

TEST(Load, SpecialWords) {
  EXPECT_TRUE(settings_of("forward_from_ip none\n").forward_from_ip.empty());
  EXPECT_TRUE(settings_of("listen *\n").listen.empty());
  EXPECT_EQ(settings_of("log_file -\n").log_file, "");
  EXPECT_EQ(settings_of("min_space 0\n").min_space, 0U);
  EXPECT_EQ(settings_of("min_space 1G\n").min_space, 1ULL << 30);
}

TEST(Load, NothingAtAll) {
  EXPECT_EQ(
      problems(load("").diagnostics),
      "t.conf:1: error: `host_domain' is missing; write for example `host_domain example.org'\n"
      "t.conf:1: error: `work_path' is missing; write for example `work_path "
      "/var/spool/posthouse'\n");
  EXPECT_EQ(
      problems(load("", "t.yaml").diagnostics),
      "t.yaml:1: error: `host_domain' is missing; write for example `host_domain example.org'\n"
      "t.yaml:1: error: `work_path' is missing; write for example `work_path "
      "/var/spool/posthouse'\n");
  EXPECT_FALSE(load("").settings);
}

TEST(Load, ABadValueIsNotAlsoMissing) {
  EXPECT_EQ(
      problems(load("host_domain a..b\nwork_path work\n").diagnostics),
      "t.conf:1: error: `host_domain': `a..b' is not a domain name; write a name like "
      "example.org\n"
      "t.conf:2: error: `work_path': `work' is not an absolute path; write one that begins with "
      "/, or with ./ for the folder of this configuration file\n");
}

TEST(Load, SystemNameThatIsNone) {
  const auto loaded =
      load_text("host_domain example.org\nwork_path /w\n", "t.conf", Environment{"bad name"});
  EXPECT_EQ(problems(loaded.diagnostics),
            "t.conf:1: error: the system's name `bad name' is no domain name; write for example "
            "`host_name mail.example.org'\n");
  const auto fixed = load_text(kRest, "t.conf", Environment{"bad name"});
  EXPECT_EQ(problems(fixed.diagnostics), "");
}

TEST(Load, MissingMainFileIsOneProblem) {
  const auto loaded = load_file("/no/such/dmail.conf", kEnvironment);
  EXPECT_EQ(
      problems(loaded.diagnostics),
      "/no/such/dmail.conf:1: error: cannot read the configuration: No such file or directory; "
      "write one, or name another with -c FILE\n");
  EXPECT_FALSE(loaded.ok());
  EXPECT_FALSE(loaded.settings);
}

TEST(Load, BadValues) {
  const std::string at = "t.conf:1: error: ";
  const std::string port =
      "' is not a port; write a number from 1 to 65535, or 0 to turn the port off\n";
  const std::string boolean = "' is neither true nor false; write true or false\n";
  const std::string path =
      "' is not an absolute path; write one that begins with /, or with ./ for the folder of this "
      "configuration file\n";
  const std::string size = "' is not a size; write a number with K, M or G, for example 25M\n";
  const std::string separator =
      "' cannot stand between prefix and user; write a single mark like _ or - or + (not / \\ . % "
      "a "
      "letter, a digit or white space)\n";
  const std::string prefix =
      "' cannot begin a file name; write letters, digits and . _ + - =, or \"\" for no prefix\n";
  const std::string suffix =
      "' must be the login suffix with its @, for example @example.org (choosing the domain by the "
      "address connected to is not supported)\n";
  const std::string domain = "' is not a domain name; write a name like example.org\n";
  const std::string address =
      "' is not a mail address; write an address like "
      "postmaster@example.org\n";
  const std::string list =
      "' is not an address or network; write items like 127.0.0.1, 10.0.0.0/8, "
      "1.2.3.*, ::1 or 2001:db8::/32\n";
  const std::string ip =
      "' is not an IP address; write one like 127.0.0.1 or ::1 without a port, or * "
      "for all\n";
  const Case cases[] = {
      {"host_name mail_server!", at + "`host_name': `mail_server!" + domain},
      {"host_name [127.0.0.1]", at + "`host_name': `[127.0.0.1]" + domain},
      {"host_domain *.example.org", at + "`host_domain': `*.example.org" + domain},
      {"host_domain a@b", at + "`host_domain': `a@b" + domain},
      {"host_domain \"\"", at + "`host_domain': `" + domain},
      {"sysadmin a@b@c", at + "`sysadmin': `a@b@c" + address},
      {"sysadmin \"\"", at + "`sysadmin': `" + address},
      {"run_user \"no such\"", at + "`run_user': `no such' cannot be the name of a Unix user; "
                                    "write a name like posthouse\n"},
      {"vdomain a/b @s d.example /x", at + "`vdomain': the prefix `a/b" + prefix},
      {"vdomain .a @s d.example /x", at + "`vdomain': the prefix `.a" + prefix},
      {"vdomain .. @s d.example /x", at + "`vdomain': the prefix `.." + prefix},
      {"vdomain \"a b\" @s d.example /x", at + "`vdomain': the prefix `a b" + prefix},
      {"vdomain a% @s d.example /x", at + "`vdomain': the prefix `a%" + prefix},
      {"vdomain a s d.example /x", at + "`vdomain': the second word `s" + suffix},
      {"vdomain a 10.0.0.1 d.example /x", at + "`vdomain': the second word `10.0.0.1" + suffix},
      {"vdomain a \"\" d.example /x", at + "`vdomain': the second word `" + suffix},
      {"vdomain a @ d.example /x", at + "`vdomain': the login suffix after @: `" + domain},
      {"vdomain a @s! d.example /x", at + "`vdomain': the login suffix after @: `s!" + domain},
      {"vdomain a @s d..example /x", at + "`vdomain': `d..example" + domain},
      {"vdomain a @s d.example x", at + "`vdomain': `x" + path},
      {"vdomain a @s d.example",
       at + "`vdomain' takes 4 words (PREFIX @SUFFIX DOMAIN DROP_DIR), not 3; write `vdomain shop "
            "@shop.example shop.example /var/spool/posthouse/drop/shop'\n"},
      {"vdomain a @s d.example /x /y",
       at + "`vdomain' takes 4 words (PREFIX @SUFFIX DOMAIN DROP_DIR), not 5; write `vdomain shop "
            "@shop.example shop.example /var/spool/posthouse/drop/shop'\n"},
      {"work_path spool", at + "`work_path': `spool" + path},
      {"work_path ~/spool", at + "`work_path': `~/spool" + path},
      {"drop_path drop", at + "`drop_path': `drop" + path},
      {"mailbox_format mh",
       at + "`mailbox_format': `mh' is not known; write one of maildir, mbox\n"},
      {"delivery_sync never",
       at + "`delivery_sync': `never' is not known; write one of checkpoint, always\n"},
      {"hash_spool 3", at + "`hash_spool': `3' is not 0, 1 or 2; write one of them\n"},
      {"hash_spool true", at + "`hash_spool': `true' is not 0, 1 or 2; write one of them\n"},
      {"drop_prefix 1", at + "`drop_prefix': `1" + boolean},
      {"vdomain_separator /", at + "`vdomain_separator': `/" + separator},
      {"vdomain_separator .", at + "`vdomain_separator': `." + separator},
      {"vdomain_separator \\", at + "`vdomain_separator': `\\" + separator},
      {"vdomain_separator \" \"", at + "`vdomain_separator': ` " + separator},
      {"vdomain_separator \"\t\"", at + "`vdomain_separator': `\\x09" + separator},
      {"vdomain_separator \"\"", at + "`vdomain_separator': `" + separator},
      {"vdomain_separator __", at + "`vdomain_separator': `__" + separator},
      {"vdomain_separator a", at + "`vdomain_separator': `a" + separator},
      {"vdomain_separator 7", at + "`vdomain_separator': `7" + separator},
      {"vdomain_separator %", at + "`vdomain_separator': `%" + separator},
      {"vdomain_separator \xc3\xa9", at + "`vdomain_separator': `\\xc3\\xa9" + separator},
      {"listen localhost", at + "`listen': `localhost" + ip},
      {"listen 127.0.0.1:25", at + "`listen': `127.0.0.1:25" + ip},
      {"smtp_port smtp", at + "`smtp_port': `smtp" + port},
      {"smtp_port 65536", at + "`smtp_port': `65536" + port},
      {"smtp_port -1", at + "`smtp_port': `-1" + port},
      {"submission_port x", at + "`submission_port': `x" + port},
      {"submissions_port x", at + "`submissions_port': `x" + port},
      {"pop_port 1e3", at + "`pop_port': `1e3" + port},
      {"pops_port \"\"", at + "`pops_port': `" + port},
      {"tls_cert cert.pem", at + "`tls_cert': `cert.pem" + path},
      {"tls_key key.pem", at + "`tls_key': `key.pem" + path},
      {"tls_min 1.1", at + "`tls_min': `1.1' is not known; write one of 1.2, 1.3\n"},
      {"tls_min TLSv1.2", at + "`tls_min': `TLSv1.2' is not known; write one of 1.2, 1.3\n"},
      {"pop_cleartext maybe", at + "`pop_cleartext': `maybe" + boolean},
      {"authent_method nt_user", at + "`authent_method': `nt_user' is not available; write file\n"},
      {"authent_method external",
       at + "`authent_method': `external' is not available; write file\n"},
      {"user_file users", at + "`user_file': `users" + path},
      {"authent_cache lots",
       at + "`authent_cache': `lots' is not a number from 0 to 1000000; write one\n"},
      {"forward_from_ip localhost", at + "`forward_from_ip': `localhost" + list},
      {"forward_from_ip 127.0.0.1,x", at + "`forward_from_ip': `x" + list},
      {"forward_from_ip 127.0.0.1 10.0.0.0/40", at + "`forward_from_ip': `10.0.0.0/40" + list},
      {"forward_from_ip none,::1", at + "`forward_from_ip': `none" + list},
      {"forward_from_ip ,", at + "`forward_from_ip': the list is empty; write addresses like "
                                 "127.0.0.1, 10.0.0.0/8, or none "
                                 "for nobody\n"},
      {"msg_max_size big", at + "`msg_max_size': `big" + size},
      {"msg_max_size 0", at + "`msg_max_size': `0' is out of range; write a size from 1K to 2G\n"},
      {"msg_max_size 1023",
       at + "`msg_max_size': `1023' is out of range; write a size from 1K to 2G\n"},
      {"msg_max_size 3G",
       at + "`msg_max_size': `3G' is out of range; write a size from 1K to 2G\n"},
      {"max_rcpts 0", at + "`max_rcpts': `0' is not a number from 1 to 100000; write one\n"},
      {"max_connections 0",
       at + "`max_connections': `0' is not a number from 1 to 1000000; write one\n"},
      {"max_connections_per_ip -1",
       at + "`max_connections_per_ip': `-1' is not a number from 1 to 1000000; write one\n"},
      {"min_space 1T", at + "`min_space': `1T" + size},
      {"log_level verbose",
       at + "`log_level': `verbose' is not known; write one of error, info, debug\n"},
      {"log_format xml", at + "`log_format': `xml' is not known; write one of text, json\n"},
      {"log_file posthouse.log", at + "`log_file': `posthouse.log" + path},
  };
  for (const auto& entry : cases) {
    EXPECT_EQ(problems_of(entry.input + "\n"), entry.expected) << entry.input;
  }
}

TEST(Load, WordCounts) {
  for (const auto& row : table()) {
    const std::string name(row.name);
    EXPECT_EQ(problems_of(name + "\n"), "t.conf:1: error: `" + name + "' has no value; write `" +
                                            std::string(row.example) + "'\n");
    EXPECT_EQ(problems_of(name + " = x\n"),
              "t.conf:1: error: no = stands between name and value; write `" +
                  std::string(row.example) + "'\n");
    if (row.least_words != 1 || row.most_words != 1) continue;
    EXPECT_EQ(problems_of(name + " a b\n"),
              "t.conf:1: error: `" + name + "' takes one word (" + std::string(row.arguments) +
                  "), not 2; put a value with spaces in double quotes\n");
    EXPECT_EQ(problems_of_yaml("host_name: [a, b]").substr(0, 78),
              "t.yaml:1: error: `host_name' takes one word (NAME), not 2; put a value with sp");
  }
}

TEST(Load, ValuesWithSpacesNeedQuotes) {
  EXPECT_EQ(problems_of("tls_cert /my certs/c\ntls_key /k\n"),
            "t.conf:1: error: `tls_cert' takes one word (FILE), not 2; put a value with spaces in "
            "double quotes\n");
  EXPECT_EQ(settings_of("tls_cert \"/my certs/c\"\ntls_key /k\n").tls_cert[0], "/my certs/c");
}

TEST(Load, TheLastOfTwoLinesCounts) {
  EXPECT_EQ(
      problems_of("smtp_port 1\nsmtp_port 2\n\nSMTP_PORT 3\n"),
      "t.conf:2: warning: `smtp_port' was already set at t.conf:1; this line replaces it, remove "
      "one of them\n"
      "t.conf:4: warning: `smtp_port' was already set at t.conf:2; this line replaces it, remove "
      "one of them\n");
  const auto loaded = load(std::string("smtp_port 1\nsmtp_port 2\n\nSMTP_PORT 3\n") + kRest);
  EXPECT_EQ(loaded.settings->smtp_port, 3);
  EXPECT_EQ(loaded.assignments[0].origin.text(), "t.conf:4");
  for (const auto& row : table()) {
    if (row.repeatable || row.compulsory || row.name == "host_name") continue;
    const std::string line = std::string(row.example) + "\n";
    const auto found = problems_of(line + line);
    EXPECT_NE(found.find("t.conf:2: warning: `" + std::string(row.name) +
                         "' was already set at t.conf:1;"),
              std::string::npos)
        << found;
  }
}

TEST(Load, UnknownNames) {
  const auto unknown = [](const std::string& name, const std::string& nearest) {
    return "t.conf:1: warning: unknown setting `" + name + "' (line ignored); nearest known: `" +
           nearest + "'\n";
  };
  EXPECT_EQ(problems_of("smtp-port 25\n"), unknown("smtp-port", "smtp_port"));
  EXPECT_EQ(problems_of("smtpport 25\n"), unknown("smtpport", "smtp_port"));
  EXPECT_EQ(problems_of("HostDomain x\n"), unknown("hostdomain", "host_domain"));
  EXPECT_EQ(problems_of("tls_certificate /x\n"), unknown("tls_certificate", "tls_cert"));
  EXPECT_EQ(problems_of("msg_max_siz 1M\n"), unknown("msg_max_siz", "msg_max_size"));
  EXPECT_EQ(problems_of("x\n").substr(0, 67),
            "t.conf:1: warning: unknown setting `x' (line ignored); nearest know");
  const auto loaded = load(std::string("gateway * smart.example\n") + kRest);
  EXPECT_TRUE(loaded.settings);
  EXPECT_EQ(loaded.assignments.size(), 3U);
  // Settings of later versions are unknown until they work.
  for (const char* later : {"forward", "forward_cc", "alias_file", "gateway", "relay_to", "ban_ip",
                            "retry_schedule", "rpop", "etrn_allow", "robot_dir", "drop_max",
                            "bounce_body", "dns_host", "authent_process", "apop_enable"}) {
    EXPECT_NE(problems_of(std::string(later) + " x\n").find("unknown setting"), std::string::npos)
        << later;
  }
  EXPECT_NE(problems_of(std::string(500, 'a') + " x\n").find("nearest known: `"),
            std::string::npos);
}

TEST(Load, ObsoleteNames) {
  EXPECT_EQ(problems_of("auth_nocache true\n"),
            "t.conf:1: warning: `auth_nocache' is obsolete; use `authent_cache 0'\n");
  EXPECT_EQ(problems_of("DPOP_HOST 127.0.0.1\n"),
            "t.conf:1: warning: `dpop_host' is obsolete; use `listen'\n");
  EXPECT_EQ(problems_of("\nlock_id abc\n"),
            "t.conf:2: warning: `lock_id' is obsolete; remove it: mailboxes are always locked\n");
  EXPECT_EQ(problems_of("manager_password a b c\n").find("a b c"), std::string::npos);
  EXPECT_TRUE(load(std::string("bin_path x\n") + kRest).settings);
}

TEST(Load, PositionsAcrossFiles) {
  const auto loaded = load_file(
      std::string(POSTHOUSE_SOURCE_DIR) + "/tests/unit/conf/data/main.conf", kEnvironment);
  const std::string folder = std::string(POSTHOUSE_SOURCE_DIR) + "/tests/unit/conf/data/";
  EXPECT_EQ(problems(loaded.diagnostics),
            folder +
                "more.yaml:3: error: `smtp_port': `x' is not a port; write a number from 1 to "
                "65535, or 0 to turn the port off\n" +
                folder +
                "more.yaml:4: warning: unknown setting `pop_prot' (line ignored); nearest "
                "known: `pop_port'\n" +
                folder + "main.conf:5: warning: `max_rcpts' was already set at " + folder +
                "more.yaml:2; this line replaces it, remove one of them\n");
}

TEST(Load, EqualSettingsInBothSyntaxes) {
  const auto dmail = load(
      "host_name mail.example.org\nhost_domain example.org\nhost_domain example.net\nwork_path "
      "/w\nvdomain a @a.example a.example /d\nlisten ::1\nmax_rcpts 200\n");
  const auto yaml = load(
      "host_name: mail.example.org\nhost_domain: [example.org, example.net]\nwork_path: /w\n"
      "vdomain:\n  - [a, \"@a.example\", a.example, /d]\nlisten: ::1\nmax_rcpts: 200\n",
      "t.yaml");
  ASSERT_TRUE(dmail.settings);
  ASSERT_TRUE(yaml.settings) << problems(yaml.diagnostics);
  for (const auto& row : table())
    EXPECT_EQ(row.get(*dmail.settings), row.get(*yaml.settings)) << row.name;
}

TEST(Load, NumbersOfYamlAreText) {
  EXPECT_EQ(
      problems_of_yaml("host_name: a.example\nhost_domain: example.org\nwork_path: /w\ntls_min: "
                       "1.3\nsmtp_port: 0x19\n"),
      "t.yaml:5: error: `smtp_port': `0x19' is not a port; write a number from 1 to 65535, or 0 "
      "to turn the port off\n");
}

TEST(FullHostName, CompletedFromHosts) {
  const std::string hosts =
      "# comment mail.wrong.example mail\n127.0.0.1 localhost\n127.0.1.1\tmail.example.org mail # "
      "x\n";
  EXPECT_EQ(full_host_name("mail", hosts), "mail.example.org");
  EXPECT_EQ(full_host_name("MAIL", hosts), "mail.example.org");
  EXPECT_EQ(full_host_name("other", hosts), "other");
  EXPECT_EQ(full_host_name("a.b", hosts), "a.b");
  EXPECT_EQ(full_host_name("mail", "10.0.0.1 mail\n"), "mail");
  EXPECT_EQ(full_host_name("mail", ""), "mail");
  EXPECT_FALSE(system_environment().fqdn.empty());
}

TEST(FindConfig, OrderOfPlaces) {
  unsetenv("POSTHOUSE_CONF");
  EXPECT_EQ(find_config("/x/y.conf"), "/x/y.conf");
  setenv("POSTHOUSE_CONF", "/from/environment.yaml", 1);
  EXPECT_EQ(find_config("/x/y.conf"), "/x/y.conf");
  EXPECT_EQ(find_config(""), "/from/environment.yaml");
  setenv("POSTHOUSE_CONF", "", 1);
  EXPECT_NE(find_config("").find("dmail.conf"), std::string::npos);
  unsetenv("POSTHOUSE_CONF");
}

TEST(Texts, Origins) {
  EXPECT_EQ(Origin{}.text(), "default");
  EXPECT_EQ((Origin{"a.conf", 7}).text(), "a.conf:7");
  EXPECT_EQ((Origin{"a.conf", 0}).text(), "a.conf");
  EXPECT_EQ((Diagnostic{Severity::warning, {"a.conf", 7}, "x"}).text(), "a.conf:7: warning: x");
}

}  // namespace
}  // namespace posthouse::conf::test
