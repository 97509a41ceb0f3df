// How a file of ours looks from outside, and how it comes into being. Looking changes nothing.
#pragma once
#include <string>

#include "storage/sqlite/database.hpp"

namespace troupe::storage {

inline constexpr int application_id = 0x54525045;  ///< 'TRPE'
inline constexpr int format_version = 1;           ///< user_version
inline constexpr int page_bytes = 4096;

enum class presence { absent, ours };

/// Reads the first 100 bytes (https://www.sqlite.org/fileformat.html, section 1.3) through the VFS, which
/// keeps the locks of this process intact. Errors as open_sqlite.
result<presence> inspect_file(const std::string& path, const std::string& vfs);

/// Makes an empty log beside `path`, syncs it and moves it into place, so that a half-made file is never
/// taken for a whole one. `already_exists` when somebody else was faster.
result<void> create_file(const std::string& path, const std::string& vfs);

/// Creates `path` with mode 0600; `already_exists`, `forbidden`, `not_found` as the system says.
result<void> touch_private(const std::string& path);
/// Syncs a file or, with `folder`, the folder it stands in.
result<void> sync_path(const std::string& path, bool folder);

}  // namespace troupe::storage
