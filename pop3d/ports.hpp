// What the POP3 server needs from the rest of the house. app/ implements these over accounts/,
// mailbox/ and queue/; tests use small fakes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.hpp"
#include "net/ports.hpp"
#include "pop3d/listing.hpp"

namespace posthouse::pop3d {

// One locked maildrop, as seen at login. Destroying it releases the lock and changes nothing.
class Maildrop {
 public:
  virtual ~Maildrop() = default;
  // Message 1 is messages()[0]. Fixed for the session.
  [[nodiscard]] virtual const std::vector<Listing>& messages() const = 0;
  // Appends message `index` in wire form before dot-stuffing (CRLF line ends) to `out`, at most the
  // header and `body_lines` lines of the body (UINT64_MAX: all), at most `limit` octets from
  // `offset` of that form. `*done` tells whether the end was reached.
  [[nodiscard]] virtual net::Task<DropStatus> read(std::size_t index, std::uint64_t offset,
                                                   std::size_t limit, std::string* out,
                                                   bool* done) = 0;
  // Removes the messages for good; returns after the removal is durable.
  [[nodiscard]] virtual net::Task<DropStatus> remove(std::vector<std::size_t> indexes) = 0;
};

class Maildrops {
 public:
  virtual ~Maildrops() = default;
  // Checks the password and, when right, locks and lists the user's maildrop.
  [[nodiscard]] virtual net::Task<LoginOutcome> login(std::string user, base::Secret password,
                                                      std::unique_ptr<Maildrop>* drop) = 0;
};

}  // namespace posthouse::pop3d
