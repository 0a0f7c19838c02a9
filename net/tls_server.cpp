// Loading certificates, choosing one by server name, following changes of the files.
#include "net/tls_server.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <mutex>
#include <optional>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace posthouse::net {

namespace {

template <class T, void (*release)(T*)>
struct Releaser {
  void operator()(T* p) const { release(p); }
};
using ContextPtr = std::unique_ptr<SSL_CTX, Releaser<SSL_CTX, SSL_CTX_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Releaser<EVP_PKEY, EVP_PKEY_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Releaser<GENERAL_NAMES, GENERAL_NAMES_free>>;
struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

struct Certificate {
  ContextPtr context;
  std::vector<std::string> names;  // lower case, perhaps "*.example.net"
};

// What is in use at one time; never changed after it was built.
struct CertificateSet {
  std::vector<Certificate> certificates;
};

tl::unexpected<base::Error> bad_file(std::string_view what, const std::string& path,
                                     const std::string& reason) {
  return base::fail(std::errc::invalid_argument, what, path + ", " + reason);
}

std::string asn1_text(const ASN1_STRING* text) {
  const int length = ASN1_STRING_length(text);
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(length)};
}

std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> names;
  const NamesPtr alternatives(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; alternatives && i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(alternatives.get(), i);
    if (name->type == GEN_DNS) {
      names.push_back(base::to_lower(asn1_text(name->d.dNSName)));
    }
  }
  if (!names.empty()) {
    return names;
  }
  // RFC 6125 6.4.4: the common name counts only when no alternative name is there.
  X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at >= 0) {
    const auto* entry = X509_NAME_get_entry(subject, at);
    names.push_back(base::to_lower(asn1_text(X509_NAME_ENTRY_get_data(entry))));
  }
  return names;
}

// RFC 6125 6.4.3: the star stands for exactly one label, the leftmost.
bool name_matches(std::string_view pattern, std::string_view host) {
  if (!pattern.starts_with("*.")) {
    return pattern == host;
  }
  const std::size_t dot = host.find('.');
  return dot != std::string_view::npos && dot > 0 && host.substr(dot) == pattern.substr(1);
}

const Certificate* find_certificate(const CertificateSet& set, std::string_view host) {
  const Certificate* by_wildcard = nullptr;
  for (const Certificate& certificate : set.certificates) {
    for (const std::string& name : certificate.names) {
      if (name == host) {
        return &certificate;
      }
      if (by_wildcard == nullptr && name_matches(name, host)) {
        by_wildcard = &certificate;
      }
    }
  }
  return by_wildcard;
}

int on_server_name(SSL* ssl, int*, void* argument) {
  const auto* set = static_cast<const CertificateSet*>(argument);
  const char* host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (host == nullptr) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  std::string wanted = base::to_lower(host);
  if (wanted.ends_with('.')) {
    wanted.pop_back();
  }
  const Certificate* chosen = find_certificate(*set, wanted);
  if (chosen == nullptr) {
    // RFC 6066 3 allows going on; mail clients often name what only DNS knows.
    return SSL_TLSEXT_ERR_NOACK;
  }
  SSL_set_SSL_CTX(ssl, chosen->context.get());
  return SSL_TLSEXT_ERR_OK;
}

ContextPtr new_context(TlsVersion min_version) {
  ContextPtr context(SSL_CTX_new(TLS_server_method()));
  PH_ASSERT(context != nullptr, "OpenSSL has no memory for a context");
  SSL_CTX* raw = context.get();
  SSL_CTX_set_min_proto_version(raw,
                                min_version == TlsVersion::v1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
  // RFC 9325 4.2: forward secrecy and authenticated encryption only. TLS 1.3 has nothing else.
  SSL_CTX_set_cipher_list(raw, "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL");
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
  // Resumption by tickets alone: no table of sessions that grows.
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(raw, 1);
  return context;
}

int refuse_pass_phrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

base::Result<KeyPtr> load_key(const std::string& path) {
  const std::unique_ptr<std::FILE, FileCloser> file(std::fopen(path.c_str(), "re"));
  if (!file) {
    return base::fail_errno(errno, "read TLS key", path);
  }
  struct stat facts{};
  if (fstat(fileno(file.get()), &facts) != 0) {
    return base::fail_errno(errno, "read TLS key", path);
  }
  if ((facts.st_mode & S_IROTH) != 0) {
    return bad_file("read TLS key", path, "everybody can read it: chmod o-r it");
  }
  bool encrypted = false;
  ERR_clear_error();
  KeyPtr key(PEM_read_PrivateKey(file.get(), nullptr, refuse_pass_phrase, &encrypted));
  if (encrypted) {
    ERR_clear_error();
    return bad_file("read TLS key", path, "the key is encrypted: store it without a pass phrase");
  }
  if (!key) {
    return bad_file("read TLS key", path, "no private key in PEM form: " + take_tls_error());
  }
  return key;
}

base::Result<Certificate> load_certificate(const TlsCertificateFiles& files,
                                           TlsVersion min_version) {
  // OpenSSL's own words for a missing file name neither it nor the reason clearly.
  if (const std::unique_ptr<std::FILE, FileCloser> probe(
          std::fopen(files.certificate.c_str(), "re"));
      !probe) {
    return base::fail_errno(errno, "read TLS certificate", files.certificate);
  }
  Certificate loaded;
  loaded.context = new_context(min_version);
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(loaded.context.get(), files.certificate.c_str()) != 1) {
    return bad_file("read TLS certificate", files.certificate,
                    "no certificate in PEM form: " + take_tls_error());
  }
  auto key = load_key(files.key);
  if (!key) {
    return tl::unexpected(key.error());
  }
  X509* leaf = SSL_CTX_get0_certificate(loaded.context.get());
  if (X509_check_private_key(leaf, key->get()) != 1) {
    ERR_clear_error();
    return bad_file("read TLS key", files.key,
                    "it does not belong to the certificate in " + files.certificate);
  }
  if (SSL_CTX_use_PrivateKey(loaded.context.get(), key->get()) != 1) {
    return bad_file("read TLS key", files.key, take_tls_error());
  }
  loaded.names = names_of(leaf);
  return loaded;
}

