// The TLS engine and the certificate store without sockets: both ends in one thread.
#include "net/tls_engine.hpp"

#include <gtest/gtest.h>

#include <openssl/ssl.h>

#include <atomic>
#include <filesystem>

#include "base/log.hpp"
#include "net/tls_server.hpp"
#include "support.hpp"

namespace posthouse::net {
namespace {

using test::make_certificate;
using test::TempDir;
using test::TestCertificate;

class ManualClock final : public base::Clock {
 public:
  [[nodiscard]] base::WallTime wall() const override { return {}; }
  [[nodiscard]] base::MonoTime mono() const override { return now; }
  base::MonoTime now{};
};

// Two engines and the octets between them.
struct Pair {
  Pair(std::unique_ptr<TlsEngine> s, std::unique_ptr<TlsEngine> c)
      : server(std::move(s)), client(std::move(c)) {}

  // Until both are done or one failed; `step` octets at a time, to cut every record.
  bool shake_hands(std::size_t step = 1 << 20) {
    TlsStatus at_client = TlsStatus::want_input;
    TlsStatus at_server = TlsStatus::want_input;
    at_client = turn(*client, to_client, to_server, step);
    for (int i = 0; i < 100'000; ++i) {
      if (at_server != TlsStatus::done) {
        at_server = turn(*server, to_server, to_client, step);
      }
      if (at_client != TlsStatus::done) {
        at_client = turn(*client, to_client, to_server, step);
      }
      if (at_server == TlsStatus::failed || at_client == TlsStatus::failed) {
        return false;
      }
      if (at_server == TlsStatus::done && at_client == TlsStatus::done) {
        return true;
      }
    }
    return false;
  }

  static TlsStatus turn(TlsEngine& engine, std::string& in, std::string& out, std::size_t step) {
    std::string_view view = std::string_view(in).substr(0, step);
    const std::size_t before = view.size();
    const TlsStatus status = engine.handshake(view, out);
    in.erase(0, before - view.size());
    return status;
  }

  // All plaintext in `in`; `last` is the status that ended it.
  static std::string read_all(TlsEngine& engine, std::string& in, std::string& out,
                              TlsStatus& last) {
    std::string plain;
    char buffer[1000];
    std::string_view view = in;
    for (;;) {
      std::size_t length = 0;
      last = engine.read(view, buffer, length, out);
      if (last != TlsStatus::done) {
        break;
      }
      plain.append(buffer, length);
    }
    in = std::string(view);
    return plain;
  }

  std::unique_ptr<TlsEngine> server;
  std::unique_ptr<TlsEngine> client;
  std::string to_server;
  std::string to_client;
};

struct TlsTest : testing::Test {
  TlsServerOptions options_for(const std::string& name, const TestCertificate& made) {
    TlsServerOptions options;
    add(options, name, made);
    return options;
  }
  void add(TlsServerOptions& options, const std::string& name, const TestCertificate& made) {
    TlsCertificateFiles files;
    files.certificate = dir.write(name + ".crt", made.certificate);
    files.key = dir.write(name + ".key", made.key);
    options.certificates.push_back(files);
    options.clock = &clock;
  }

  // A client that trusts exactly `trusted`.
  std::unique_ptr<TlsEngine> client(const TestCertificate& trusted, const std::string& name) {
    TlsClientOptions options;
    options.verify = true;
    options.ca_file = dir.write("ca.pem", trusted.certificate);
    return TlsClient::make(options).value()->new_engine(name);
  }
  static std::unique_ptr<TlsEngine> trusting_client(const std::string& name) {
    return TlsClient::make(TlsClientOptions()).value()->new_engine(name);
  }
  // Whether a client that asks for `name` gets this certificate.
  bool serves(OpenSslServer& server, const TestCertificate& made, const std::string& name) {
    Pair pair(server.new_engine(), client(made, name));
    return pair.shake_hands();
  }

