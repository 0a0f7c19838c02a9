// SMTP load generator for bench/compare.py: keeps a fixed number of sessions busy in lock step (one
// command, one reply), each message with its own X-Bench-Id, and prints one JSON object with rate
// and the latency of the final 250. One thread, epoll; loopback only.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::uint16_t port = 25;
  std::size_t sessions = 1;
  long count = 1000;
  long per_session = 0;  // messages on one connection; 0: all
  long size = 4096;      // octets of a message, roughly
  long users = 50;
  long first_id = 0;
  int timeout_s = 300;
};

enum class Wait { banner, ehlo, mail, rcpt, data, dot, quit, none };

struct Session {
  int socket = -1;
  Wait wait = Wait::none;
  std::string in;
  std::string out;
  std::size_t sent = 0;
  long id = -1;
  long done_here = 0;
  Clock::time_point dot_sent;
};

class Load {
 public:
  explicit Load(const Options& options) : options_(options), sessions_(options.sessions) {
    const std::string line = std::string(74, 'm') + "\r\n";
    while (static_cast<long>(body_.size() + line.size()) < options.size - 200) body_ += line;
    latency_ms_.reserve(static_cast<std::size_t>(options.count));
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  }

  int run() {
    begin_ = Clock::now();
    end_ = begin_;
    for (auto& session : sessions_) connect(session);
    std::vector<epoll_event> events(1024);
    while (accepted_ < options_.count) {
      if (Clock::now() - begin_ > std::chrono::seconds(options_.timeout_s)) break;
      const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 1000);
      for (int i = 0; i < n; ++i) {
        Session& session = sessions_[events[static_cast<std::size_t>(i)].data.u64];
        if (session.socket >= 0) on_event(session, events[static_cast<std::size_t>(i)].events);
      }
    }
    report();
    return accepted_ == options_.count && failures_ == 0 ? 0 : 1;
  }

 private:
  void connect(Session& session) {
    session.socket = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int one = 1;
    ::setsockopt(session.socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    session.in.clear();
    session.out.clear();
    session.sent = 0;
    session.done_here = 0;
    session.wait = Wait::banner;
    if (::connect(session.socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 &&
        errno != EINPROGRESS) {
      fail(session, "connect");
      return;
    }
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = static_cast<std::uint64_t>(&session - sessions_.data());
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, session.socket, &event);
  }

  void fail(Session& session, std::string_view what) {
    if (failures_++ < 3)
      std::fprintf(stderr, "load: %.*s\n", static_cast<int>(what.size()), what.data());
    close(session);
    if (failures_ > 100) std::exit(1);
  }

  void close(Session& session) {
    ::close(session.socket);
    session.socket = -1;
    session.wait = Wait::none;
  }

  void want(Session& session, std::uint32_t what) {
    epoll_event event{};
    event.events = what;
    event.data.u64 = static_cast<std::uint64_t>(&session - sessions_.data());
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, session.socket, &event);
  }

  void on_event(Session& session, std::uint32_t events) {
    if ((events & EPOLLOUT) != 0) flush(session);
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
    char buffer[8192];
    const ssize_t n = ::recv(session.socket, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return fail(session, "connection lost");
    session.in.append(buffer, static_cast<std::size_t>(n));
    std::size_t end = 0;
    while (session.socket >= 0 && (end = session.in.find('\n')) != std::string::npos) {
      const std::string line = session.in.substr(0, end);
      session.in.erase(0, end + 1);
      if (line.size() > 3 && line[3] == '-') continue;
      on_reply(session, line);
    }
  }

  void say(Session& session, std::string_view text, Wait wait) {
    session.wait = wait;
    session.out.append(text);
    flush(session);
  }

  void flush(Session& session) {
    while (session.sent < session.out.size()) {
      const ssize_t n = ::send(session.socket, session.out.data() + session.sent,
                               session.out.size() - session.sent, MSG_NOSIGNAL);
      if (n < 0 && errno == EAGAIN) return want(session, EPOLLIN | EPOLLOUT);
      if (n < 0) return fail(session, "send");
      session.sent += static_cast<std::size_t>(n);
    }
    const bool was_long = session.out.size() > 65536;
    session.out.clear();
    session.sent = 0;
    if (was_long) want(session, EPOLLIN);
  }

  void on_reply(Session& session, const std::string& line) {
    const char* expected = session.wait == Wait::banner ? "220"
                           : session.wait == Wait::data ? "354"
                           : session.wait == Wait::quit ? "221"
                                                        : "250";
    if (line.compare(0, 3, expected) != 0) return fail(session, line);
    switch (session.wait) {
      case Wait::banner:
        return say(session, "EHLO load.test\r\n", Wait::ehlo);
      case Wait::ehlo:
        return next_message(session);
      case Wait::mail: {
        const std::string user = std::to_string((session.id - options_.first_id) % options_.users);
        return say(session, "RCPT TO:<u" + user + "@local.test>\r\n", Wait::rcpt);
      }
      case Wait::rcpt:
        return say(session, "DATA\r\n", Wait::data);
      case Wait::data:
        session.dot_sent = Clock::now();
        return say(session, message(session.id), Wait::dot);
      case Wait::dot: {
        end_ = Clock::now();
        latency_ms_.push_back(
            std::chrono::duration<double, std::milli>(end_ - session.dot_sent).count());
        ++accepted_;
        ++session.done_here;
        return next_message(session);
      }
      case Wait::quit:
        close(session);
        if (given_ < options_.count) connect(session);
        return;
      case Wait::none:
        return;
    }
  }

  void next_message(Session& session) {
    const bool full = options_.per_session > 0 && session.done_here >= options_.per_session;
    if (full || given_ >= options_.count) return say(session, "QUIT\r\n", Wait::quit);
    session.id = options_.first_id + given_++;
    say(session, "MAIL FROM:<sender@load.test>\r\n", Wait::mail);
  }

  std::string message(long id) const {
    char head[256];
    std::snprintf(head, sizeof head,
                  "X-Bench-Id: %012ld\r\nFrom: <sender@load.test>\r\nTo: <u@local.test>\r\n"
                  "Subject: load\r\nMessage-ID: <%ld@load.test>\r\n\r\n",
                  id, id);
    return head + body_ + ".\r\n";
  }

  void report() {
    std::sort(latency_ms_.begin(), latency_ms_.end());
    const auto at = [&](double part) {
      if (latency_ms_.empty()) return 0.0;
      return latency_ms_[std::min(
          latency_ms_.size() - 1,
          static_cast<std::size_t>(part * static_cast<double>(latency_ms_.size())))];
    };
    const double wall = std::chrono::duration<double>(end_ - begin_).count();
    std::printf(
        "{\"accepted\":%ld,\"failures\":%d,\"wall_s\":%.4f,\"rate\":%.1f,\"p50_ms\":%.3f,\"p99_"
        "ms\":%.3f}\n",
        accepted_, failures_, wall, static_cast<double>(accepted_) / wall, at(0.5), at(0.99));
  }

  Options options_;
  std::vector<Session> sessions_;
  std::string body_;
  std::vector<double> latency_ms_;
  int epoll_ = -1;
  long given_ = 0;
  long accepted_ = 0;
  int failures_ = 0;
  Clock::time_point begin_;
  Clock::time_point end_;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const long value = std::atol(argv[i + 1]);
    if (name == "--port")
      options.port = static_cast<std::uint16_t>(value);
    else if (name == "--sessions")
      options.sessions = static_cast<std::size_t>(value);
    else if (name == "--count")
      options.count = value;
    else if (name == "--per-session")
      options.per_session = value;
    else if (name == "--size")
      options.size = value;
    else if (name == "--users")
      options.users = value;
    else if (name == "--first-id")
      options.first_id = value;
    else if (name == "--timeout")
      options.timeout_s = static_cast<int>(value);
    else {
      std::fprintf(stderr, "load: unknown option %s\n", argv[i]);
      return 64;
    }
  }
  ::signal(SIGPIPE, SIG_IGN);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return Load(options).run();
}
