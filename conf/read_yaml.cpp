// The YAML form: one mapping from setting to a value, a list of values, or (for a repeated setting
// of several words) a list of lists. Built on yaml-cpp's events and not on its nodes: nothing is
// built that goes deeper than three levels, and an alias is an error the moment it is seen, so the
// usual YAML bombs have nothing to multiply. yaml-cpp's own exceptions end here.
#include <fmt/core.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "base/text.hpp"
#include "conf/reader.hpp"
#include "conf/setting.hpp"
#include "conf/values.hpp"
#include "conf/writer.hpp"

namespace posthouse::conf {
namespace {

constexpr unsigned kMaxDepth = 3;  // mapping, list, list

unsigned line_of(const YAML::Mark& mark) {
  return mark.line < 0 ? 1 : static_cast<unsigned>(mark.line) + 1;  // yaml-cpp counts from 0
}

struct Value {
  enum class Kind { null, scalar, list, map };
  Kind kind = Kind::null;
  unsigned line = 1;
  std::string text;
  std::vector<Value> children;  // of a map: key, value, key, value, …
};

// Builds the small tree of one document.
class Builder final : public YAML::EventHandler {
 public:
  Builder(const std::string& file, Reader& reader) : file_(file), reader_(reader) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    put(Value{Value::Kind::null, line_of(mark), {}, {}});
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(line_of(mark), "aliases (*name) are not supported; write the value out");
    put(Value{Value::Kind::null, line_of(mark), {}, {}});
  }
  void OnAnchor(const YAML::Mark& mark, const std::string&) override {
    refuse(line_of(mark), "anchors (&name) are not supported; remove the anchor");
  }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                const std::string& text) override {
    put(Value{Value::Kind::scalar, line_of(mark), text, {}});
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open(Value{Value::Kind::list, line_of(mark), {}, {}});
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    open(Value{Value::Kind::map, line_of(mark), {}, {}});
  }
  void OnMapEnd() override { close(); }

  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] const Value& root() const { return root_; }

 private:
  void refuse(unsigned line, std::string message) {
    failed_ = true;
    reader_.report(Severity::error, Origin{file_, line}, std::move(message));
  }

  void put(Value value) {
    if (skipping_ > 0) return;
    if (stack_.empty()) {
      root_ = std::move(value);
    } else {
      stack_.back().children.push_back(std::move(value));
    }
  }

  void open(Value value) {
    if (skipping_ > 0 || stack_.size() == kMaxDepth) {
      if (skipping_ == 0) {
        refuse(value.line,
               "values are nested too deep; a setting takes a word, a list of words or "
               "a list of such lists");
      }
      ++skipping_;
      return;
    }
    stack_.push_back(std::move(value));
  }

  void close() {
    if (skipping_ > 0) {
      --skipping_;
      return;
    }
    Value done = std::move(stack_.back());
    stack_.pop_back();
    put(std::move(done));
  }

  const std::string& file_;
  Reader& reader_;
  std::vector<Value> stack_;
  Value root_;
  unsigned skipping_ = 0;  // open lists and maps below the deepest level that is kept
  bool failed_ = false;
};

// Turns the tree of one file into assignments.
class Document {
 public:
  Document(const std::string& file, Reader& reader) : file_(file), reader_(reader) {}

  void read(const Value& root) {
    if (root.kind == Value::Kind::null) return;
    if (root.kind != Value::Kind::map) {
      report(root.line, "the file must be a mapping; write lines like `host_domain: example.org'");
      return;
    }
    for (std::size_t i = 0; i + 1 < root.children.size() && !reader_.full(); i += 2) {
      read_entry(root.children[i], root.children[i + 1]);
    }
  }

 private:
  void report(unsigned line, std::string message) {
    reader_.report(Severity::error, Origin{file_, line}, std::move(message));
  }

