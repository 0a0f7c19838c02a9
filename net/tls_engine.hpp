// One TLS connection without I/O: octets of the socket in and out, octets of the user in and out.
// The stream (asio_stream.cpp) moves them. Keeps no buffer of its own beyond a partial record
// inside OpenSSL. One thread at a time. After `failed` only take the output (an alert) and drop it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "net/ports.hpp"

typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;

namespace posthouse::net {

enum class TlsStatus {
  done,        // handshake: complete; read: plaintext was delivered
  want_input,  // all input is used up; more octets of the peer are needed
  closed,      // the peer sent close_notify
  failed,      // see error()
};

class TlsEngine {
 public:
  // `keep_alive` is released with the engine: what the context's callbacks refer to.
  static std::unique_ptr<TlsEngine> server(SSL_CTX& context,
                                           std::shared_ptr<const void> keep_alive);
  // `name` is sent as SNI and, if the context verifies, must be in the certificate; may be empty.
  static std::unique_ptr<TlsEngine> client(SSL_CTX& context, const std::string& name);
  ~TlsEngine();
  TlsEngine(const TlsEngine&) = delete;
  TlsEngine& operator=(const TlsEngine&) = delete;

  // Each call takes what it needs from the front of `input`, which it shortens, and appends what
  // is to be sent to the peer to `output`.
  TlsStatus handshake(std::string_view& input, std::string& output);
  // Decrypts into `plain`; `length` gets the count. Stops early only when `plain` is full.
  TlsStatus read(std::string_view& input, std::span<char> plain, std::size_t& length,
                 std::string& output);
  // Encrypts all of `plain`; done or failed. Only after the handshake.
  TlsStatus write(std::string_view plain, std::string& output);
  void close_notify(std::string& output);

  [[nodiscard]] TlsInfo info() const;
  // The reason after `failed`, e.g. "unsupported protocol".
  [[nodiscard]] const std::string& error() const { return error_; }

  // The memory "socket" of OpenSSL; used by the BIO callbacks in tls_engine.cpp.
  struct Wire {
    std::string_view* input = nullptr;
    std::string* output = nullptr;
  };

 private:
  TlsEngine(SSL_CTX& context, std::shared_ptr<const void> keep_alive);
  TlsStatus classify(int result);
  void attach(std::string_view* input, std::string* output);

  Wire wire_;
  std::shared_ptr<const void> keep_alive_;
  SSL* ssl_ = nullptr;
  std::string error_;
};

// The words of the oldest entry of OpenSSL's error queue, which is emptied; "unknown" if none.
[[nodiscard]] std::string take_tls_error();

struct TlsClientOptions {
  bool verify = false;  // chain to `ca_file` or the system's store, and the name
  std::string ca_file;  // empty: the system's store
};

// Settings shared by all client connections; safe from any thread.
class TlsClient {
 public:
  static base::Result<std::shared_ptr<TlsClient>> make(const TlsClientOptions& options);
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  [[nodiscard]] std::unique_ptr<TlsEngine> new_engine(const std::string& name) const;

 private:
  explicit TlsClient(SSL_CTX* context) : context_(context) {}
  SSL_CTX* context_;
};

}  // namespace posthouse::net
