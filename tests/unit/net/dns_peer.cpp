// The test's DNS server and its octets.
#include "dns_peer.hpp"

#include <poll.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "base/text.hpp"
#include "support.hpp"

namespace posthouse::net::test {

std::string dns_u16(unsigned value) {
  std::string out;
  out += static_cast<char>(value >> 8U & 0xffU);
  out += static_cast<char>(value & 0xffU);
  return out;
}

std::string dns_u32(std::uint32_t value) {
  return dns_u16(value >> 16U) + dns_u16(value & 0xffffU);
}

std::string dns_name(std::string_view name) {
  std::string out;
  if (name != ".") {
    for (const std::string_view label : base::split(name, '.')) {
      out += static_cast<char>(label.size());
      out += label;
    }
  }
  return out + '\0';
}

std::string dns_mx(unsigned preference, std::string_view host) {
  return dns_u16(preference) + dns_name(host);
}

std::string dns_address(std::string_view address) {
  const IpAddress parsed = IpAddress::parse(address).value();
  const auto& bytes = parsed.bytes();
  return {reinterpret_cast<const char*>(bytes.data()) + (parsed.is_v4() ? 12 : 0),
          parsed.is_v4() ? 4U : 16U};
}

std::string dns_soa(std::uint32_t minimum) {
  return dns_name("ns.test") + dns_name("root.test") + dns_u32(1) + dns_u32(2) + dns_u32(3) +
         dns_u32(4) + dns_u32(minimum);
}

AnswerBuilder::AnswerBuilder(std::string_view query)
    : id_(query.substr(0, 2)), question_(query.substr(12)) {}

AnswerBuilder& AnswerBuilder::rcode(unsigned value) {
  flags_ |= value;
  return *this;
}
AnswerBuilder& AnswerBuilder::truncated() {
  flags_ |= 0x0200U;
  return *this;
}
AnswerBuilder& AnswerBuilder::no_recursion() {
  flags_ &= ~0x0080U;
  return *this;
}

namespace {
std::string record(std::string_view owner, DnsType type, std::uint32_t ttl, std::string_view data) {
  return dns_name(owner) + dns_u16(static_cast<unsigned>(type)) + dns_u16(1) + dns_u32(ttl) +
         dns_u16(static_cast<unsigned>(data.size())) + std::string(data);
}
}  // namespace

AnswerBuilder& AnswerBuilder::add(std::string_view owner, DnsType type, std::uint32_t ttl,
                                  std::string_view data) {
  records_ += record(owner, type, ttl, data);
  ++answers_;
  return *this;
}

AnswerBuilder& AnswerBuilder::add_authority(std::string_view owner, DnsType type, std::uint32_t ttl,
                                            std::string_view data) {
  authority_ += record(owner, type, ttl, data);
  ++authorities_;
  return *this;
}

std::string AnswerBuilder::text() const {
  return id_ + dns_u16(flags_) + dns_u16(1) + dns_u16(answers_) + dns_u16(authorities_) +
         dns_u16(0) + question_ + records_ + authority_;
}

namespace {

UniqueFd bind_loopback(int type, std::uint16_t port) {
  Endpoint endpoint;
  endpoint.address = IpAddress::v4(0x7f000001);
  endpoint.port = port;
  SocketAddress address;
  const socklen_t length = to_socket_address(endpoint, address);
  UniqueFd fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  if (::bind(fd.get(), &address.any, length) != 0) {
    return {};
  }
  return fd;
}

}  // namespace

DnsPeer::DnsPeer(Handler handler) : handler_(std::move(handler)) {
  // The kernel's choice for TCP may be taken for UDP.
  for (int i = 0; i < 100 && !udp_; ++i) {
    tcp_ = bind_loopback(SOCK_STREAM, 0);
    endpoint_ = local_endpoint(tcp_.get());
    udp_ = bind_loopback(SOCK_DGRAM, endpoint_.port);
  }
  std::array<int, 2> ends{};
  if (!udp_ || ::listen(tcp_.get(), 16) != 0 || ::pipe(ends.data()) != 0) {
    throw std::system_error(errno, std::generic_category(), "DNS test server");
  }
  wake_read_ = UniqueFd(ends[0]);
  wake_write_ = UniqueFd(ends[1]);
  thread_ = std::thread([this] { run(); });
}

DnsPeer::~DnsPeer() {
  wake_write_ = UniqueFd();
  thread_.join();
}

void DnsPeer::run() {
  for (;;) {
    std::array<pollfd, 3> fds{};
    fds[0].fd = wake_read_.get();
    fds[1].fd = udp_.get();
    fds[2].fd = tcp_.get();
    for (pollfd& fd : fds) {
      fd.events = POLLIN;
    }
    if (::poll(fds.data(), fds.size(), -1) < 0 || fds[0].revents != 0) {
      return;
    }
    if (fds[1].revents != 0) {
      serve_udp();
    }
    if (fds[2].revents != 0) {
      serve_tcp();
    }
  }
}

std::vector<std::string> DnsPeer::ask(std::string_view packet, bool tcp) {
  DnsQuestion question;
  question.packet = packet;
  std::size_t at = 12;
  while (at < packet.size() && packet[at] != '\0') {
    const auto length = static_cast<std::size_t>(packet[at]);
    question.name +=
        (question.name.empty() ? "" : ".") + std::string(packet.substr(at + 1, length));
    at += length + 1;
  }
  question.type = static_cast<DnsType>(static_cast<unsigned char>(packet.at(at + 2)));
  question.tcp = tcp;
  const std::string key =
      question.name + '/' + std::string(to_text(question.type)) + (tcp ? "/tcp" : "/udp");
  question.nth = counts_[key]++;
  ++queries_;
  return handler_(question);
}

void DnsPeer::serve_udp() {
  std::array<char, 4096> buffer{};
  SocketAddress from;
  socklen_t length = sizeof from;
  const ssize_t got = ::recvfrom(udp_.get(), buffer.data(), buffer.size(), 0, &from.any, &length);
  if (got < 12) {
    return;
  }
  for (const std::string& text : ask({buffer.data(), static_cast<std::size_t>(got)}, false)) {
    static_cast<void>(::sendto(udp_.get(), text.data(), text.size(), 0, &from.any, length));
  }
}

// One question a connection.
void DnsPeer::serve_tcp() {
  const UniqueFd peer(::accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const std::string size = receive(peer.get(), 2);
  if (size.size() < 2) {
    return;
  }
  const std::string packet =
      receive(peer.get(), static_cast<std::size_t>(static_cast<unsigned char>(size[0])) << 8U |
                              static_cast<unsigned char>(size[1]));
  for (const std::string& text : ask(packet, true)) {
    // Piece by piece, as a slow network would.
    const std::string framed = dns_u16(static_cast<unsigned>(text.size())) + text;
    for (std::size_t at = 0; at < framed.size(); at += 500) {
      send_all(peer.get(), std::string_view(framed).substr(at, 500));
    }
  }
  static_cast<void>(receive(peer.get(), 1));  // until the client closes
}

}  // namespace posthouse::net::test
