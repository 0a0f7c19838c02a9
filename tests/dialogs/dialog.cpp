// Reading and playing dialogues: see dialog.hpp.
#include "tests/dialogs/dialog.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "base/random.hpp"
#include "base/text.hpp"

namespace posthouse::dialogs {

namespace {

int hex_digit(char c) {
  const char low = base::ascii_lower(c);
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

// "C", "raw*300": the directive and how often its text is repeated.
struct Directive {
  std::string name;
  std::size_t repeat = 1;
};

std::optional<Directive> parse_directive(std::string_view key) {
  const std::size_t star = key.find('*');
  Directive directive;
  directive.name = key.substr(0, star);
  if (star != std::string_view::npos) {
    const auto count = base::parse_u64(key.substr(star + 1));
    if (!count || *count > 1000000) {
      return std::nullopt;
    }
    directive.repeat = static_cast<std::size_t>(*count);
  }
  static constexpr std::string_view kNames[] = {"C", "C64", "raw", "S", "E", "T"};
  const bool known =
      std::find(std::begin(kNames), std::end(kNames), directive.name) != std::end(kNames);
  return known ? std::optional<Directive>(directive) : std::nullopt;
}

Line make_line(const Directive& directive, std::string_view text, int number) {
  Line line;
  line.number = number;
  line.text = text;
  if (directive.name == "C") {
    line.text += "\r\n";
  } else if (directive.name == "C64") {
    line.text = base::base64_encode(unescape(text)) + "\r\n";
  } else if (directive.name == "raw") {
    line.text = unescape(text);
  } else if (directive.name == "S") {
    line.kind = Line::Kind::expect;
  } else if (directive.name == "E") {
    line.kind = Line::Kind::event;
  } else {
    line.kind = Line::Kind::trigger;
  }
  return line;
}

class Reader {
 public:
  Reader(std::string_view name, Dialog* dialog, std::string* error)
      : dialog_(dialog), error_(error) {
    dialog_->name = name;
  }

  bool read_line(std::string_view raw) {
    ++number_;
    if (!raw.empty() && raw.back() == '\r') {
      raw.remove_suffix(1);
    }
    if (base::trim(raw).empty() || raw.front() == '#') {
      return true;
    }
    const std::string_view word = base::trim(raw);
    if (word == "TLS" || word == "CLOSE") {
      Line line;
      line.kind = word == "TLS" ? Line::Kind::tls : Line::Kind::close;
      line.number = number_;
      dialog_->lines.push_back(line);
      return true;
    }
    const std::size_t colon = raw.find(':');
    if (colon == std::string_view::npos) {
      return fail("neither a directive nor an option");
    }
    const std::string_view key = raw.substr(0, colon);
    std::string_view text = raw.substr(colon + 1);
    if (!text.empty() && text.front() == ' ') {
      text.remove_prefix(1);
    }
    const auto directive = parse_directive(key);
    if (!directive) {
      if (!dialog_->lines.empty()) {
        return fail("an option after the dialogue has begun, or an unknown directive");
      }
      dialog_->options.emplace(std::string(key), std::string(base::trim(text)));
      return true;
    }
    add(*directive, text);
    return true;
  }

 private:
  void add(const Directive& directive, std::string_view text) {
    const Line line = make_line(directive, text, number_);
    if (line.kind == Line::Kind::send) {
      Line all = line;
      for (std::size_t i = 1; i < directive.repeat; ++i) {
        all.text += line.text;
      }
      dialog_->lines.push_back(std::move(all));
      return;
    }
    dialog_->lines.insert(dialog_->lines.end(), directive.repeat, line);
  }

  bool fail(std::string_view what) {
    *error_ = dialog_->name + ":" + std::to_string(number_) + ": " + std::string(what);
    return false;
  }

  Dialog* dialog_;
  std::string* error_;
  int number_ = 0;
};

void replace_all(std::string& text, const Variables& variables) {
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = text[at] == '{' ? text.find('}', at) : std::string::npos;
    if (end != std::string::npos) {
      const auto found = variables.find(text.substr(at + 1, end - at - 1));
      if (found != variables.end()) {
        out += found->second;
        at = end + 1;
        continue;
      }
    }
    out += text[at++];
  }
  text = std::move(out);
}

// Puts all that the client sends in a stretch without TLS or triggers before the answers to it.
std::vector<Line> pipeline(const std::vector<Line>& lines) {
  std::vector<Line> out;
  auto begin = lines.begin();
  while (begin != lines.end()) {
    const auto end = std::find_if(begin, lines.end(), [](const Line& line) {
      return line.kind == Line::Kind::tls || line.kind == Line::Kind::trigger;
    });
    std::copy_if(begin, end, std::back_inserter(out),
                 [](const Line& line) { return line.kind == Line::Kind::send; });
    std::copy_if(begin, end, std::back_inserter(out),
                 [](const Line& line) { return line.kind != Line::Kind::send; });
    begin = end;
    if (begin != lines.end()) {
      out.push_back(*begin++);
    }
  }
  return out;
}

class Player {
 public:
  Player(const Dialog& dialog, Peer& peer, Split split, std::uint64_t seed)
      : dialog_(dialog), peer_(peer), split_(split), random_(seed) {}

