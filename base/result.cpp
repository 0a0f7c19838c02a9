// Owns the wording and making of errors of the environment. Pure; called from any thread.
#include "base/result.hpp"

namespace posthouse::base {

std::string Error::message() const {
  std::string text = op;
  if (!detail.empty()) {
    text += text.empty() ? "" : " ";
    text += detail;
  }
  if (!text.empty()) {
    text += ": ";
  }
  return text + code.message();
}

tl::unexpected<Error> fail_errno(int errno_value, std::string_view op, std::string_view detail) {
  return tl::unexpected<Error>(
      Error(std::error_code(errno_value, std::generic_category()), op, detail));
}

tl::unexpected<Error> fail(std::errc condition, std::string_view op, std::string_view detail) {
  return tl::unexpected<Error>(Error(std::make_error_code(condition), op, detail));
}

}  // namespace posthouse::base
