// Renames that cannot lose a file: onto nothing, or in exchange.
#pragma once
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>

#include "stream/file.h"

namespace taujp::stream {

// RENAME_NOREPLACE and RENAME_EXCHANGE, which older headers do not name.
enum class Renaming : unsigned { onto_nothing = 1, exchange = 2 };

// False where the file system has no such step.
inline bool renamed(const std::string& from, const std::string& to, Renaming how) {
  if (::syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), how) == 0) return true;
  if (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP) return false;
  fail("cannot rename '" + from + "' to", to, errno);
}

// Fails where something stands at `to`, even if it came there a moment ago.
inline void rename_onto_nothing(const std::string& from, const std::string& to) {
  if (renamed(from, to, Renaming::onto_nothing)) return;
  if (::access(to.c_str(), F_OK) == 0) fail("cannot rename '" + from + "' to", to, EEXIST);
  if (::rename(from.c_str(), to.c_str()) != 0) fail("cannot rename '" + from + "' to", to, errno);
}

// Swaps what the two paths name, so that at no moment one of them is missing or half written.
inline bool exchange(const std::string& one, const std::string& other) {
  return renamed(one, other, Renaming::exchange);
}

}  // namespace taujp::stream