  std::string run() {
    const bool watch_events =
        std::any_of(dialog_.lines.begin(), dialog_.lines.end(),
                    [](const Line& line) { return line.kind == Line::Kind::event; });
    const std::vector<Line> lines =
        split_ == Split::pipelined ? pipeline(dialog_.lines) : dialog_.lines;
    for (const Line& line : lines) {
      if (line.kind != Line::Kind::send) {
        flush();
      }
      const std::string trouble = perform(line);
      if (!trouble.empty()) {
        return at(line.number, trouble);
      }
    }
    flush();
    return at_end(watch_events);
  }

 private:
  std::string perform(const Line& line) {
    switch (line.kind) {
      case Line::Kind::send:
        waiting_ += line.text;
        return {};
      case Line::Kind::expect:
        return expect_line(line.text);
      case Line::Kind::tls:
        if (!output_.empty()) {
          return "unexpected before TLS: " + escape(output_);
        }
        peer_.start_tls();
        collect();
        return {};
      case Line::Kind::close:
        if (!output_.empty()) {
          return "unexpected before the end: " + escape(output_);
        }
        return peer_.closed() ? std::string() : "the server did not close";
      case Line::Kind::event:
        return expect_event(line.text);
      case Line::Kind::trigger:
        peer_.trigger(line.text);
        collect();
        return {};
    }
    return "unknown line";
  }

  std::string expect_line(std::string_view pattern) {
    const std::size_t end = output_.find("\r\n");
    if (end == std::string::npos) {
      return "expected: " + std::string(pattern) + "\n  got only: \"" + escape(output_) + "\"" +
             (peer_.closed() ? " and the end of the connection" : "");
    }
    const std::string line = output_.substr(0, end);
    output_.erase(0, end + 2);
    if (!matches(pattern, line)) {
      return "expected: " + std::string(pattern) + "\n       got: " + escape(line);
    }
    return {};
  }

  std::string expect_event(std::string_view pattern) {
    if (events_.empty()) {
      return "expected event: " + std::string(pattern) + "\n  got none";
    }
    const std::string event = events_.front();
    events_.erase(events_.begin());
    if (!matches(pattern, event)) {
      return "expected event: " + std::string(pattern) + "\n             got: " + event;
    }
    return {};
  }

  std::string at_end(bool watch_events) const {
    if (!output_.empty()) {
      return dialog_.name + ": at the end unexpected: " + escape(output_);
    }
    if (watch_events && !events_.empty()) {
      return dialog_.name + ": at the end unexpected event: " + events_.front();
    }
    const bool told = !dialog_.lines.empty() &&
                      std::any_of(dialog_.lines.begin(), dialog_.lines.end(),
                                  [](const Line& line) { return line.kind == Line::Kind::close; });
    if (peer_.closed() && !told) {
      return dialog_.name + ": the server closed, which the dialogue does not say";
    }
    return {};
  }