  TempDir dir;
  ManualClock clock;
  TestCertificate mine = make_certificate({"mx.example.net"});
};

TEST_F(TlsTest, CarriesDataBothWays) {
  const auto server = make_tls_server(options_for("a", mine)).value();
  Pair pair(server->new_engine(), client(mine, "mx.example.net"));
  ASSERT_TRUE(pair.shake_hands()) << pair.server->error() << pair.client->error();
  EXPECT_EQ(pair.server->info().version, "TLSv1.3");
  EXPECT_FALSE(pair.server->info().cipher.empty());

  TlsStatus last = TlsStatus::done;
  std::string big(100'000, 'x');
  big += "end";
  ASSERT_EQ(pair.client->write(big, pair.to_server), TlsStatus::done);
  EXPECT_EQ(Pair::read_all(*pair.server, pair.to_server, pair.to_client, last), big);
  EXPECT_EQ(last, TlsStatus::want_input);
  ASSERT_EQ(pair.server->write("250 ok\r\n", pair.to_client), TlsStatus::done);
  EXPECT_EQ(Pair::read_all(*pair.client, pair.to_client, pair.to_server, last), "250 ok\r\n");

  pair.client->close_notify(pair.to_server);
  EXPECT_EQ(Pair::read_all(*pair.server, pair.to_server, pair.to_client, last), "");
  EXPECT_EQ(last, TlsStatus::closed);
}

TEST_F(TlsTest, SurvivesEveryCutOfTheRecords) {
  const auto server = make_tls_server(options_for("a", mine)).value();
  for (const std::size_t step : {1U, 2U, 7U, 100U}) {
    Pair pair(server->new_engine(), client(mine, "mx.example.net"));
    ASSERT_TRUE(pair.shake_hands(step)) << step;
    TlsStatus last = TlsStatus::done;
    // Tickets of the server come first.
    EXPECT_EQ(Pair::read_all(*pair.client, pair.to_client, pair.to_server, last), "");
    ASSERT_EQ(pair.client->write("some text", pair.to_server), TlsStatus::done);
    std::string got;
    while (!pair.to_server.empty()) {
      std::string part = pair.to_server.substr(0, step);
      pair.to_server.erase(0, part.size());
      got += Pair::read_all(*pair.server, part, pair.to_client, last);
      EXPECT_TRUE(part.empty());
    }
    EXPECT_EQ(got, "some text");
  }
}

TEST_F(TlsTest, KeepsWhatFollowsTheHandshakeInTheInput) {
  const auto server = make_tls_server(options_for("a", mine)).value();
  Pair pair(server->new_engine(), trusting_client(""));
  Pair::turn(*pair.client, pair.to_client, pair.to_server, 1 << 20);
  Pair::turn(*pair.server, pair.to_server, pair.to_client, 1 << 20);
  ASSERT_EQ(Pair::turn(*pair.client, pair.to_client, pair.to_server, 1 << 20), TlsStatus::done);
  ASSERT_EQ(pair.client->write("EHLO me\r\n", pair.to_server), TlsStatus::done);
  ASSERT_EQ(Pair::turn(*pair.server, pair.to_server, pair.to_client, 1 << 20), TlsStatus::done);
  EXPECT_FALSE(pair.to_server.empty());
  TlsStatus last = TlsStatus::done;
  EXPECT_EQ(Pair::read_all(*pair.server, pair.to_server, pair.to_client, last), "EHLO me\r\n");
}

TEST_F(TlsTest, RefusesGarbageAndPlainText) {
  const auto server = make_tls_server(options_for("a", mine)).value();
  for (const std::string_view garbage :
       {"GET / HTTP/1.0\r\n\r\n", "EHLO client\r\n", "\x16\x03\x01\xff\xff\xff"}) {
    auto engine = server->new_engine();
    std::string output;
    std::string padded(garbage);
    padded.resize(2000, '\0');
    std::string_view input = padded;
    EXPECT_EQ(engine->handshake(input, output), TlsStatus::failed);
    EXPECT_NE(engine->error(), "");
    EXPECT_NE(engine->error(), "unknown");
  }
}

TEST_F(TlsTest, ADamagedRecordIsAFailure) {
  const auto server = make_tls_server(options_for("a", mine)).value();
  Pair pair(server->new_engine(), trusting_client(""));
  ASSERT_TRUE(pair.shake_hands());
  ASSERT_EQ(pair.client->write("good", pair.to_server), TlsStatus::done);
  const std::size_t good = pair.to_server.size();
  ASSERT_EQ(pair.client->write("damaged", pair.to_server), TlsStatus::done);
  pair.to_server[good + 8] ^= 1;
  TlsStatus last = TlsStatus::done;
  EXPECT_EQ(Pair::read_all(*pair.server, pair.to_server, pair.to_client, last), "good");
  EXPECT_EQ(last, TlsStatus::failed);
  EXPECT_NE(pair.server->error(), "");
}

// A client of OpenSSL's own making, limited to one protocol version.
std::unique_ptr<TlsEngine> client_of_version(SSL_CTX* context, int version) {
  SSL_CTX_set_min_proto_version(context, version);
  SSL_CTX_set_max_proto_version(context, version);
  SSL_CTX_set_security_level(context, 0);  // or it would refuse itself
  return TlsEngine::client(*context, "");
}

TEST_F(TlsTest, SpeaksTls12And13AndNothingOlder) {
  const auto server = make_tls_server(options_for("a", mine)).value();
  const struct {
    int version;
    bool accepted;
    const char* name;
  } table[] = {{TLS1_VERSION, false, ""},
               {TLS1_1_VERSION, false, ""},
               {TLS1_2_VERSION, true, "TLSv1.2"},
               {TLS1_3_VERSION, true, "TLSv1.3"}};
  for (const auto& row : table) {
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    Pair pair(server->new_engine(), client_of_version(context, row.version));
    EXPECT_EQ(pair.shake_hands(), row.accepted) << row.version;
    if (row.accepted) {
      EXPECT_EQ(pair.server->info().version, row.name);
    } else {
      EXPECT_EQ(pair.server->error(), "unsupported protocol");
      EXPECT_EQ(pair.client->error(), "tlsv1 alert protocol version");  // the client was told
    }
    SSL_CTX_free(context);
  }
}

TEST_F(TlsTest, MinimumVersion13Refuses12) {
  TlsServerOptions options = options_for("a", mine);
  options.min_version = TlsVersion::v1_3;
  const auto server = make_tls_server(options).value();
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  Pair pair(server->new_engine(), client_of_version(context, TLS1_2_VERSION));
  EXPECT_FALSE(pair.shake_hands());
  SSL_CTX_free(context);
}

TEST_F(TlsTest, UnderTls12OnlyForwardSecrecyIsOffered) {
  const auto server = make_tls_server(options_for("a", mine)).value();
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  auto client = client_of_version(context, TLS1_2_VERSION);
  ASSERT_EQ(SSL_CTX_set_cipher_list(context, "ECDHE-ECDSA-AES128-SHA"), 1);  // CBC, SHA-1
  Pair pair(server->new_engine(), TlsEngine::client(*context, ""));
  EXPECT_FALSE(pair.shake_hands());
  EXPECT_EQ(pair.server->error(), "no shared cipher");
  SSL_CTX_free(context);
}

TEST_F(TlsTest, TheClientVerifiesNameAndChainWhenAsked) {
  const auto server = make_tls_server(options_for("a", mine)).value();
  EXPECT_TRUE(serves(*server, mine, "mx.example.net"));
  EXPECT_FALSE(serves(*server, mine, "other.example.net"));
  EXPECT_FALSE(serves(*server, make_certificate({"mx.example.net"}), "mx.example.net"));
  Pair pair(server->new_engine(), trusting_client("other.example.net"));
  EXPECT_TRUE(pair.shake_hands());
}

TEST_F(TlsTest, ChoosesTheCertificateByServerName) {
  const auto second = make_certificate({"mail.example.org", "POP.example.org"});
  const auto third = make_certificate({"*.example.com"});
  TlsServerOptions options = options_for("a", mine);
  add(options, "b", second);
  add(options, "c", third);
  const auto server = make_tls_server(options).value();
  EXPECT_TRUE(serves(*server, mine, "mx.example.net"));
  EXPECT_TRUE(serves(*server, second, "mail.example.org"));
  EXPECT_TRUE(serves(*server, second, "pop.EXAMPLE.org"));
  EXPECT_TRUE(serves(*server, third, "any.example.com"));
  // The star is one label: these two get the first certificate.
  Pair deeper(server->new_engine(), client(third, "a.b.example.com"));
  EXPECT_FALSE(deeper.shake_hands());
  Pair parent(server->new_engine(), client(third, "example.com"));
  EXPECT_FALSE(parent.shake_hands());
  // Without a name and with an unknown one: the first.
  TlsClientOptions trust;
  trust.verify = true;
  trust.ca_file = dir.write("ca.pem", mine.certificate);
  Pair nameless(server->new_engine(), TlsClient::make(trust).value()->new_engine(""));
  EXPECT_TRUE(nameless.shake_hands());
  Pair unknown(server->new_engine(), trusting_client("unknown.example"));
  EXPECT_TRUE(unknown.shake_hands());
}

TEST_F(TlsTest, AnExactNameBeatsAWildcard) {
  const auto wild = make_certificate({"*.example.net"});
  TlsServerOptions options = options_for("wild", wild);
  add(options, "exact", mine);
  const auto server = make_tls_server(options).value();
  EXPECT_TRUE(serves(*server, mine, "mx.example.net"));
  EXPECT_TRUE(serves(*server, wild, "other.example.net"));
}

// Counts log lines that contain `part` while it lives.
class LogCount {
 public:
  explicit LogCount(std::string part) : part_(std::move(part)) {
    base::set_log_capture([this](std::string_view line) {
      if (line.find(part_) != std::string_view::npos) {
        ++count_;
      }
    });
  }
  ~LogCount() { base::set_log_capture({}); }
  int count() {
    base::flush_log();
    return count_;
  }

 private:
  std::string part_;
  std::atomic<int> count_ = 0;
};

TEST_F(TlsTest, FollowsAChangeOfTheFilesAfterASecond) {
  TlsServerOptions options = options_for("a", mine);
  const auto server = make_tls_server(options).value();
  Pair old(server->new_engine(), client(mine, "mx.example.net"));
  const auto renewed = make_certificate({"mx.example.net"});
  dir.write("a.crt", renewed.certificate);
  dir.write("a.key", renewed.key);
  clock.now += std::chrono::milliseconds(999);
  EXPECT_TRUE(serves(*server, mine, "mx.example.net"));
  clock.now += std::chrono::milliseconds(1);
  EXPECT_TRUE(serves(*server, renewed, "mx.example.net"));
  EXPECT_FALSE(serves(*server, mine, "mx.example.net"));
  EXPECT_TRUE(old.shake_hands());  // what began before keeps the old set
}

TEST_F(TlsTest, KeepsTheOldCertificateWhenTheNewOneIsBroken) {
  const auto server = make_tls_server(options_for("a", mine)).value();
  LogCount errors("new TLS certificate not taken");
  const auto renewed = make_certificate({"mx.example.net"});
  dir.write("a.crt", renewed.certificate);  // the key does not follow yet
  for (int i = 0; i < 3; ++i) {
    clock.now += std::chrono::seconds(2);
    EXPECT_TRUE(serves(*server, mine, "mx.example.net"));
  }
  EXPECT_EQ(errors.count(), 1);
  dir.write("a.crt", "no certificate at all");
  clock.now += std::chrono::seconds(2);
  EXPECT_TRUE(serves(*server, mine, "mx.example.net"));
  EXPECT_EQ(errors.count(), 2);
  std::filesystem::remove(dir.path("a.crt"));
  clock.now += std::chrono::seconds(2);
  EXPECT_TRUE(serves(*server, mine, "mx.example.net"));
  EXPECT_EQ(errors.count(), 3);
  dir.write("a.crt", renewed.certificate);
  dir.write("a.key", renewed.key);
  clock.now += std::chrono::seconds(2);
  EXPECT_TRUE(serves(*server, renewed, "mx.example.net"));
  EXPECT_EQ(errors.count(), 3);
}

TEST_F(TlsTest, ErrorsNameTheFileAndTheReason) {
  const auto other = make_certificate({"other.example"});
  const std::string crt = dir.write("a.crt", mine.certificate);
  const std::string key = dir.write("a.key", mine.key);
  const std::string wrong = dir.write("b.key", other.key);
  const std::string text = dir.write("text", "hello\n");
  const std::string locked =
      dir.write("locked.key",
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
                "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgAAAAAAAAAAAICCAAw\n"
                "-----END ENCRYPTED PRIVATE KEY-----\n");
  const std::string open = dir.write("open.key", mine.key);
  std::filesystem::permissions(open, std::filesystem::perms(0644));
  const struct {
    std::string certificate;
    std::string key;
    std::string named;
    std::string reason;
  } table[] = {
      {dir.path("none.crt"), key, "read TLS certificate " + dir.path("none.crt"),
       "No such file or directory"},
      {text, key, text, "no certificate in PEM form"},
      {crt, dir.path("none.key"), "read TLS key " + dir.path("none.key"),
       "No such file or directory"},
      {crt, text, text, "no private key in PEM form"},
      {crt, wrong, wrong, "it does not belong to the certificate in " + crt},
      {crt, open, open, "everybody can read it"},
      {crt, locked, locked, "private key"},
  };
  for (const auto& row : table) {
    TlsServerOptions options;
    TlsCertificateFiles files;
    files.certificate = row.certificate;
    files.key = row.key;
    options.certificates.push_back(files);
    const auto server = make_tls_server(options);
    ASSERT_FALSE(server) << row.reason;
    const std::string message = server.error().message();
    EXPECT_NE(message.find(row.named), std::string::npos) << message;
    EXPECT_NE(message.find(row.reason), std::string::npos) << message;
  }
  EXPECT_FALSE(make_tls_server(TlsServerOptions()));
}

TEST_F(TlsTest, CertificateAndKeyMayShareAFile) {
  TlsServerOptions options;
  TlsCertificateFiles files;
  files.certificate = files.key = dir.write("both.pem", mine.key + mine.certificate);
  options.certificates.push_back(files);
  const auto server = make_tls_server(options);
  ASSERT_TRUE(server) << server.error().message();
  EXPECT_TRUE(serves(**server, mine, "mx.example.net"));
}

}  // namespace
}  // namespace posthouse::net
