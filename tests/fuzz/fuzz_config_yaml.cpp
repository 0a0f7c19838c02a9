// conf/: any text as a configuration in YAML syntax.
#include "tests/fuzz/config_checks.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  posthouse::fuzz::check_config(posthouse::fuzz::text_of(data, size), "t.yaml");
  return 0;
}
