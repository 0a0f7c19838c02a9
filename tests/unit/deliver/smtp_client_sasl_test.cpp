// SASL: the examples of the standards, hostile servers, and the exchange inside SMTP (RFC 4954).
#include <gtest/gtest.h>

#include "base/digest.hpp"
#include "net/sasl.hpp"
#include "tests/unit/deliver/smtp_client_rig.hpp"

namespace posthouse::deliver {
namespace {

using net::SaslMechanism;

net::SaslCredentials credentials(std::string user, std::string password) {
  net::SaslCredentials out;
  out.user = std::move(user);
  out.password = base::Secret(std::move(password));
  return out;
}

TEST(Digest, HmacMd5AndPbkdf2) {
  // RFC 2202 2, cases 1, 2 and 6; RFC 1321 A.5.
  EXPECT_EQ(base::hex(base::hmac_md5(std::string(16, '\x0b'), "Hi There")),
            "9294727a3638bb1c13f48ef8158bfc9d");
  EXPECT_EQ(base::hex(base::hmac_md5("Jefe", "what do ya want for nothing?")),
            "750c783e6ab0b503eaa86e310a5db738");
  EXPECT_EQ(base::hex(base::hmac_md5(std::string(80, '\xaa'),
                                     "Test Using Larger Than Block-Size Key - Hash Key First")),
            "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd");
  EXPECT_EQ(base::hex(base::md5("")), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(base::hex(base::md5("message digest")), "f96b697d7cb7938d525a2f31aaf161d0");
  // RFC 7914 11: the first 32 octets of each.
  EXPECT_EQ(base::hex(base::pbkdf2_sha256("passwd", "salt", 1)),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
  EXPECT_EQ(base::hex(base::pbkdf2_sha256("Password", "NaCl", 80000)),
            "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56");
}

TEST(Sasl, CramMd5OfRfc2195) {
  const auto login = credentials("tim", "tanstaaftanstaaf");
  const auto sasl = net::make_sasl_client(SaslMechanism::cram_md5, login, "");
  EXPECT_FALSE(sasl->initial());
  EXPECT_EQ(sasl->respond("<1896.697170952@postoffice.reston.mci.net>"),
            "tim b913a602c7eda7a495b4e6e7334d3890");
  EXPECT_TRUE(sasl->complete());
  EXPECT_FALSE(sasl->respond("again"));
}

TEST(Sasl, PlainOfRfc4616AndLogin) {
  const auto tim = credentials("tim", "tanstaaftanstaaf");
  const auto plain = net::make_sasl_client(SaslMechanism::plain, tim, "");
  EXPECT_EQ(plain->initial(), std::string("\0tim\0tanstaaftanstaaf", 21));
  EXPECT_TRUE(plain->complete());
  EXPECT_FALSE(plain->respond(""));
  const auto nul = credentials("tim", std::string("a\0b", 3));
  EXPECT_EQ(net::make_sasl_client(SaslMechanism::plain, nul, ""), nullptr);

  const auto login = net::make_sasl_client(SaslMechanism::login, tim, "");
  EXPECT_FALSE(login->initial());
  EXPECT_EQ(login->respond("Username:"), "tim");
  EXPECT_FALSE(login->complete());
  EXPECT_EQ(login->respond("Password:"), "tanstaaftanstaaf");
  EXPECT_TRUE(login->complete());
  EXPECT_FALSE(login->respond("More:"));
}

// RFC 7677 3
TEST(Sasl, ScramSha256OfRfc7677) {
  const auto user = credentials("user", "pencil");
  const auto sasl =
      net::make_sasl_client(SaslMechanism::scram_sha_256, user, "rOprNGfwEbeRWgbNEkqO");
  EXPECT_EQ(sasl->initial(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  EXPECT_EQ(sasl->respond("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                          "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  EXPECT_FALSE(sasl->complete());
  EXPECT_EQ(sasl->respond("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), "");
  EXPECT_TRUE(sasl->complete());
  EXPECT_FALSE(sasl->respond(""));
}

TEST(Sasl, ScramNamesAreEscaped) {
  const auto odd = credentials("a=b,c", "x");
  EXPECT_EQ(net::make_sasl_client(SaslMechanism::scram_sha_256, odd, "N")->initial(),
            "n,,n=a=3Db=2Cc,r=N");
}

TEST(Sasl, ScramBelievesNoWrongServer) {
  const auto user = credentials("user", "pencil");
  for (const char* const first :
       {"", "r=N", "r=N,s=c2FsdA==,i=4096", "r=Mx,s=c2FsdA==,i=4096", "r=Nx,s=!!,i=4096",
        "r=Nx,s=,i=4096", "r=Nx,s=c2FsdA==,i=1", "r=Nx,s=c2FsdA==,i=999999999",
        "r=Nx,s=c2FsdA==,i=-4096", "m=ext,r=Nx,s=c2FsdA==,i=4096", "e=other-error"}) {
    const auto sasl = net::make_sasl_client(SaslMechanism::scram_sha_256, user, "N");
    ASSERT_TRUE(sasl->initial());
    EXPECT_FALSE(sasl->respond(first)) << first;
    EXPECT_FALSE(sasl->why().empty());
  }
  for (const char* const final :
       {"", "v=", "v=AAAA", "e=invalid-proof", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="}) {
    const auto sasl = net::make_sasl_client(SaslMechanism::scram_sha_256, user, "N");
    ASSERT_TRUE(sasl->initial());
    ASSERT_TRUE(sasl->respond("r=Nx,s=c2FsdA==,i=4096"));
    EXPECT_FALSE(sasl->respond(final)) << final;
    EXPECT_FALSE(sasl->complete());
  }
}

TEST(Sasl, TheBestMechanismIsTriedFirst) {
  net::SaslMechanisms offered;
  for (const char* const name : {"cram-md5", "LOGIN", "GSSAPI", "PLAIN", "Scram-SHA-256"}) {
    offered.add(std::string_view(name));
  }
  std::vector<SaslMechanism> order;
  while (const auto best = offered.best()) {
    order.push_back(*best);
    offered.remove(*best);
  }
  EXPECT_EQ(order, (std::vector<SaslMechanism>{SaslMechanism::scram_sha_256, SaslMechanism::plain,
                                               SaslMechanism::login, SaslMechanism::cram_md5}));
}

struct Login {
  RunResult result;
  std::vector<std::string> commands;
  std::size_t promised = 0;
};

Login log_in(const std::vector<std::string>& extensions,
             std::function<std::string(const std::string&)> auth, bool without_tls = true) {
  const auto user = credentials("user", "pencil");
  FakeServer server;
  server.extensions = extensions;
  server.auth = std::move(auth);
  SmtpClientConfig config;
  config.credentials = &user;
  config.nonce = "rOprNGfwEbeRWgbNEkqO";
  config.auth_without_tls = without_tls;
  SmtpClient client(std::move(config));
  Login out;
  const std::vector<Letter> letters = {make_letter("a", 1)};
  out.result = play(client, server, letters);
  out.commands = server.commands;
  out.promised = server.promised.size();
  return out;
}

TEST(SmtpAuth, PlainGoesWithTheCommand) {
  const Login login = log_in({"AUTH PLAIN"}, [](const std::string&) { return "235 2.7.0 in"; });
  EXPECT_EQ(login.commands[1], "AUTH PLAIN AHVzZXIAcGVuY2ls");
  EXPECT_EQ(login.promised, 1U);
  EXPECT_FALSE(login.result.failure);
}

TEST(SmtpAuth, ScramInsideSmtp) {
  const Login login = log_in({"AUTH PLAIN SCRAM-SHA-256"}, [](const std::string& line) {
    if (line.starts_with("AUTH")) {
      return "334 " + base::base64_encode(
                          "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                          "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    }
    if (line.empty()) return std::string("235 2.7.0 in");
    return "334 " + base::base64_encode("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
  });
  EXPECT_EQ(login.commands[1],
            "AUTH SCRAM-SHA-256 " + base::base64_encode("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"));
  EXPECT_EQ(login.promised, 1U);
}

TEST(SmtpAuth, ScramWithoutTheServersProofIsNoLogin) {
  const Login login = log_in({"AUTH SCRAM-SHA-256"}, [](const std::string& line) -> std::string {
    return line.starts_with("AUTH")
               ? "334 " + base::base64_encode("r=rOprNGfwEbeRWgbNEkqOx,s=c2FsdA==,i=4096")
               : "235 2.7.0 come in";
  });
  ASSERT_TRUE(login.result.failure);
  EXPECT_EQ(login.result.failure->phase, Phase::auth);
  EXPECT_EQ(login.result.failure->disposition, Disposition::deferred);
  EXPECT_EQ(login.promised, 0U);
}

TEST(SmtpAuth, LoginAndCramMd5WaitForTheServer) {
  const Login one = log_in({"AUTH=LOGIN"}, [](const std::string& line) -> std::string {
    if (line == "AUTH LOGIN") return "334 VXNlcm5hbWU6";
    return line == "dXNlcg==" ? "334 UGFzc3dvcmQ6" : line == "cGVuY2ls" ? "235 in" : "535 no";
  });
  EXPECT_EQ(one.promised, 1U);
  const Login two = log_in({"AUTH CRAM-MD5"}, [](const std::string& line) -> std::string {
    return line == "AUTH CRAM-MD5" ? "334 PDFAYT4=" : line == "*" ? "501 cancelled" : "235 in";
  });
  EXPECT_EQ(two.promised, 1U);
}

TEST(SmtpAuth, WhatCannotBeAnsweredIsCancelled) {
  const Login login = log_in({"AUTH CRAM-MD5"}, [](const std::string& line) -> std::string {
    return line == "*" ? "501 5.7.0 cancelled" : "334 not base64!";
  });
  EXPECT_EQ(login.commands[2], "*");
  ASSERT_TRUE(login.result.failure);
  EXPECT_NE(login.result.failure->text.find("challenge"), std::string::npos);
}

TEST(SmtpAuth, AWrongPasswordDefersAndTriesNoOtherWay) {
  const Login login =
      log_in({"AUTH PLAIN LOGIN"}, [](const std::string&) { return "535 5.7.8 wrong"; });
  EXPECT_EQ(login.commands.size(), 3U);  // EHLO, AUTH, QUIT
  ASSERT_TRUE(login.result.failure);
  EXPECT_EQ(login.result.failure->disposition, Disposition::deferred);
  EXPECT_EQ(login.result.failure->enhanced, "4.7.8");
  EXPECT_EQ(login.result.failure->code, 535);
}

TEST(SmtpAuth, AMechanismThatWillNotDoIsFollowedByTheNext) {
  const Login login = log_in({"AUTH PLAIN LOGIN"}, [](const std::string& line) -> std::string {
    if (line.starts_with("AUTH PLAIN")) return "504 5.5.4 not this one";
    return line == "AUTH LOGIN" ? "334 " : line == "dXNlcg==" ? "334 " : "235 in";
  });
  EXPECT_EQ(login.promised, 1U);
}

TEST(SmtpAuth, NoPasswordWithoutTlsOrWithoutAKnownMechanism) {
  const auto never = [](const std::string&) { return "235 in"; };
  const Login plain = log_in({"AUTH PLAIN"}, never, false);
  EXPECT_EQ(plain.commands.size(), 2U);
  EXPECT_EQ(plain.result.failure->enhanced, "4.7.11");
  const Login unknown = log_in({"AUTH GSSAPI"}, never);
  EXPECT_EQ(unknown.commands.size(), 2U);
  EXPECT_EQ(unknown.result.failure->enhanced, "4.7.0");
  const Login tls = log_in({"STARTTLS", "AUTH PLAIN"}, never, false);
  EXPECT_EQ(tls.promised, 1U);
}

}  // namespace
}  // namespace posthouse::deliver
