// Assignments back to text, in either syntax: what the readers make of the text is what was given.
// Pure; used by `config --format` and by the generated documents.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "conf/load.hpp"

namespace posthouse::conf {

// One line for each assignment, in their order.
[[nodiscard]] std::string write_dmail(std::span<const Assignment> assignments);
// One mapping; the lines of a setting are together, at the place of its first, because a YAML
// mapping names each key once. The order of one setting's lines is kept.
[[nodiscard]] std::string write_yaml(std::span<const Assignment> assignments);

// A word as it must stand in dmail.conf: in quotes when it is empty or holds blanks or quotes.
[[nodiscard]] std::string dmail_word(std::string_view word);
// Words joined as on a line.
[[nodiscard]] std::string dmail_words(std::span<const std::string> words);

}  // namespace posthouse::conf
