// See relay_mail.hpp.
#include "deliver/relay_mail.hpp"

#include <algorithm>

#include "mail/transfer_encoding.hpp"

namespace posthouse::deliver {

const ClientMessage* RelayMail::next() {
  if (waiting_.empty()) {
    return work_.next();
  }
  under_way_.push_back(std::move(waiting_.front()));
  waiting_.pop_front();
  return &under_way_.back()->message;
}

std::deque<std::unique_ptr<RelayMail::Rest>>::iterator RelayMail::find(
    const ClientMessage& message) {
  return std::find_if(under_way_.begin(), under_way_.end(),
                      [&message](const auto& rest) { return &rest->message == &message; });
}

std::unique_ptr<BodySource> RelayMail::open_body(const ClientMessage& message) {
  const auto rest = find(message);
  return work_.open_body(rest == under_way_.end() ? message : *(*rest)->original);
}

void RelayMail::on_result(MessageResult result) {
  const auto found = find(*result.message);
  if (found == under_way_.end()) {
    settle(std::move(result));
    return;
  }
  const std::unique_ptr<Rest> rest = std::move(*found);
  under_way_.erase(found);
  bool progress = false;
  for (std::size_t i = 0; i < rest->positions.size(); ++i) {
    progress = progress || !result.rcpts[i].too_many;
    rest->result.rcpts[rest->positions[i]] = std::move(result.rcpts[i]);
  }
  if (progress) {
    settle(std::move(rest->result));
  } else {
    ++count_;
    work_.finished(std::move(rest->result));
  }
}

// A message goes again at once while the peer takes some of its recipients each time; so it ends.
void RelayMail::settle(MessageResult result) {
  auto rest = std::make_unique<Rest>();
  bool delivered = false;
  for (std::size_t i = 0; i < result.rcpts.size(); ++i) {
    delivered = delivered || result.rcpts[i].disposition == Disposition::delivered;
    if (result.rcpts[i].too_many) {
      rest->positions.push_back(i);
    }
  }
  if (rest->positions.empty() || !delivered) {
    ++count_;
    work_.finished(std::move(result));
    return;
  }
  rest->original = result.message;
  rest->message = *result.message;
  rest->message.rcpts.clear();
  for (const std::size_t position : rest->positions) {
    rest->message.rcpts.push_back(result.message->rcpts[position]);
  }
  rest->result = std::move(result);
  waiting_.push_back(std::move(rest));
}

void RelayMail::finish() {
  for (auto* const queue : {&under_way_, &waiting_}) {
    for (auto& rest : *queue) {
      ++count_;
      work_.finished(std::move(rest->result));
    }
    queue->clear();
  }
}

net::Task<> read_and_convert(BodySource& source, std::size_t limit, SevenBit& out) {
  std::string text;
  if (const auto whole = source.memory()) {
    text = *whole;
  } else {
    for (;;) {
      const base::Result<std::string_view> piece = co_await source.read();
      if (!piece) {
        out.why = piece.error().message();
        co_return;
      }
      if (piece->empty()) {
        break;
      }
      text += *piece;
      if (text.size() > limit) {
        break;
      }
    }
  }
  if (text.size() > limit) {
    out.why = "the message is too large to be converted";
    co_return;
  }
  out.text = mail::to_seven_bit(text, &out.why);
}

}  // namespace posthouse::deliver
