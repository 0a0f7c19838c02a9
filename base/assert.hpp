// Always-on assertion for our own bugs: prints the sentence and aborts, in release builds too.
#pragma once

namespace posthouse::base {
[[noreturn]] void assertion_failed(const char* condition, const char* message, const char* file,
                                   int line);
}  // namespace posthouse::base

#define PH_ASSERT(condition, message) \
  (static_cast<bool>(condition)       \
       ? static_cast<void>(0)         \
       : ::posthouse::base::assertion_failed(#condition, message, __FILE__, __LINE__))
