// The answer to a login attempt, apart from ports.hpp so that the session core needs no Asio.
#pragma once

namespace posthouse::smtpd {

enum class AuthOutcome { accepted, refused, unavailable };

}  // namespace posthouse::smtpd
