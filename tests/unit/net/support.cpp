// Helpers of the net tests.
#include "support.hpp"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <condition_variable>
#include <deque>
#include <fstream>
#include <mutex>
#include <stdexcept>

namespace posthouse::net::test {

void run_task(Shards& shards, std::size_t index, Task<> task) {
  std::promise<void> done;
  spawn(shards.executor(index), std::move(task), "test", [&done] { done.set_value(); });
  done.get_future().wait();
}

struct LoopbackServer::Accepted {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::pair<Executor, std::unique_ptr<Stream>>> streams;
};

LoopbackServer::LoopbackServer(std::size_t shard_count)
    : shards_(shard_count), accepted_(std::make_shared<Accepted>()) {
  ListenOptions options;
  options.endpoint.address = IpAddress::v4(0x7f000001);
  listener_ = std::move(Listener::bind(options).value());
  listener_->serve(shards_, [accepted = accepted_](const Executor& e, std::unique_ptr<Stream> s) {
    const std::lock_guard lock(accepted->mutex);
    accepted->streams.emplace_back(e, std::move(s));
    accepted->changed.notify_all();
  });
  shards_.run();
}

LoopbackServer::~LoopbackServer() {
  listener_->stop();
  shards_.stop();
}

std::unique_ptr<Stream> LoopbackServer::accept(UniqueFd& client, std::optional<Executor>* shard) {
  client = connect_to(port());
  std::unique_lock lock(accepted_->mutex);
  accepted_->changed.wait(lock, [this] { return !accepted_->streams.empty(); });
  auto stream = std::move(accepted_->streams.front().second);
  if (shard != nullptr) {
    shard->emplace(accepted_->streams.front().first);
  }
  accepted_->streams.pop_front();
  return stream;
}

UniqueFd connect_to(const Endpoint& endpoint) {
  SocketAddress address;
  const socklen_t length = to_socket_address(endpoint, address);
  UniqueFd fd(socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || ::connect(fd.get(), &address.any, length) != 0) {
    throw std::system_error(errno, std::generic_category(), "connect " + endpoint.text());
  }
  return fd;
}

UniqueFd connect_to(std::uint16_t port) {
  Endpoint endpoint;
  endpoint.address = IpAddress::v4(0x7f000001);
  endpoint.port = port;
  return connect_to(endpoint);
}

std::string receive(int fd, std::size_t size) {
  std::string out;
  std::vector<char> buffer(64 * 1024);
  while (out.size() < size) {
    const ssize_t got = ::recv(fd, buffer.data(), std::min(buffer.size(), size - out.size()), 0);
    if (got <= 0) {
      break;
    }
    out.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return out;
}

std::string receive_all(int fd) { return receive(fd, static_cast<std::size_t>(-1)); }

void send_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t sent = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      throw std::system_error(errno, std::generic_category(), "send");
    }
    data.remove_prefix(static_cast<std::size_t>(sent));
  }
}

namespace {

std::string take_bio(BIO* bio) {
  char* data = nullptr;
  const long length = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(length));
  BIO_free(bio);
  return text;
}

}  // namespace

TestCertificate make_certificate(const std::vector<std::string>& names) {
  static long serial = 1;
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
  X509_set_pubkey(certificate, key);
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(names.front().c_str()), -1, -1,
                             0);
  X509_set_issuer_name(certificate, subject);
  std::string alternatives;
  for (const std::string& name : names) {
    alternatives += (alternatives.empty() ? "DNS:" : ",DNS:") + name;
  }
  X509_EXTENSION* extension =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, alternatives.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  X509_sign(certificate, key, EVP_sha256());

  TestCertificate made;
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  made.certificate = take_bio(bio);
  bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  made.key = take_bio(bio);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return made;
}

TempDir::TempDir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "posthouse-net-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    throw std::system_error(errno, std::generic_category(), "mkdtemp");
  }
  root_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

std::string TempDir::write(const std::string& name, const std::string& content) const {
  const std::string temporary = path(name + ".tmp");
  std::ofstream(temporary) << content;
  std::filesystem::permissions(
      temporary, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  std::filesystem::rename(temporary, path(name));
  return path(name);
}

}  // namespace posthouse::net::test
