// What the system refused about a store's file, in words for the person who must mend it.
#pragma once
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include "basis/result.hpp"

namespace troupe::storage {

/// `number` is errno's; the note names path, what was being done, the reason and what to do.
inline error system_error(int number, const std::string& path, std::string_view doing) {
  const auto note = path + ": " + std::string(doing) + " failed: " + std::strerror(number);
  switch (number) {
    case EACCES:
    case EPERM:
    case EROFS: return fail(errc::forbidden, note + "; give this user the right to write there");
    case ENOENT:
    case ENOTDIR: return fail(errc::not_found, note + "; make the folder above it first");
    case EEXIST: return fail(errc::already_exists, note);
    case ENOSPC: return fail(errc::unavailable, note + "; make room and start again");
    default: return fail(errc::internal, note);
  }
}

}  // namespace troupe::storage