  // Sends what the client has said, cut as asked for.
  void flush() {
    std::string_view rest = waiting_;
    while (!rest.empty()) {
      std::size_t size = rest.size();
      if (split_ == Split::octets) {
        size = 1;
      } else if (split_ == Split::random) {
        const std::uint64_t most = random_.below(4) == 0 ? 4000 : 12;
        size = std::min(rest.size(), static_cast<std::size_t>(1 + random_.below(most)));
      }
      if (!peer_.closed()) {
        peer_.send(rest.substr(0, size));
      }
      rest.remove_prefix(size);
    }
    waiting_.clear();
    collect();
  }

  void collect() {
    output_ += peer_.take_output();
    for (std::string& event : peer_.take_events()) {
      events_.push_back(std::move(event));
    }
  }

  std::string at(int number, const std::string& trouble) const {
    return dialog_.name + ":" + std::to_string(number) + ": " + trouble;
  }

  const Dialog& dialog_;
  Peer& peer_;
  Split split_;
  base::SeededRandom random_;
  std::string waiting_;
  std::string output_;
  std::vector<std::string> events_;
};

}  // namespace

std::string Dialog::option(std::string_view key, std::string_view fallback) const {
  const auto found = options.find(std::string(key));
  return found == options.end() ? std::string(fallback) : found->second;
}

std::uint64_t Dialog::number(std::string_view key, std::uint64_t fallback) const {
  return base::parse_u64(option(key)).value_or(fallback);
}

std::vector<std::string> Dialog::all(std::string_view key) const {
  std::vector<std::string> values;
  const auto range = options.equal_range(std::string(key));
  for (auto it = range.first; it != range.second; ++it) {
    values.push_back(it->second);
  }
  return values;
}

bool parse_dialog(std::string_view name, std::string_view text, Dialog* dialog,
                  std::string* error) {
  Reader reader(name, dialog, error);
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (!reader.read_line(text.substr(0, end))) {
      return false;
    }
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  if (dialog->lines.empty()) {
    *error = std::string(name) + ": holds no dialogue";
    return false;
  }
  return true;
}

void substitute(Dialog& dialog, const Variables& variables) {
  for (auto& option : dialog.options) {
    replace_all(option.second, variables);
  }
  for (Line& line : dialog.lines) {
    replace_all(line.text, variables);
  }
}

bool matches(std::string_view pattern, std::string_view text) {
  while (!pattern.empty()) {
    if (pattern.front() == '*') {
      pattern.remove_prefix(1);
      for (std::size_t skip = 0; skip <= text.size(); ++skip) {
        if (matches(pattern, text.substr(skip))) {
          return true;
        }
      }
      return false;
    }
    if (pattern.size() > 1 && pattern[0] == '\\' && pattern[1] == '*') {
      pattern.remove_prefix(1);
    }
    if (text.empty() || text.front() != pattern.front()) {
      return false;
    }
    pattern.remove_prefix(1);
    text.remove_prefix(1);
  }
  return text.empty();
}

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char next = text[i + 1];
    static constexpr std::string_view kLetters = "rnt0\\";
    static constexpr std::string_view kOctets("\r\n\t\0\\", 5);
    const std::size_t known = kLetters.find(next);
    if (known != std::string_view::npos) {
      out += kOctets[known];
      ++i;
    } else if (next == 'x' && i + 3 < text.size() && hex_digit(text[i + 2]) >= 0 &&
               hex_digit(text[i + 3]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 2]) * 16 + hex_digit(text[i + 3]));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string escape(std::string_view octets) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const char c : octets) {
    const auto octet = static_cast<unsigned char>(c);
    switch (c) {
      case '\r':
        out += "\\r";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\0':
        out += "\\0";
        break;
      case '\\':
        out += "\\\\";
        break;
      default:
        if (octet >= 0x20 && octet < 0x7f) {
          out += c;
        } else {
          out += "\\x";
          out += kHex[octet >> 4U];
          out += kHex[octet & 15U];
        }
    }
  }
  return out;
}

std::string play(const Dialog& dialog, Peer& peer, Split split, std::uint64_t seed) {
  Player player(dialog, peer, split, seed);
  return player.run();
}

}  // namespace posthouse::dialogs
