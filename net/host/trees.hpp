// What net::files says about folders and large files, on a real disk. Blocks; any thread.
#pragma once
#include "net/host/host.hpp"

namespace troupe::net::real::trees {

result<std::vector<file_entry>> list_folder(const std::string& folder);
result<void> remove_tree(const std::string& path);
result<void> copy_tree(const std::string& from, const std::string& to);
result<std::string> digest_tree(const std::string& path);
bool is_locked(const std::string& path);

}  // namespace troupe::net::real::trees
