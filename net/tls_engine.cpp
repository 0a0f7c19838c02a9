// OpenSSL behind TlsEngine: a BIO that reads from the caller's view and writes to the caller's
// string for the length of one call, so that an idle connection holds no buffers.
#include "net/tls_engine.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "net/address.hpp"

namespace posthouse::net {

namespace {

int wire_read(BIO* bio, char* out, std::size_t room, std::size_t* length) {
  auto* wire = static_cast<TlsEngine::Wire*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *length = 0;
  if (wire->input == nullptr || wire->input->empty()) {
    BIO_set_retry_read(bio);
    return 0;
  }
  *length = std::min(room, wire->input->size());
  std::memcpy(out, wire->input->data(), *length);
  wire->input->remove_prefix(*length);
  return 1;
}

int wire_write(BIO* bio, const char* data, std::size_t size, std::size_t* written) {
  auto* wire = static_cast<TlsEngine::Wire*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  PH_ASSERT(wire->output != nullptr, "TLS writes only while a caller waits for its output");
  wire->output->append(data, size);
  *written = size;
  return 1;
}

long wire_control(BIO*, int command, long, void*) {
  // OpenSSL flushes after each flight; everything else is "not supported".
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* wire_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "posthouse wire");
    PH_ASSERT(made != nullptr, "OpenSSL has no memory for a BIO method");
    BIO_meth_set_read_ex(made, wire_read);
    BIO_meth_set_write_ex(made, wire_write);
    BIO_meth_set_ctrl(made, wire_control);
    return made;
  }();
  return method;
}

}  // namespace

std::string take_tls_error() {
  const unsigned long code = ERR_get_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  std::string text = "unknown";
  if (reason != nullptr) {
    text = reason;
  } else if (code != 0) {
    // Errors of the system carry an errno in place of a reason.
    text = ERR_SYSTEM_ERROR(code) ? std::strerror(ERR_GET_REASON(code))
                                  : "error " + std::to_string(code);
  }
  ERR_clear_error();
  return text;
}

TlsEngine::TlsEngine(SSL_CTX& context, std::shared_ptr<const void> keep_alive)
    : keep_alive_(std::move(keep_alive)), ssl_(SSL_new(&context)) {
  BIO* bio = BIO_new(wire_method());
  PH_ASSERT(ssl_ != nullptr && bio != nullptr, "OpenSSL has no memory for a connection");
  BIO_set_data(bio, &wire_);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
}

TlsEngine::~TlsEngine() { SSL_free(ssl_); }

std::unique_ptr<TlsEngine> TlsEngine::server(SSL_CTX& context,
                                             std::shared_ptr<const void> keep_alive) {
  std::unique_ptr<TlsEngine> engine(new TlsEngine(context, std::move(keep_alive)));
  SSL_set_accept_state(engine->ssl_);
  return engine;
}

std::unique_ptr<TlsEngine> TlsEngine::client(SSL_CTX& context, const std::string& name) {
  std::unique_ptr<TlsEngine> engine(new TlsEngine(context, nullptr));
  SSL_set_connect_state(engine->ssl_);
  if (IpAddress::parse(name)) {
    // RFC 6066 3: an address is no server name; it is only compared with the certificate.
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(engine->ssl_), name.c_str());
  } else if (!name.empty()) {
    SSL_set_tlsext_host_name(engine->ssl_, name.c_str());
    SSL_set1_host(engine->ssl_, name.c_str());
  }
  return engine;
}

void TlsEngine::attach(std::string_view* input, std::string* output) {
  wire_.input = input;
  wire_.output = output;
}

TlsStatus TlsEngine::classify(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_NONE:
      return TlsStatus::done;
    case SSL_ERROR_WANT_READ:
      return TlsStatus::want_input;
    case SSL_ERROR_ZERO_RETURN:
      return TlsStatus::closed;
    default: {
      const long verified = SSL_get_verify_result(ssl_);
      error_ = take_tls_error();
      if (verified != X509_V_OK && !SSL_is_init_finished(ssl_)) {
        error_ += std::string(": ") + X509_verify_cert_error_string(verified);
      }
      return TlsStatus::failed;
    }
  }
}

TlsStatus TlsEngine::handshake(std::string_view& input, std::string& output) {
  attach(&input, &output);
  ERR_clear_error();
  const TlsStatus status = classify(SSL_do_handshake(ssl_));
  attach(nullptr, nullptr);
  return status;
}

TlsStatus TlsEngine::read(std::string_view& input, std::span<char> plain, std::size_t& length,
                          std::string& output) {
  length = 0;
  attach(&input, &output);
  TlsStatus status = TlsStatus::done;
  while (length < plain.size()) {
    std::size_t got = 0;
    ERR_clear_error();
    const int result = SSL_read_ex(ssl_, plain.data() + length, plain.size() - length, &got);
    length += got;
    status = classify(result);
    if (status != TlsStatus::done) {
      break;
    }
  }
  attach(nullptr, nullptr);
  // What came before an error or the end is delivered first; the next call meets the same again.
  return length > 0 ? TlsStatus::done : status;
}

TlsStatus TlsEngine::write(std::string_view plain, std::string& output) {
  if (plain.empty()) {
    return TlsStatus::done;
  }
  std::string_view nothing;
  attach(&nothing, &output);
  std::size_t written = 0;
  ERR_clear_error();
  const TlsStatus status = classify(SSL_write_ex(ssl_, plain.data(), plain.size(), &written));
  attach(nullptr, nullptr);
  if (status == TlsStatus::done) {
    PH_ASSERT(written == plain.size(), "OpenSSL was not asked for partial writes");
    return status;
  }
  if (status != TlsStatus::failed) {
    error_ = "the connection cannot send now";
  }
  return TlsStatus::failed;
}

void TlsEngine::close_notify(std::string& output) {
  if (!SSL_is_init_finished(ssl_)) {
    return;
  }
  std::string_view nothing;
  attach(&nothing, &output);
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
  attach(nullptr, nullptr);
}

TlsInfo TlsEngine::info() const {
  TlsInfo info;
  info.version = SSL_get_version(ssl_);
  const char* cipher = SSL_get_cipher_name(ssl_);
  info.cipher = cipher == nullptr ? "" : cipher;
  return info;
}

base::Result<std::shared_ptr<TlsClient>> TlsClient::make(const TlsClientOptions& options) {
  std::shared_ptr<TlsClient> client(new TlsClient(SSL_CTX_new(TLS_client_method())));
  PH_ASSERT(client->context_ != nullptr, "OpenSSL has no memory for a context");
  SSL_CTX_set_min_proto_version(client->context_, TLS1_2_VERSION);
  SSL_CTX_set_options(client->context_, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(client->context_, SSL_MODE_RELEASE_BUFFERS);
  if (!options.verify) {
    return client;
  }
  SSL_CTX_set_verify(client->context_, SSL_VERIFY_PEER, nullptr);
  ERR_clear_error();
  const int loaded = options.ca_file.empty()
                         ? SSL_CTX_set_default_verify_paths(client->context_)
                         : SSL_CTX_load_verify_file(client->context_, options.ca_file.c_str());
  if (loaded != 1) {
    return base::fail(std::errc::invalid_argument, "read CA certificates",
                      options.ca_file + ", " + take_tls_error());
  }
  return client;
}

TlsClient::~TlsClient() { SSL_CTX_free(context_); }

std::unique_ptr<TlsEngine> TlsClient::new_engine(const std::string& name) const {
  return TlsEngine::client(*context_, name);
}

}  // namespace posthouse::net
