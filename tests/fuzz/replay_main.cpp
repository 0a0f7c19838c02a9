// Runs a fuzz target without libFuzzer: each file of the corpus as it is, each cut short, and each
// with single octets changed in a fixed pseudo-random way. Fails when the corpus is empty; a crash
// or a failed assertion of the target ends the program, after the input's name was printed.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz_input.hpp"

namespace {

constexpr std::size_t kCuts = 64;
constexpr std::size_t kChanges = 256;

void run(const std::vector<std::uint8_t>& input) {
  // An exact heap copy, so that a sanitizer sees each octet read beyond it.
  const std::vector<std::uint8_t> copy(input);
  LLVMFuzzerTestOneInput(copy.data(), copy.size());
}

void run_with_variants(const std::vector<std::uint8_t>& input) {
  run(input);
  const std::size_t step = input.size() / kCuts + 1;
  for (std::size_t size = 0; size < input.size(); size += step) {
    run({input.begin(), input.begin() + static_cast<std::ptrdiff_t>(size)});
  }
  constexpr std::uint8_t kTelling[] = {0,   '\t', '\n', '\r', ' ',  '"',
                                       '.', '<',  '>',  '@',  0x80, 0xff};
  std::uint32_t state = static_cast<std::uint32_t>(input.size());
  std::vector<std::uint8_t> changed(input);
  for (std::size_t i = 0; i < kChanges && !input.empty(); ++i) {
    state = state * 1664525U + 1013904223U;
    const std::size_t at = (state >> 8) % input.size();
    changed[at] = kTelling[(state >> 4) % std::size(kTelling)];
    run(changed);
    changed[at] = input[at];
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS_DIRECTORY\n", argv[0]);
    return 64;
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    if (entry.is_regular_file()) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    std::fprintf(stderr, "%s: no corpus\n", argv[1]);
    return 1;
  }
  run({});
  for (const auto& path : files) {
    std::ifstream in(path, std::ios::binary);
    const std::string content((std::istreambuf_iterator<char>(in)), {});
    std::printf("%s\n", path.filename().c_str());
    std::fflush(stdout);
    run_with_variants({content.begin(), content.end()});
  }
  return 0;
}
