// Socket addresses to and from endpoints. Any thread.
#include "net/socket_fd.hpp"

#include <algorithm>
#include <cstring>

namespace posthouse::net {

socklen_t to_socket_address(const Endpoint& endpoint, SocketAddress& out) {
  std::memset(&out, 0, sizeof out);
  const auto& bytes = endpoint.address.bytes();
  if (endpoint.address.is_v4()) {
    out.v4.sin_family = AF_INET;
    out.v4.sin_port = htons(endpoint.port);
    std::memcpy(&out.v4.sin_addr, bytes.data() + 12, 4);
    return sizeof out.v4;
  }
  out.v6.sin6_family = AF_INET6;
  out.v6.sin6_port = htons(endpoint.port);
  std::memcpy(&out.v6.sin6_addr, bytes.data(), 16);
  return sizeof out.v6;
}

Endpoint from_socket_address(const SocketAddress& address) {
  Endpoint endpoint;
  if (address.any.sa_family == AF_INET) {
    endpoint.address = IpAddress::v4(ntohl(address.v4.sin_addr.s_addr));
    endpoint.port = ntohs(address.v4.sin_port);
  } else if (address.any.sa_family == AF_INET6) {
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &address.v6.sin6_addr, 16);
    endpoint.address = IpAddress::from_bytes(bytes);
    endpoint.port = ntohs(address.v6.sin6_port);
  }
  return endpoint;
}

Endpoint local_endpoint(int fd) {
  SocketAddress address;
  std::memset(&address, 0, sizeof address);
  socklen_t length = sizeof address;
  if (getsockname(fd, &address.any, &length) != 0) {
    return {};
  }
  return from_socket_address(address);
}

}  // namespace posthouse::net
