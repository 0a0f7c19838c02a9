// `posthouse version`: what this program was built from and runs with.
#include <boost/json.hpp>
#include <boost/version.hpp>
#include <cstdio>
#include <string>

#include <fmt/core.h>

#include "app/commands.hpp"
#include "net/tls_version.hpp"

namespace posthouse::app {

int run_version(bool json) {
  const std::string compiler = __VERSION__;
  const std::string boost = fmt::format("{}.{}.{}", BOOST_VERSION / 100000,
                                        BOOST_VERSION / 100 % 1000, BOOST_VERSION % 100);
  if (json) {
    boost::json::object object;
    object["version"] = POSTHOUSE_VERSION;
    object["build"] = POSTHOUSE_BUILD;
    object["compiler"] = compiler;
    object["boost"] = boost;
    object["openssl"] = net::tls_library_version();
    std::puts(boost::json::serialize(object).c_str());
    return kExitOk;
  }
  fmt::print("posthouse {} ({}, compiler {})\nBoost {}\n{}\n", POSTHOUSE_VERSION, POSTHOUSE_BUILD,
             compiler, boost, net::tls_library_version());
  return kExitOk;
}

}  // namespace posthouse::app
