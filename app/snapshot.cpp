// Deriving a snapshot from settings; reads certificates and nothing else.
#include "app/snapshot.hpp"

#include <filesystem>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "net/tls_server.hpp"

namespace posthouse::app {
namespace {

mailbox::NameTable make_names(const conf::Settings& settings) {
  mailbox::NameTable names;
  names.rules.hash_spool = settings.hash_spool;
  names.rules.drop_prefix = settings.drop_prefix;
  names.rules.separator = settings.vdomain_separator;
  names.drop_path = settings.drop_path;
  names.domains.push_back(mailbox::NameDomain());
  for (const auto& domain : settings.vdomain) {
    mailbox::NameDomain entry;
    entry.prefix = domain.prefix;
    entry.drop_dir = domain.drop_dir;
    names.domains.push_back(std::move(entry));
    names.directories.push_back(domain.drop_dir);
  }
  names.directories.push_back(settings.work_path);
  for (const char* name : {"/queue", "/run", "/pickup", "/rpop"}) {
    names.directories.push_back(settings.work_path + name);
  }
  return names;
}

accounts::LoginDomains make_logins(const conf::Settings& settings) {
  accounts::LoginDomains logins;
  logins.main_domain = base::to_lower(settings.host_domain.front());
  for (std::size_t i = 1; i < settings.host_domain.size(); ++i) {
    logins.host_domains.push_back(base::to_lower(settings.host_domain[i]));
  }
  for (const auto& domain : settings.vdomain) {
    accounts::LoginDomains::Virtual entry;
    entry.suffix = base::to_lower(domain.suffix);
    entry.domain = base::to_lower(domain.domain);
    logins.virtuals.push_back(std::move(entry));
  }
  return logins;
}

smtpd::SessionConfig make_session_config(const conf::Settings& settings, smtpd::ListenerKind kind,
                                         bool tls) {
  smtpd::SessionConfig config;
  config.host_name = settings.host_name;
  config.msg_max_size = settings.msg_max_size;
  config.max_rcpts = settings.max_rcpts;
  config.kind = kind;
  config.starttls = tls;
  return config;
}

base::Result<std::shared_ptr<net::TlsServer>> make_tls(const conf::Settings& settings) {
  if (settings.tls_cert.empty()) return std::shared_ptr<net::TlsServer>();
  net::TlsServerOptions options;
  for (std::size_t i = 0; i < settings.tls_cert.size(); ++i) {
    net::TlsCertificateFiles files;
    files.certificate = settings.tls_cert[i];
    files.key = settings.tls_key[i];
    options.certificates.push_back(std::move(files));
  }
  options.min_version =
      settings.tls_min == conf::TlsMin::tls1_3 ? net::TlsVersion::v1_3 : net::TlsVersion::v1_2;
  auto server = net::make_tls_server(std::move(options));
  if (!server) return tl::unexpected(server.error());
  return std::shared_ptr<net::TlsServer>(*std::move(server));
}

}  // namespace

tl::expected<std::string, mailbox::NameRefusal> Snapshot::box_of(
    const forward::LocalTarget& target) const {
  PH_ASSERT(target.domain < names.domains.size(), "a routed target has a domain");
  auto path =
      mailbox::mailbox_path(names, target.account.local_key(), names.domains[target.domain]);
  if (path && !path->starts_with('/')) *path = settings->drop_path + "/" + *path;
  return path;
}

Snapshot naming_snapshot(std::shared_ptr<const conf::Settings> settings) {
  Snapshot snapshot;
  snapshot.names = make_names(*settings);
  snapshot.logins = make_logins(*settings);
  snapshot.tables = std::make_unique<const forward::Tables>(settings);
  snapshot.settings = std::move(settings);
  return snapshot;
}

base::Result<std::shared_ptr<const Snapshot>> build_snapshot(
    std::shared_ptr<const conf::Settings> settings) {
  auto snapshot = std::make_shared<Snapshot>(naming_snapshot(settings));
  auto tls = make_tls(*settings);
  if (!tls) return tl::unexpected(tls.error());
  snapshot->tls = *std::move(tls);
  for (const auto& list : settings->forward_from_ip) {
    std::string bad;
    const auto parsed = net::AddressSet::parse(list, &bad);
    if (!parsed) return base::fail(std::errc::invalid_argument, "forward_from_ip", bad);
    snapshot->trusted.merge(*parsed);
  }
  const bool has_tls = snapshot->tls != nullptr;
  snapshot->smtp = make_session_config(*settings, smtpd::ListenerKind::smtp, has_tls);
  snapshot->submission = make_session_config(*settings, smtpd::ListenerKind::submission, has_tls);
  return std::shared_ptr<const Snapshot>(std::move(snapshot));
}

}  // namespace posthouse::app
