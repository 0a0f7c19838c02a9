// The fakes of the driver tests: see house.hpp.
#include "tests/unit/smtpd/house.hpp"

#include "base/ids.hpp"

namespace posthouse::smtpd::testing {

namespace {

class Body final : public BodySink {
 public:
  explicit Body(House& house) : house_(house) {
    ++house_.bodies;
    ++house_.bodies_begun;
  }
  ~Body() override { --house_.bodies; }
  net::Task<> append(std::string& chunk) override {
    ++house_.slow_appends;
    co_await house_.pause(std::chrono::milliseconds(2));
    octets += chunk;
    chunk.clear();
  }
  bool try_append(std::string_view chunk) override {
    if (octets.size() + chunk.size() > house_.in_memory) {
      return false;
    }
    octets += chunk;
    return true;
  }
  std::string octets;

 private:
  House& house_;
};

}  // namespace

net::Task<> House::pause(base::Duration time) {
  const base::MonoTime until = world.now() + time;
  co_await world.timer().sleep_until(until);
}

net::Task<mail::Reply> House::verify(const RcptQuery& query) {
  co_await pause(std::chrono::microseconds(100));
  const std::string key = query.rcpt.key();
  if (key == "alice@example.com" || key == "bob@example.com") {
    co_return mail::Reply(250, "2.1.5", "OK");
  }
  if (query.client_may_relay || !query.envelope->auth_user.empty()) {
    co_return mail::Reply(250, "2.1.5", "relayed");
  }
  co_return mail::Reply(550, "5.1.1", "No such user");
}

mail::Reply House::may_accept(std::uint64_t size) {
  asked_sizes.push_back(size);
  return {250, "2.0.0", "OK"};
}

std::unique_ptr<BodySink> House::new_body(const base::MessageId&) {
  return std::make_unique<Body>(*this);
}

net::Task<mail::Reply> House::submit(Submission submission) {
  Stored message;
  message.envelope = std::move(submission.envelope);
  message.rcpts = std::move(submission.rcpts);
  message.trace = std::move(submission.trace);
  message.body = static_cast<Body&>(*submission.body).octets;
  message.id = base::format_message_id(submission.id);
  co_await pause(store_time);
  stored.push_back(std::move(message));
  co_return answer;
}

net::Task<AuthOutcome> House::verify(std::string user, base::Secret password,
                                     std::string* canonical) {
  ++logins;
  co_await pause(std::chrono::milliseconds(1));
  if (password.view() != "secret") {
    co_return AuthOutcome::refused;
  }
  *canonical = user + "@example.com";
  co_return AuthOutcome::accepted;
}

Services House::services() {
  Services services;
  services.oracle = this;
  services.sink = this;
  services.authenticator = this;
  services.timer = &world.timer();
  services.sessions = &sessions;
  return services;
}

net::Task<base::Result<std::string_view>> HandStream::read() {
  const std::shared_ptr<State> state = state_;
  std::string().swap(buffer_);  // a view kept too long is found by the sanitizer
  state->reading = true;
  while (state->input.empty() && !state->eof && !state->closed &&
         state->world.now() < state->deadline) {
    co_await state->slot->wait();
  }
  state->reading = false;
  if (state->closed) {
    co_return base::fail(std::errc::operation_canceled, "read");
  }
  if (!state->input.empty()) {
    buffer_.assign(state->input.front());
    state->input.erase(state->input.begin());
    co_return std::string_view(buffer_);
  }
  if (state->eof) {
    co_return std::string_view();
  }
  co_return base::fail(std::errc::timed_out, "read");
}

net::Task<base::Result<>> HandStream::write(std::string_view data) {
  if (state_->closed || state_->fail_writes || state_->world.now() >= state_->deadline) {
    co_return base::fail(std::errc::operation_canceled, "write");
  }
  state_->writes.emplace_back(data);
  co_return base::Result<>();
}

net::Task<base::Result<net::TlsInfo>> HandStream::start_tls(std::shared_ptr<net::TlsServer>) {
  state_->tls = true;
  net::TlsInfo info;
  info.version = "TLSv1.3";
  info.cipher = "TLS_TEST";
  co_return info;
}

void HandStream::set_deadline(base::MonoTime when) {
  ++state_->deadlines;
  state_->deadline = when;
  const std::shared_ptr<State> state = state_;
  state_->world.at(when, [state] {
    if (state->reading) {
      state->slot->wake();
    }
  });
}

void HandStream::close() {
  state_->closed = true;
  if (state_->reading) {
    state_->slot->wake();
  }
}

}  // namespace posthouse::smtpd::testing
