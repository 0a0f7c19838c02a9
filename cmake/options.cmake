# Compiler and linker options of every target, and the libraries found once.
find_package(OpenSSL REQUIRED)
find_package(fmt REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(idn2 REQUIRED IMPORTED_TARGET libidn2)
pkg_check_modules(cares REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(crypt REQUIRED IMPORTED_TARGET libcrypt)
add_library(PkgConfig::unistring INTERFACE IMPORTED)
target_link_libraries(PkgConfig::unistring INTERFACE unistring)
add_library(PkgConfig::json INTERFACE IMPORTED)
target_link_libraries(PkgConfig::json INTERFACE boost_json)

add_library(posthouse_options INTERFACE)
target_include_directories(posthouse_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(posthouse_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Werror
  -fstack-protector-strong -fPIE $<$<CONFIG:Release>:-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2>)
target_compile_definitions(posthouse_options INTERFACE
  _GLIBCXX_ASSERTIONS BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
  BOOST_ASIO_DISABLE_BOOST_COROUTINE=1)
target_link_options(posthouse_options INTERFACE -pie -Wl,-z,relro,-z,now)
target_link_libraries(posthouse_options INTERFACE Threads::Threads)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False alarms of g++ 12 inside coroutine frames and std::string at -O2.
  target_compile_options(posthouse_options INTERFACE -Wno-restrict -Wno-mismatched-new-delete)
endif()
if(POSTHOUSE_SANITIZE)
  target_compile_options(posthouse_options INTERFACE
    -fsanitize=${POSTHOUSE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(posthouse_options INTERFACE -fsanitize=${POSTHOUSE_SANITIZE})
  if(POSTHOUSE_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(posthouse_options INTERFACE -Wno-tsan)  # Asio's fences
  endif()
  # Freed coroutine frames must look freed to the sanitizer.
  target_compile_definitions(posthouse_options INTERFACE BOOST_ASIO_DISABLE_AWAITABLE_FRAME_RECYCLING)
endif()
if(POSTHOUSE_FUZZ)
  target_compile_options(posthouse_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

find_program(MOLD mold)
if(MOLD)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_link_options(-fuse-ld=mold)
  else()
    add_link_options(--ld-path=${MOLD})
  endif()
endif()
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE})
endif()
