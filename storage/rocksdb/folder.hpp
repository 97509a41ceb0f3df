// How a folder of ours looks from outside, and its two small files: TROUPE says whose it is and in which format,
// TROUPE-COPY that backup() wrote it and nobody has opened it since. Looking changes nothing.
#pragma once
#include <string>

#include "basis/result.hpp"

namespace troupe::storage {

inline constexpr int rocksdb_format_version = 1;

enum class folder_state { absent, empty, ours };
/// Errors as open_rocksdb.
result<folder_state> inspect_folder(const std::string& path);
/// Makes the folder (mode 0700) where it is absent and writes TROUPE, synced.
result<void> claim_folder(const std::string& path);

/// Syncs the folder in which `path` stands.
result<void> sync_above(const std::string& path);

bool is_marked_copy(const std::string& path);
result<void> mark_copy(const std::string& path);
result<void> unmark_copy(const std::string& path);
/// Sizes of all files in it; 0 for what cannot be read. Any thread.
std::uint64_t folder_bytes(const std::string& path);

}  // namespace troupe::storage