  void read_entry(const Value& key, const Value& value) {
    if (key.kind != Value::Kind::scalar) {
      report(key.line, "the name of a setting must be a word");
      return;
    }
    const std::string name = base::to_lower(key.text);
    const auto [earlier, added] = seen_.emplace(name, key.line);
    if (!added) {
      report(key.line, fmt::format("{} stands in line {} already; write its values as one list",
                                   in_quotes(name), earlier->second));
      return;
    }
    if (value.kind == Value::Kind::map) {
      report(value.line,
             fmt::format("{}: a setting takes a word or a list, not a mapping", in_quotes(name)));
    } else if (name == "include") {
      read_includes(value);
    } else {
      read_values(name, key, value);
    }
  }

  void read_includes(const Value& value) {
    if (value.kind == Value::Kind::scalar) {
      reader_.include(value.text, Origin{file_, value.line});
      return;
    }
    if (value.children.empty()) report(value.line, "include has no value; write a file name");
    for (const auto& child : value.children) {
      if (child.kind != Value::Kind::scalar) {
        report(child.line, "include takes file names; write a list of words");
      } else {
        reader_.include(child.text, Origin{file_, child.line});
      }
    }
  }

  // A list holds repetitions of a repeatable setting, but the words of any other.
  void read_values(const std::string& name, const Value& key, const Value& value) {
    const Setting* row = find_setting(name);
    const bool repeatable = row == nullptr || row->repeatable;
    if (value.kind == Value::Kind::null ||
        (value.kind == Value::Kind::list && value.children.empty())) {
      reader_.add(Assignment{name, {}, Origin{file_, key.line}});
    } else if (value.kind == Value::Kind::scalar || !repeatable) {
      add(name, value);
    } else {
      for (const auto& child : value.children) add(name, child);
    }
  }

  // One assignment from a word or a list of words.
  void add(const std::string& name, const Value& value) {
    Assignment assignment{name, {}, Origin{file_, value.line}};
    const bool list = value.kind == Value::Kind::list;
    const std::size_t count = list ? value.children.size() : 1;
    for (std::size_t i = 0; i < count; ++i) {
      const Value& word = list ? value.children[i] : value;
      if (word.kind != Value::Kind::scalar) {
        report(word.line,
               word.kind == Value::Kind::null
                   ? fmt::format("{}: a value is missing; write \"\" for an empty word",
                                 in_quotes(name))
                   : fmt::format("{}: write a word here, not a list or mapping", in_quotes(name)));
        return;
      }
      const std::string wrong = word_problem(word.text);
      if (!wrong.empty()) {
        report(word.line, fmt::format("{}: {}", in_quotes(name), wrong));
        return;
      }
      assignment.words.push_back(word.text);
    }
    // The same limit as in the other syntax, so that this can be written in it.
    if (write_dmail({&assignment, 1}).size() > kMaxLineOctets) {
      report(value.line, fmt::format("{}: the value is longer than {} octets; write several",
                                     in_quotes(name), kMaxLineOctets));
      return;
    }
    reader_.add(std::move(assignment));
  }

  const std::string& file_;
  Reader& reader_;
  std::map<std::string, unsigned> seen_;  // name and its line
};

// The line of the first octet that is not UTF-8: yaml-cpp would replace it silently.
unsigned bad_utf8_line(std::string_view text) {
  unsigned line = 1;
  for (const auto part : base::split(text, '\n')) {
    if (!base::is_utf8(part)) return line;
    ++line;
  }
  return 1;
}

}  // namespace

void read_yaml(std::string_view text, const std::string& file, Reader& reader) {
  if (!base::is_utf8(text)) {
    reader.report(Severity::error, Origin{file, bad_utf8_line(text)},
                  "the file is not UTF-8; save it as such");
    return;
  }
  std::istringstream stream{std::string(text)};
  Builder builder(file, reader);
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return;
    // A refused document could still fail inside yaml-cpp; one problem is enough.
    if (builder.failed()) return;
    Builder second(file, reader);
    const Value first = builder.root();
    if (parser.HandleNextDocument(second)) {
      reader.report(Severity::error, Origin{file, std::max(1U, second.root().line)},
                    "the file holds more than one document; remove the line ---");
      return;
    }
    Document(file, reader).read(first);
  } catch (const YAML::Exception& problem) {
    reader.report(Severity::error, Origin{file, line_of(problem.mark)},
                  fmt::format("not valid YAML: {}", problem.msg));
  }
}

}  // namespace posthouse::conf