base::Result<std::shared_ptr<const CertificateSet>> load_set(const TlsServerOptions& options) {
  auto set = std::make_shared<CertificateSet>();
  for (const TlsCertificateFiles& files : options.certificates) {
    auto loaded = load_certificate(files, options.min_version);
    if (!loaded) {
      return tl::unexpected(loaded.error());
    }
    set->certificates.push_back(std::move(*loaded));
  }
  // Connections start on the first context; its callback moves them to another one.
  SSL_CTX* first = set->certificates.front().context.get();
  SSL_CTX_set_tlsext_servername_callback(first, on_server_name);
  SSL_CTX_set_tlsext_servername_arg(first, set.get());
  return std::shared_ptr<const CertificateSet>(std::move(set));
}

// What changes when a file is written or replaced.
struct FileStamp {
  ino_t inode = 0;
  off_t size = -1;
  timespec modified{};
  timespec changed{};

  bool operator==(const FileStamp& other) const {
    return inode == other.inode && size == other.size && same(modified, other.modified) &&
           same(changed, other.changed);
  }

 private:
  static bool same(const timespec& a, const timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
  }
};

FileStamp stamp_of(const std::string& path) {
  FileStamp stamp;
  struct stat facts{};
  if (stat(path.c_str(), &facts) == 0) {
    stamp.inode = facts.st_ino;
    stamp.size = facts.st_size;
    stamp.modified = facts.st_mtim;
    stamp.changed = facts.st_ctim;
  }
  return stamp;
}

class FileTlsServer final : public OpenSslServer {
 public:
  explicit FileTlsServer(TlsServerOptions options) : options_(std::move(options)) {
    if (options_.clock == nullptr) {
      options_.clock = &base::system_clock();
    }
  }

  base::Result<> start() {
    const std::lock_guard lock(mutex_);
    // Stamped before reading: a change in between is seen as a change.
    stamps_ = stamps();
    looked_ = options_.clock->mono();
    auto loaded = load_set(options_);
    if (!loaded) {
      return tl::unexpected(loaded.error());
    }
    current_ = std::move(*loaded);
    return {};
  }

  std::unique_ptr<TlsEngine> new_engine() override {
    const auto set = newest();
    return TlsEngine::server(*set->certificates.front().context, set);
  }

 private:
  std::vector<FileStamp> stamps() const {
    std::vector<FileStamp> all;
    for (const TlsCertificateFiles& files : options_.certificates) {
      all.push_back(stamp_of(files.certificate));
      all.push_back(stamp_of(files.key));
    }
    return all;
  }

  std::shared_ptr<const CertificateSet> newest() {
    const std::lock_guard lock(mutex_);
    const base::MonoTime now = options_.clock->mono();
    if (now - looked_ >= std::chrono::seconds(1)) {
      looked_ = now;
      reload_if_changed();
    }
    return current_;
  }

  void reload_if_changed() {
    auto seen = stamps();
    if (seen == stamps_) {
      return;
    }
    stamps_ = std::move(seen);
    auto loaded = load_set(options_);
    if (!loaded) {
      // A certificate is often replaced before its key: the next change is another try.
      base::log_event(base::LogLevel::error, "net", "-", "new TLS certificate not taken",
                      {{"reason", loaded.error().message()}});
      return;
    }
    current_ = std::move(*loaded);
    base::log_event(base::LogLevel::info, "net", "-", "TLS certificates loaded again");
  }

  TlsServerOptions options_;
  std::mutex mutex_;
  // Guarded by mutex_.
  std::shared_ptr<const CertificateSet> current_;
  std::vector<FileStamp> stamps_;
  base::MonoTime looked_{};
};

}  // namespace

base::Result<std::shared_ptr<OpenSslServer>> make_tls_server(TlsServerOptions options) {
  if (options.certificates.empty()) {
    return base::fail(std::errc::invalid_argument, "start TLS", "no certificate is configured");
  }
  auto server = std::make_shared<FileTlsServer>(std::move(options));
  if (auto started = server->start(); !started) {
    return tl::unexpected(started.error());
  }
  return std::shared_ptr<OpenSslServer>(std::move(server));
}

}  // namespace posthouse::net
