// Private to net/: an owned descriptor, and our endpoints as the kernel's socket addresses.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "net/address.hpp"

namespace posthouse::net {

// Closes its descriptor when destroyed.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
  sockaddr_storage storage;
};

// Fills `out` and returns its length; IPv4 endpoints become AF_INET.
[[nodiscard]] socklen_t to_socket_address(const Endpoint& endpoint, SocketAddress& out);
// IPv4 peers of an IPv6 socket come out as IPv4, because IpAddress holds them mapped anyway.
[[nodiscard]] Endpoint from_socket_address(const SocketAddress& address);
// The own side of a socket; an empty endpoint if the kernel does not tell.
[[nodiscard]] Endpoint local_endpoint(int fd);

}  // namespace posthouse::net
