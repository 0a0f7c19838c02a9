// Owns the erasing of passwords from memory. Any thread.
#include "base/secret.hpp"

#include <strings.h>
#include <cstring>

namespace posthouse::base {

void wipe(std::string& text) {
  // The whole capacity: the string may have been longer before, and a moved-from string keeps what
  // its inner buffer held. Growing to the capacity does not allocate.
  text.resize(text.capacity());
  ::explicit_bzero(text.data(), text.size());
  text.clear();
}

}  // namespace posthouse::base
