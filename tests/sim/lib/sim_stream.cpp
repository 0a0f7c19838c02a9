// The Stream port on one end of a simulated connection, and the pretended TLS. Operations share the
// link and not the stream, so a stream may be destroyed while another coroutine is suspended in it.
#include <boost/asio/post.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.hpp"
#include "tests/sim/lib/sim_link.hpp"

namespace posthouse::sim {

namespace {

namespace asio = net::asio;
using base::Result;
using LinkPtr = std::shared_ptr<SimLink>;

constexpr std::string_view kClientHello = "\x16\x03\x01SIM-CLIENT-HELLO";
constexpr std::string_view kServerHello = "\x16\x03\x03SIM-SERVER-HELLO";
constexpr std::string_view kFinished = "\x16\x03\x03SIM-FINISHED";
constexpr std::string_view kRecordHeader = "\x17\x03\x03";
constexpr std::size_t kHeaderSize = 5;
constexpr std::size_t kMaxRecord = 16 * 1024;

std::string scramble(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(static_cast<unsigned char>(c) ^ 0xa5U);
  return out;
}

std::string to_records(std::string_view data) {
  std::string out;
  while (!data.empty()) {
    const std::string_view part = data.substr(0, kMaxRecord);
    data.remove_prefix(part.size());
    out += kRecordHeader;
    out += static_cast<char>(part.size() >> 8U);
    out += static_cast<char>(part.size() & 0xffU);
    out += scramble(part);
  }
  return out;
}

// Moves whole records to what can be read; false on octets that are no record.
bool decrypt(End& end) {
  while (end.cipher.size() >= kHeaderSize) {
    const std::string_view cipher = end.cipher;
    if (!cipher.starts_with(kRecordHeader)) return false;
    const std::size_t length =
        static_cast<std::size_t>(static_cast<unsigned char>(cipher[3])) * 256 +
        static_cast<unsigned char>(cipher[4]);
    if (cipher.size() < kHeaderSize + length) return true;
    end.plain += scramble(cipher.substr(kHeaderSize, length));
    end.cipher.erase(0, kHeaderSize + length);
  }
  return kRecordHeader.starts_with(std::string_view(end.cipher).substr(0, kRecordHeader.size()));
}

// The process died inside the handler that called us: it must not act any more, nor go on.
net::Task<> never(LinkPtr link) {
  WaitSlot slot(link->world);
  co_await slot.wait();
}

net::Task<> pause(LinkPtr link, base::Duration length) {
  co_await link->world.timer().sleep_until(link->world.now() + length);
}

net::Task<Result<>> write_raw(LinkPtr link, int side, std::string_view data) {
  while (true) {
    if (!link->alive(side)) co_await never(link);
    const End& end = link->end(side);
    if (end.closed) co_return tl::unexpected(link->gone(side, "write"));
    if (end.peer_gone) {
      co_return tl::unexpected(link->peer_error(side, std::errc::connection_reset, "write"));
    }
    if (link->out(side).ended) {
      co_return tl::unexpected(link->peer_error(side, std::errc::broken_pipe, "write"));
    }
    const std::size_t part = std::min(link->room(side), data.size());
    link->send(side, data.substr(0, part));
    data.remove_prefix(part);
    if (data.empty()) co_return Result<>();
    co_await link->out(side).writer.wait();
  }
}

// Waits until something has arrived. false: end of file.
net::Task<Result<bool>> wait_arrival(LinkPtr link, int side) {
  while (true) {
    if (!link->alive(side)) co_await never(link);
    Direction& in = link->in(side);
    if (link->end(side).closed) co_return tl::unexpected(link->gone(side, "read"));
    if (!in.arrived.empty()) co_return true;
    if (in.broken) {
      co_return tl::unexpected(link->peer_error(side, std::errc::connection_reset, "read"));
    }
    if (in.end_arrived) co_return false;
    co_await in.reader.wait();
  }
}

// Reads exactly `marker` (the handshake); anything else is a protocol error.
net::Task<Result<>> expect_raw(LinkPtr link, int side, std::string_view marker) {
  while (!marker.empty()) {
    const Result<bool> more = co_await wait_arrival(link, side);
    if (!more) co_return tl::unexpected(more.error());
    Direction& in = link->in(side);
    const std::size_t part = std::min(marker.size(), in.arrived.size());
    if (!*more || marker.substr(0, part) != std::string_view(in.arrived).substr(0, part)) {
      co_return tl::unexpected(link->peer_error(side, std::errc::protocol_error, "TLS handshake"));
    }
    in.arrived.erase(0, part);
    in.writer.wake();
    marker.remove_prefix(part);
  }
  co_return Result<>();
}

Result<net::TlsInfo> established(SimLink& link, int side) {
  link.end(side).tls = true;
  link.world.record("tls", link.id * 2 + static_cast<std::uint64_t>(side));
  net::TlsInfo info;
  info.version = "TLSv1.3";
  info.cipher = "TLS_SIMULATED";
  return info;
}

net::Task<Result<net::TlsInfo>> handshake(LinkPtr link, int side, bool server) {
  // Each side says and hears in turn; the server hears first.
  for (int turn = 0; turn < 3; ++turn) {
    const std::string_view marker = turn == 0 ? kClientHello : turn == 1 ? kServerHello : kFinished;
    const bool ours = server == (turn == 1);
    Result<> step;
    if (ours) {
      step = co_await write_raw(link, side, marker);
    } else {
      step = co_await expect_raw(link, side, marker);
    }
    if (!step) co_return tl::unexpected(step.error());
  }
  co_return established(*link, side);
}

// Hands `text` out in a buffer that dies with the next suspension of the reader.
std::string_view lend(const net::Executor& executor, std::string_view text) {
  auto buffer = std::make_unique<char[]>(text.size());
  std::memcpy(buffer.get(), text.data(), text.size());
  const std::string_view view(buffer.get(), text.size());
  asio::post(executor, [buffer = std::move(buffer), size = text.size()] {
    std::memset(buffer.get(), 0xdd, size);
  });
  return view;
}

}  // namespace

SimStream::SimStream(std::shared_ptr<SimLink> link, int side)
    : link_(std::move(link)), side_(side) {}

SimStream::~SimStream() { link_->close(side_); }

namespace {

net::Task<Result<std::string_view>> read_link(LinkPtr link, int side) {
  const net::Executor executor = co_await asio::this_coro::executor;
  // Never without a suspension: production waits for the reactor before every read.
  co_await asio::post(executor, net::use_task);
  End& end = link->end(side);
  if (end.slow_octets != 0) co_await pause(link, end.slow_pause);
  Direction& in = link->in(side);
  while (end.closed || !end.tls || end.plain.empty()) {
    const Result<bool> more = co_await wait_arrival(link, side);
    if (!more) co_return tl::unexpected(more.error());
    if (!*more) co_return std::string_view();  // in the middle of a record, too
    if (!end.tls) break;
    end.cipher += std::exchange(in.arrived, std::string());
    in.writer.wake();
    if (!decrypt(end)) {
      co_return tl::unexpected(link->peer_error(side, std::errc::protocol_error, "TLS read"));
    }
  }
  std::string& source = end.tls ? end.plain : in.arrived;
  std::size_t take = source.size();
  if (end.slow_octets != 0) take = std::min(take, end.slow_octets);
  if (link->random.below(4) == 0) take = 1 + static_cast<std::size_t>(link->random.below(take));
  const std::string_view view = lend(executor, std::string_view(source).substr(0, take));
  source.erase(0, take);
  in.writer.wake();
  co_return view;
}

net::Task<Result<>> write_link(LinkPtr link, int side, std::string_view data) {
  if (!link->end(side).tls) co_return co_await write_raw(link, side, data);
  const std::string records = to_records(data);
  co_return co_await write_raw(link, side, records);
}

}  // namespace

net::Task<Result<std::string_view>> SimStream::read() { return read_link(link_, side_); }

net::Task<Result<>> SimStream::write(std::string_view data) {
  return write_link(link_, side_, data);
}

net::Task<Result<net::TlsInfo>> SimStream::start_tls(std::shared_ptr<net::TlsServer> server) {
  PH_ASSERT(server != nullptr, "start_tls without a certificate store");
  return handshake(link_, side_, true);
}

net::Task<Result<net::TlsInfo>> SimStream::start_tls_client() {
  return handshake(link_, side_, false);
}

net::Task<Result<net::TlsInfo>> SimStream::start_tls_client(std::shared_ptr<net::TlsClient>,
                                                            std::string) {
  return handshake(link_, side_, false);
}

void SimStream::set_deadline(base::MonoTime when) {
  End& end = link_->end(side_);
  end.deadline = when;
  if (when < end.armed_for && !end.closed) link_->arm_deadline(side_, when);
}

void SimStream::close() { link_->close(side_); }

void SimStream::shutdown_write() { link_->send_end(side_); }

void SimStream::reset() {
  link_->reset(side_);
  link_->close(side_);
}

void SimStream::read_slowly(std::size_t octets, base::Duration pause_length) {
  link_->end(side_).slow_octets = octets;
  link_->end(side_).slow_pause = pause_length;
}

bool SimStream::closed() const { return link_->end(side_).closed; }
const net::Endpoint& SimStream::peer() const { return link_->end(side_).peer; }
const net::Endpoint& SimStream::local() const { return link_->end(side_).local; }

}  // namespace posthouse::sim
